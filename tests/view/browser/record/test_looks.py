"""Contrast, and windows of all widths."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    pass

from tests.view.browser.record.page import Page


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
