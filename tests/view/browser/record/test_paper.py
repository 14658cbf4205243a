"""The paper: its scale, what is on it, and how one moves on it."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

import ecgstore
from ecgstore.config import Config
from ecgstore.record import LEADS
from ecgstore.view.record.details import record_details

if TYPE_CHECKING:
    pass

from tests.view.browser.record.page import Page, curves_of


@pytest.mark.parametrize(("speed", "gain"), [(25, 10), (50, 20), (25, 5)])
def test_the_paper_is_true_to_scale(page: Page, speed: int, gain: int) -> None:
    page.open("HR00001", zoom=1, speed=speed, gain=gain)
    signal = page.store["HR00001"].signal
    assert page.one(".rec-zoom output").text == "100 %"
    curves = curves_of(page.saved("SVG"))
    panels = page.panels()
    assert len(curves) == len(panels) == 13
    for panel, points in zip(panels, curves, strict=True):
        seconds = panel["start"] + (points[:, 0] - panel["left"]) / speed
        samples = np.rint(seconds * 500).astype(int)
        assert np.abs(seconds * 500 - samples).max() < 0.05
        assert (np.diff(samples) == 1).all()
        mv = signal[LEADS.index(panel["name"]), samples]
        height = -np.diff(points[:, 1]) / gain
        assert np.abs(height - np.diff(mv)).max() < 0.001
    svg = ET.fromstring(page.saved("SVG"))
    assert svg.get("width") == f"{svg.get('viewBox', '').split()[2]}mm"


def test_the_canvas_shows_what_the_samples_say(page: Page) -> None:
    page.open("HR00001", layout="12x1", marks=0)
    scale = page.run("return app.paper.scale")
    signal = page.store["HR00001"].signal
    hits = []
    for panel in page.panels():
        mv = signal[LEADS.index(panel["name"])]
        for sample in range(100, 4000, 371):
            x = (panel["left"] + (sample / 500 - panel["start"]) * 25) * scale
            y = (panel["zero"] - (mv[sample] - np.median(mv)) * 10) * scale
            hits.append((float(x), float(y)))
    inked = page.run(
        "const { curves } = app.paper; const { width, height } = curves;"
        "const { data } = curves.getContext('2d').getImageData(0, 0, width, height);"
        "const isInk = (x, y) => data[4 * (y * width + x) + 3] > 99;"
        "const around = [-1, 0, 1];"
        "return arguments[0].map(([x, y]) => around.some((i) => around.some((j) =>"
        " isInk(Math.round(x * devicePixelRatio) + i,"
        " Math.round(y * devicePixelRatio) + j))))",
        hits,
    )
    assert all(inked)


def test_twelve_rows_and_chosen_leads(page: Page) -> None:
    page.open("HR00001")
    Select(page.one(".rec-tools select")).select_by_value("12x1")
    page.settle()
    assert [panel["name"] for panel in page.panels()] == list(LEADS)
    assert "layout=12x1" in page.driver.current_url
    page.one(".rec-leads summary").click()
    for lead in LEADS[2:]:
        page.one(f".rec-menu input[value={lead}]").click()
    page.settle()
    assert [panel["name"] for panel in page.panels()] == ["I", "II"]
    page.driver.back()
    page.settle()
    assert len(page.panels()) == 3


def test_zoom_and_pan(page: Page) -> None:
    page.open("HR00001", layout="12x1")
    before = page.run("return app.paper.layout.seconds")
    page.keys("+", "+", "+")
    assert page.run("return app.paper.layout.seconds") < before
    page.one(".rec-sheet").send_keys(Keys.ARROW_RIGHT)
    page.settle()
    start = page.run("return app.paper.layout.start")
    assert start > 0
    assert f"t={start:.3f}" in page.driver.current_url
    sheet = page.one(".rec-sheet canvas[role=img]")
    scale = page.run("return app.paper.scale")
    moved = ActionChains(page.driver).click_and_hold(sheet).move_by_offset(-100, 0)
    moved.release().perform()
    page.settle()
    dragged = page.run("return app.paper.layout.start") - start
    assert dragged == pytest.approx(100 / scale / 25, abs=0.02)
    link = page.driver.current_url
    shown = page.description()
    page.driver.get("about:blank")
    page.driver.get(link)
    page.until_drawn(page.store.row("HR00001"))
    assert page.description() == shown
    page.keys("0")
    assert page.run("return app.paper.layout.seconds") == pytest.approx(before)


def test_zoom_by_the_wheel_keeps_the_time_at_the_pointer(page: Page) -> None:
    page.open("HR00001", layout="12x1", zoom=2, t=2)
    at = (
        "const { layout, scale } = app.paper; const panel = layout.panels[0];"
        "return panel.start + (400 / scale - panel.left) / layout.speed"
    )
    before = page.run(at)
    page.run(
        "const { sheet } = app.paper; const box = sheet.getBoundingClientRect();"
        "sheet.dispatchEvent(new WheelEvent('wheel', { deltaY: -90, ctrlKey: true,"
        "clientX: box.left + 400, clientY: box.top + 50, cancelable: true }))"
    )
    page.settle()
    assert page.run("return app.paper.view.zoom") > 2
    assert page.run(at) == pytest.approx(before, abs=0.01)


def test_padding_is_shaded_and_named(page: Page) -> None:
    store = page.store
    row = int(np.flatnonzero(store.table("quality/pad_length"))[0])
    page.open(store.column("record_id", [row])[0])
    real_s = record_details(store, row)["n_real_samples"] / store.fs
    svg = page.saved("SVG").decode()
    assert ">padding<" in svg
    assert f"padding from {real_s:.1f} s on" in page.description()
    for panel in page.panels():
        if not panel.get("isStrip"):
            assert panel["end"] <= max(real_s, 2.5) + 1e-6


def test_missing_and_derived_leads_are_named(
    page_of: Callable[[Path], Page], tmp_path: Path, write_record: Callable[..., Path]
) -> None:
    kept = tuple(lead for lead in LEADS if lead not in ("V1", "aVR"))
    folder = write_record("A1", leads=kept).parent
    config = Config(allow_missing_leads=True, select="all")
    ecgstore.build_store(folder, tmp_path / "out.h5", config, n_workers=1, quiet=True)
    page = page_of(tmp_path / "out.h5")
    page.open("A1")
    svg = page.saved("SVG").decode()
    assert svg.count(">not recorded<") == 1
    assert svg.count(">derived<") == 1
    assert "not recorded: V1" in page.description()
    header, first, *_ = page.saved("CSV").decode().splitlines()
    assert first.split(",")[header.split(",").index("V1_mv")] == ""


def test_a_long_record_of_two_leads_is_loaded_in_parts(
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
    assert [panel["name"] for panel in page.panels()] == ["II", "V5"]
    assert page.one(".rec-time").is_displayed()
    page.one(".rec-sheet").send_keys(Keys.END)
    page.settle()
    page.until(lambda: page.run("return app.paper.stored.at(0, 22499)") is not None)
    seconds = page.run("return app.paper.layout.seconds")
    assert page.run("return app.paper.layout.start") == pytest.approx(90 - seconds)
    lines = page.saved("CSV").decode().splitlines()
    stored = page.store.signals([0])[0]
    values = np.array([line.split(",")[1:] for line in lines[1:]], np.float32)
    np.testing.assert_array_equal(values.T, stored[:, -len(values) :])
