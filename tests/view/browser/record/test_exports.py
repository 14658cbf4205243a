"""Files, prints and links of exactly what is seen."""

import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.image import imread
from selenium.webdriver.common.keys import Keys

import ecgstore
from ecgstore.config import Config
from ecgstore.record import LEADS

if TYPE_CHECKING:
    pass

from ecgstore.sample import sample_folder
from ecgstore.view.record.source_signal import SourceSignals
from tests.view.browser.record.page import SVG, Page, curves_of


def test_the_table_has_the_exact_samples_in_view(page: Page) -> None:
    page.open("HR00001", layout="12x1", zoom=3, t=2.5)
    header, *lines = page.saved("CSV").decode().splitlines()
    assert header == "time_s," + ",".join(f"{lead}_mv" for lead in LEADS)
    values = np.array([line.split(",") for line in lines], float)
    layout = page.run("return app.paper.layout")
    samples = np.rint(values[:, 0] * 500).astype(int)
    assert samples[0] == 1250
    assert samples[-1] / 500 <= 2.5 + layout["seconds"] < (samples[-1] + 1) / 500
    stored = page.store.signals([page.store.row("HR00001")])[0, :, samples]
    np.testing.assert_array_equal(values[:, 1:].astype(np.float32), stored)


def test_a_file_waits_for_the_raw_signal(page: Page) -> None:
    page.open("HR00001")
    page.delay("form=raw")
    page.check("Raw").click()
    page.run("dispatchEvent(new Event('beforeprint'))")
    printed = page.one(".rec-print").get_attribute("textContent")
    assert "the raw signal is not loaded yet" in str(printed)
    assert "behind" not in str(printed)
    assert "not loaded yet" not in page.saved("SVG").decode()
    lines = page.saved("CSV").decode().splitlines()
    values = np.array([line.split(",") for line in lines[1:]], float)
    row = page.store.row("HR00001")
    raw = SourceSignals(page.store, [sample_folder()]).window(row, 0, len(values))
    np.testing.assert_array_equal(values[:, 13:].T.astype(np.float32), raw)


def test_a_file_waits_for_the_part_in_view(
    page_of: Callable[[Path], Page], tmp_path: Path
) -> None:
    signal = np.random.default_rng(0).normal(size=(12, 90 * 250))
    config = Config(
        beats="none", select="all", fs=250.0, duration_s=90.0, leads=("II", "V5")
    )
    out = tmp_path / "out.h5"
    ecgstore.build_from([("a", signal, 250)], out, config, n_workers=1, quiet=True)
    page = page_of(out)
    page.open("a")
    page.delay("/api/signal/0?form=stored&start=")
    page.one(".rec-sheet").send_keys(Keys.END)
    lines = page.saved("CSV").decode().splitlines()
    stored = page.store.signals([0])[0]
    values = np.array([line.split(",")[1:] for line in lines[1:]], np.float32)
    np.testing.assert_array_equal(values.T, stored[:, -len(values) :])


def test_a_file_waits_for_what_is_highlighted(page: Page) -> None:
    page.open("HR00001")
    page.run(
        "app.paper.overlaid = new Promise((done) => setTimeout(() => {"
        "app.paper.overlays = [(surface, layout, { left, zero }) => surface.text(left,"
        "zero, 'late', { size: 3, fill: 'red' })]; done(); }, 1000))"
    )
    assert page.saved("SVG").decode().count(">late<") == 13


def test_the_picture_has_ink_where_the_samples_are(page: Page) -> None:
    page.open("HR00001", marks=0)
    svg = page.saved("SVG")
    picture = imread(BytesIO(page.saved("PNG")))[..., :3].max(axis=2)
    scale = 2 * page.run("return app.paper.scale")
    isle = np.arange(-1, 2)
    for points in curves_of(svg):
        x, y = np.rint(points[::50].T * scale).astype(int)
        around = picture[
            y[:, None, None] + isle[:, None], x[:, None, None] + isle[None, :]
        ]
        assert (around.min(axis=(1, 2)) < 0.4).all()
    assert (picture < 0.4).mean() < 0.1


def test_the_picture_has_twice_the_pixels(page: Page) -> None:
    page.open("HR00001")
    png = page.saved("PNG")
    width, height = struct.unpack(">II", png[16:24])
    scale, layout = page.run("return [app.paper.scale, app.paper.layout]")
    assert width == pytest.approx(2 * scale * layout["width"], abs=2)
    assert height > 2 * scale * layout["height"]


def test_the_drawing_has_text_and_a_title(page: Page) -> None:
    page.open("HR00001", cal="II@1.0@0.5;II@2.0@0.5")
    svg = ET.fromstring(page.saved("SVG"))
    texts = [one.text for one in svg.iter(f"{SVG}text")]
    assert {*LEADS} <= {*texts}
    assert svg.findtext(f"{SVG}title") == "HR00001 (ptb-xl)"
    assert any("1000 ms" in str(text) for text in texts)
    assert "heart rate" in str(svg.findtext(f"{SVG}desc"))


def test_the_print_is_true_to_scale(page: Page) -> None:
    page.open("HR00001", zoom=3)
    page.run("dispatchEvent(new Event('beforeprint'))")
    svg = ET.fromstring(
        page.run("return document.querySelector('.rec-print svg').outerHTML")
    )
    at = {one.text: float(one.get("x", 0)) for one in svg.iter(f"{SVG}text")}
    assert at["9 s"] - at["1 s"] == pytest.approx(8 * 25, abs=0.01)
    assert svg.get("width") == "277mm"
    assert float(svg.get("viewBox", "").split()[3]) <= 190
    page.run("dispatchEvent(new Event('afterprint'))")
    assert not page.all(".rec-print svg")


def test_the_link_is_copied(page: Page) -> None:
    page.open("HR00001", t=1, zoom=4)
    page.run(
        "window.copied = null; Object.defineProperty(navigator, 'clipboard', { value:"
        "{ writeText: async (text) => { window.copied = text; } } })"
    )
    page.button("Copy link").click()
    page.settle()
    assert page.run("return window.copied") == page.driver.current_url
    assert page.one(".rec-spoken").get_attribute("textContent") == "Link copied"


def test_numbers_are_written_as_short_as_they_are_exact(page: Page) -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [
            rng.integers(-32767, 32767, 200) * np.float32(1 / 1000),
            rng.normal(size=200).astype(np.float32),
            np.array([0, 1e-30, -1e30, np.float32(1) / 3], np.float32),
        ]
    ).astype(np.float32)
    texts = page.run(
        "const { float32Text } = await import('/exports.js');"
        "return arguments[0].map((value) => float32Text(Math.fround(value)))",
        [float(value) for value in values],
    )
    np.testing.assert_array_equal(np.array(texts, np.float32), values)
    shortest = [np.format_float_positional(one, trim="-") for one in values[:400]]
    assert texts[:400] == shortest
