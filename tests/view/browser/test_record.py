"""The record panel, by what a person does with it."""

import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

import ecgstore
from ecgstore.arrays import FloatArray
from ecgstore.config import Config
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.storage import Store
from ecgstore.view.record.details import record_details

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

PX_PER_MM = 96 / 25.4
SVG = "{http://www.w3.org/2000/svg}"


class Page:
    """The page, and what a person does on its record panel."""

    def __init__(self, driver: "Chrome", url: str, store: Store) -> None:
        self.driver = driver
        self.url = url
        self.store = store

    def open(self, name: str | None = None, **state: object) -> None:
        """Open a record, and wait until it is drawn."""
        row = 0 if name is None else self.store.row(name)
        pairs = {"row": row, **state}
        self.driver.get("about:blank")
        self.driver.get(
            self.url + "#" + "&".join(f"{key}={value}" for key, value in pairs.items())
        )
        self.until_drawn(row)

    def until_drawn(self, row: int) -> None:
        self.until(
            lambda: self.run(
                "return app.record?.row === arguments[0] && app.paper.layout !== null "
                "&& app.paper.stored?.record === app.record "
                "&& Boolean(app.paper.stored.first) && Boolean(app.paper.median)",
                row,
            )
        )
        self.settle()

    def settle(self) -> None:
        """Wait until the view is in the address, and said."""
        self.run("await new Promise((done) => setTimeout(done, 600))")

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script, in which `app` is that of the page."""
        whole = (
            "const done = arguments[arguments.length - 1]; (async (...arguments) => {"
            "const { app } = await import('/main.js');" + script + "})(...arguments)"
            ".then(done, (error) => done({ error: String(error) }))"
        )
        found = self.driver.execute_async_script(whole, *arguments)
        assert not (isinstance(found, dict) and "error" in found), found
        return found

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, 15).until(lambda _: condition())

    def one(self, selector: str) -> "WebElement":
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list["WebElement"]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def button(self, text: str) -> "WebElement":
        [found] = [one for one in self.all(".rec button") if one.text == text]
        return found

    def check(self, label: str) -> "WebElement":
        [found] = [one for one in self.all(".rec-tools label") if one.text == label]
        return found.find_element(By.TAG_NAME, "input")

    def keys(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()
        self.settle()

    def saved(self, button: str) -> bytes:
        """Press a button that saves a file, and return its content."""
        self.run(
            "URL.createObjectURL = (blob) => { window.saved = blob; return '#'; };"
            "HTMLAnchorElement.prototype.click = () => {}; window.saved = null;"
        )
        self.button(button).click()
        self.until(lambda: self.run("return window.saved !== null"))
        return bytes(
            self.run("return [...new Uint8Array(await window.saved.arrayBuffer())]")
        )

    def description(self) -> str:
        return str(self.one(".rec-sheet canvas[role=img]").get_attribute("aria-label"))

    def panels(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.run("return app.paper.layout.panels")
        return found


@pytest.fixture(scope="module")
def address(serve_viewer: Callable[..., Any], sample_store: Path) -> tuple[str, Store]:
    """Serve the sample with the folder of its records."""
    viewer = serve_viewer(sample_store, folders=[sample_folder()])
    return viewer.entry, viewer.shown.store


@pytest.fixture
def page(driver: "Chrome", address: tuple[str, Store]) -> Iterator[Page]:
    """Open the viewer; it must not have complained in the end."""
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.set_window_size(1280, 900)
    driver.set_script_timeout(20)
    driver.get(address[0])
    yield Page(driver, address[0].partition("?")[0], address[1])
    messages = driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.get("about:blank")
    assert not messages, messages


@pytest.fixture
def page_of(
    driver: "Chrome", serve_viewer: Callable[..., Any]
) -> Callable[[Path], Page]:
    """Return a function that opens the viewer of another store."""

    def opened(path: Path) -> Page:
        viewer = serve_viewer(path)
        driver.set_window_size(1280, 900)
        driver.set_script_timeout(20)
        driver.get(viewer.entry)
        return Page(driver, viewer.url, viewer.shown.store)

    return opened


def curves_of(svg: bytes) -> list[FloatArray]:
    """Return the points of the curves of a drawing: x and y in mm."""
    found = []
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        for path in group.iter(f"{SVG}path"):
            d = path.get("d", "")
            if path.get("fill") != "none" or d.count("L") < 100:
                continue
            moved = path.get("transform", "translate(0 0)")[10:-1].split()
            points = [part.split() for part in d.replace("L", "M").split("M")[1:]]
            found.append(np.array(points, float) + np.array(moved, float))
    return found


# -- the paper


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


# -- marks, raw, median beat, features


def test_marks_lie_where_the_store_has_them(page: Page) -> None:
    page.open("HR00001")
    record = page.store["HR00001"]
    found = page.run(
        "return app.paper.stored.first.marks.map((lead) => lead.map((beat) => beat))"
    )
    np.testing.assert_array_equal(np.array(found), record.fiducials)
    assert "P, QRS and T waves marked" in page.description()
    page.keys("m")
    assert "marks hidden" in page.description()
    assert "QRS" not in page.one(".rec-legend").text
    assert not page.check("Marks").is_selected()


def test_the_raw_signal_is_drawn_behind(page: Page) -> None:
    page.open("HR00001")
    page.check("Raw").click()
    page.until(lambda: page.run("return Boolean(app.paper.raw?.first)"))
    page.settle()
    assert "raw signal behind" in page.description()
    header, *lines = page.saved("CSV").decode().splitlines()
    names = header.split(",")
    assert names[1:] == [f"{lead}_mv" for lead in LEADS] + [
        f"{lead}_raw_mv" for lead in LEADS
    ]
    values = np.array([line.split(",") for line in lines], float)
    difference = values[:, 1] - values[:, 13]
    assert 0.001 < np.std(difference) < 0.5


def test_the_median_beats_of_all_leads(page: Page) -> None:
    page.open("HR00001")
    titles = page.all(".rec-median svg > title")
    assert len(titles) == 12
    n_used = page.run("return app.paper.median.n_used")
    assert f"{n_used} of {len(page.store['HR00001'].r_peaks)} beats" in (
        page.one(".rec-median").text
    )


def test_features_have_normal_ranges_and_arrows(page: Page) -> None:
    store = page.store
    rows = [record_details(store, row) for row in range(len(store))]
    wide = next(
        record
        for record in rows
        for one in record["features"]
        if one["name"] == "qrs_duration_ms" and one.get("side") == 1
    )
    page.open(wide["record_id"])
    page.one(".rec-values summary").click()
    page.settle()
    [row] = [
        one.text
        for one in page.all(".rec-values tr")
        if one.text.startswith("qrs_duration_ms")
    ]
    assert "▲" in row
    assert "to 110" in row
    arrow = page.one(".rec-values tr.rec-beyond span[role=img]")
    assert "normal range" in str(arrow.get_attribute("aria-label"))


def test_the_record_in_words(page: Page) -> None:
    page.open("HR00001")
    text = page.one(".rec-about").text
    assert "sinus rhythm" in text
    assert "SNOMED CT 426783006" in text
    assert "baseline wander" in text
    assert "female; 56 years" in page.one(".rec-subtitle").text


# -- calipers


def readout(page: Page) -> str:
    return page.one(".rec-readout").text


def test_calipers_by_keyboard(page: Page) -> None:
    page.open("HR00001")
    page.keys("c")
    r_peaks = page.store["HR00001"].r_peaks
    ms = 2 * (r_peaks[1] - r_peaks[0])
    assert readout(page).startswith(f"{ms} ms, {60000 / ms:.1f} bpm, ")
    first, second = page.all(".rec-handle")
    assert first.get_attribute("role") == "slider"
    assert "lead II" in str(first.get_attribute("aria-valuetext"))
    second.send_keys(Keys.ARROW_RIGHT)
    second.send_keys(Keys.SHIFT + Keys.ARROW_RIGHT)
    page.settle()
    assert readout(page).startswith(f"{ms + 22} ms")
    before = float(readout(page).split(", ")[2].split()[0])
    second.send_keys(Keys.SHIFT + Keys.ARROW_UP)
    page.settle()
    assert float(readout(page).split(", ")[2].split()[0]) == pytest.approx(before + 0.1)
    assert page.one(".rec-spoken").get_attribute("textContent") == (
        f"Calipers: {readout(page)}"
    )
    shown = readout(page)
    link = page.driver.current_url
    page.driver.get("about:blank")
    page.driver.get(link)
    page.until_drawn(page.store.row("HR00001"))
    assert readout(page) == shown
    page.check("Calipers").click()
    page.settle()
    assert readout(page) == ""
    assert not any(handle.is_displayed() for handle in page.all(".rec-handle"))


def test_a_caliper_jumps_to_marks_and_onto_the_curve(page: Page) -> None:
    page.open("HR00001", cal="II@1.0@0.5;II@2.0@0.5")
    handle = page.all(".rec-handle")[0]
    handle.send_keys("]")
    page.settle()
    record = page.store["HR00001"]
    marks = np.unique(record.fiducials[1][record.fiducials[1] >= 0])
    expected = marks[marks > 500][0]
    text = str(handle.get_attribute("aria-valuetext"))
    mv = record.signal[1, expected]
    assert text == f"lead II, {expected / 500:.3f} s, {mv:.2f} mV"


def test_a_caliper_is_dragged(page: Page) -> None:
    page.open("HR00001", cal="II@1.0@0.0;II@2.0@0.0", layout="12x1")
    scale = page.run("return app.paper.scale")
    handle = page.all(".rec-handle")[1]
    drag = ActionChains(page.driver).click_and_hold(handle).move_by_offset(100, -20)
    drag.release().perform()
    page.settle()
    ms = float(readout(page).split()[0])
    assert ms == pytest.approx(1000 + 100 / scale / 25 * 1000, abs=4)
    mv = float(readout(page).split(", ")[2].split()[0])
    assert mv == pytest.approx(20 / scale / 10, abs=0.02)
    assert page.run("return app.paper.layout.start") == 0  # the paper stays


# -- exports


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


# -- the next record, help, looks


def test_next_and_previous_by_keyboard(page: Page) -> None:
    page.open()
    names = page.store.column("record_id").tolist()
    page.until(lambda: page.run("return app.paper.neighbours?.after === 1"))
    page.keys("j")
    page.until_drawn(1)
    assert page.one(".rec-head h2").text == names[1]
    page.until(lambda: page.run("return app.paper.neighbours?.before === 0"))
    page.keys("k")
    page.until_drawn(0)
    assert page.one(".rec-head h2").text == names[0]
    page.until(lambda: page.button("Next →").is_enabled())
    assert not page.button("← Previous").is_enabled()


def test_the_next_record_is_there_before_it_is_asked_for(page: Page) -> None:
    page.open()
    page.until(lambda: page.run("return app.paper.neighbours?.after === 1"))
    page.settle()
    page.run("performance.clearResourceTimings()")
    page.keys("j")
    page.until_drawn(1)
    asked = page.run(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert not [one for one in asked if one.endswith("/api/record/1")]
    assert not [one for one in asked if "/api/signal/1?" in one]


def test_help_lists_the_keys(page: Page) -> None:
    page.open()
    page.keys("?")
    assert "next, previous record" in page.one(".rec-help").text
    page.keys(Keys.ESCAPE)
    assert not page.one(".rec-help").is_displayed()


def luminance(colour: list[float]) -> float:
    parts = [
        one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4
        for one in (part / 255 for part in colour)
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_on_the_paper(page: Page, scheme: str) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    try:
        page.open("HR00001")
        colours = page.run(
            "const canvas = document.createElement('canvas');"
            "const context = canvas.getContext('2d', { willReadFrequently: true });"
            "return Object.fromEntries(Object.entries(app.paper.colours).map("
            "([name, value]) => { context.fillStyle = value;"
            "context.fillRect(0, 0, 1, 1);"
            "return [name, [...context.getImageData(0, 0, 1, 1).data]]; }))"
        )
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    paper = luminance(colours["paper"])
    assert (paper > 0.5) == (scheme == "light")
    for name in ("ink", "muted", "p", "qrs", "t", "caliper", "cut", "raw"):
        low, high = sorted([paper, luminance(colours[name])])
        assert (high + 0.05) / (low + 0.05) >= 4.5, name


@pytest.mark.parametrize("width", [360, 1280, 3840])
def test_nothing_reaches_beyond_the_window(page: Page, width: int) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        page.open("HR00001", panel="record")  # where it is one of three
        right = page.run(
            "return [...document.querySelectorAll('.rec, .rec *')].filter((one) => "
            "!one.closest('.rec-sheet, .rec-wide')).map((one) => "
            "one.getBoundingClientRect().right).reduce((a, b) => Math.max(a, b))"
        )
        shown = page.run("return app.paper.layout.seconds")
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert right <= width + 1
    assert shown > 2


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
