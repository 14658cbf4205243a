"""What is drawn lies where the store has it: positions are read from drawings."""

import re
import xml.etree.ElementTree as ET
from typing import Any, Final

import numpy as np
import pytest

from ecgstore.arrays import FloatArray
from ecgstore.record import LEADS, MARKS, Mark
from ecgstore.sample import sample_folder
from ecgstore.view.record.median_beat import median_beat
from ecgstore.view.record.source_signal import SourceSignals
from tests.view.browser.record.page import SVG, Page

NAME: Final = "HR00001"
FS: Final = 500

WAVES: Final = {
    "p": (Mark.P_ON, Mark.P_PEAK, Mark.P_OFF),
    "qrs": (Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF),
    "t": (Mark.T_ON, Mark.T_PEAK, Mark.T_OFF),
}
"""Marks of the waves, by the names of their colours."""


def points_of(path: ET.Element) -> FloatArray:
    """Return where a path goes, x and y in mm; of dots, where their left end is."""
    moved = path.get("transform", "translate(0 0)")[10:-1].split()
    found = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d", ""))
    return np.array(found, float).reshape(-1, 2) + np.array(moved, float)


def drawn(group: ET.Element, attribute: str, colour: str) -> FloatArray:
    """Return the points of all paths with a colour."""
    paths = [one for one in group.iter(f"{SVG}path") if one.get(attribute) == colour]
    return np.concatenate([np.empty((0, 2)), *(points_of(one) for one in paths)])


def groups_of(page: Page) -> tuple[list[ET.Element], dict[str, str]]:
    """Return the groups of a saved drawing, one for each panel, and the colours."""
    groups = [*ET.fromstring(page.saved("SVG")).iter(f"{SVG}g")]
    assert len(groups) == len(page.panels())
    return groups, page.run("return app.paper.colours")


def zero_of(mv: FloatArray) -> float:
    return float(np.sort(mv)[len(mv) // 2])


def samples_at(panel: dict[str, Any], x: FloatArray) -> FloatArray:
    return (panel["start"] + (x - panel["left"]) / 25) * FS


@pytest.mark.parametrize("layout", ["3x4", "12x1"])
def test_brackets_and_dots_are_at_the_marks(page: Page, layout: str) -> None:
    page.open(NAME, layout=layout)
    record = page.store[NAME]
    groups, colours = groups_of(page)
    n_dots = 0
    for panel, group in zip(page.panels(), groups, strict=True):
        lead = LEADS.index(panel["name"])
        first, last = panel["start"] * FS, panel["end"] * FS
        curve = drawn(group, "stroke", colours["ink"])
        for colour, (on, peak, off) in WAVES.items():
            expected = {
                mark: [
                    sample
                    for sample in record.fiducials[lead][:, mark]
                    if sample >= 0 and np.floor(first) <= sample <= np.ceil(last)
                ]
                for mark in (on, peak, off)
            }
            brackets = drawn(group, "stroke", colours[colour]).reshape(-1, 4, 2)
            at = samples_at(panel, brackets[:, 1, 0])
            begins = brackets[:, 0, 0] > brackets[:, 1, 0]
            np.testing.assert_allclose(np.sort(at[begins]), expected[on], atol=0.05)
            np.testing.assert_allclose(np.sort(at[~begins]), expected[off], atol=0.05)
            dots = drawn(group, "fill", colours[colour]) + np.array([0.5, 0])
            at = samples_at(panel, dots[:, 0])
            np.testing.assert_allclose(np.sort(at), expected[peak], atol=0.05)
            height = np.interp(dots[:, 0], curve[:, 0], curve[:, 1])
            np.testing.assert_allclose(dots[:, 1], height, atol=0.01)
            n_dots += len(dots)
    assert n_dots > 100


def test_curves_are_at_the_samples(page: Page) -> None:
    page.open(NAME, raw=1)
    page.until(lambda: page.run("return Boolean(app.paper.raw?.first)"))
    row = page.store.row(NAME)
    signals = {
        "ink": page.store.signals([row])[0],
        "raw": SourceSignals(page.store, [sample_folder()]).window(row, 0, 10 * FS),
    }
    groups, colours = groups_of(page)
    header = 5 * np.ceil(4 * page.run("return app.paper.layout.text") / 5)
    for panel, group in zip(page.panels(), groups, strict=True):
        for colour, signal in signals.items():
            mv = signal[LEADS.index(panel["name"])]
            points = drawn(group, "stroke", colours[colour])
            assert len(points) >= 1250
            samples = np.rint(samples_at(panel, points[:, 0])).astype(int)
            height = (mv[samples] - zero_of(mv)) * 10
            expected = header + panel["zero"] - height
            np.testing.assert_allclose(points[:, 1], expected, atol=0.002)


def test_median_beats_are_at_their_samples_and_marks(page: Page) -> None:
    page.open(NAME)
    median = median_beat(page.store, page.store.row(NAME))
    colours = page.run("return app.paper.colours")
    drawings = page.run(
        "return [...document.querySelectorAll('.rec-median svg')].map((one) => "
        "one.outerHTML)"
    )
    for lead, text in enumerate(drawings):
        svg = ET.fromstring(text)
        assert svg.findtext(f"{SVG}title") == f"Median beat of lead {LEADS[lead]}"
        mv = np.array(median["curves"][lead])
        points = drawn(svg, "stroke", colours["ink"])
        np.testing.assert_allclose(
            points[:, 0], np.arange(len(mv)) / FS * 25, atol=0.001
        )
        zero = points[:, 1] + 10 * mv
        assert np.ptp(zero) < 0.002
        for colour, (on, peak, off) in WAVES.items():
            at = {mark: median["marks"][lead][MARKS[mark]] for mark in (on, peak, off)}
            x = {mark: (ms + median["before_ms"]) * 0.025 for mark, ms in at.items()}
            lines = drawn(svg, "stroke", colours[colour])
            expected = [x[mark] for mark in (on, off) if np.isfinite(x[mark])]
            np.testing.assert_allclose(lines[::2, 0], expected, atol=0.001)
            dots = drawn(svg, "fill", colours[colour]) + np.array([0.6, 0])
            expected = [x[peak]] if np.isfinite(x[peak]) else []
            np.testing.assert_allclose(dots[:, 0], expected, atol=0.001)
            height = np.interp(dots[:, 0], points[:, 0], points[:, 1])
            np.testing.assert_allclose(dots[:, 1], height, atol=0.7)


def test_the_highlight_has_the_colour_of_the_sign_in_its_lead(page: Page) -> None:
    page.open(NAME, layout="12x1", marks=0)
    page.run(
        "const { highlighter } = await import('/highlight.js');"
        "const strengths = new Float32Array(12 * 1000);"
        "strengths.fill(1, 1000 + 100, 1000 + 200);"  # lead II, 1 to 2 s
        "strengths.fill(-1, 7000 + 300, 7000 + 400);"  # lead V2, 3 to 4 s
        "app.paper.overlays = [highlighter(strengths, 100, 12)];"
    )
    groups, _ = groups_of(page)
    found = {}
    for panel, group in zip(page.panels(), groups, strict=True):
        for name, colour in {"for": "230, 159, 0", "against": "86, 180, 233"}.items():
            points = drawn(group, "stroke", f"rgb({colour})")
            if len(points):
                at = samples_at(panel, points[:, 0]) / FS
                found[panel["name"], name] = (at.min().round(2), at.max().round(2))
    assert found == {("II", "for"): (1, 2), ("V2", "against"): (3, 4)}
