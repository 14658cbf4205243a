"""The calipers."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

if TYPE_CHECKING:
    pass

from tests.view.browser.record.page import Page


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


def test_a_caliper_comes_onto_a_curve_at_zero(page: Page) -> None:
    signal = page.store["HR00001"].signal[1]
    sample = int(np.flatnonzero(signal == 0)[0])
    page.open("HR00001", cal=f"II@{sample / 500}@0.7;II@{sample / 500}@0.7")
    handle = page.all(".rec-handle")[0]
    handle.send_keys(Keys.ENTER)
    page.settle()
    said = f"lead II, {sample / 500:.3f} s, 0.00 mV"
    assert handle.get_attribute("aria-valuetext") == said


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
