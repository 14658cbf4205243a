"""Marks on an ECG print: waves on the curves, beats above the rhythm strip."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.plots.ecg.layout import (
    FOOTER,
    GRID_LEFT,
    GRID_WIDTH,
    MM_PER_MV,
    POINTS_PER_MM,
    Rows,
    Trace,
)
from ecgstore.plots.style.colours import BLUE, GREEN, GREY, VERMILION
from ecgstore.record import Mark

_WAVES: Final = (
    ("P", (Mark.P_ON, Mark.P_PEAK, Mark.P_OFF), BLUE, 1.0),
    ("QRS", (Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF), VERMILION, 1.8),
    ("T", (Mark.T_ON, Mark.T_PEAK, Mark.T_OFF), GREEN, 1.0),
)
"""Name, marks, colour and half of the height of the brackets in mm of each wave.

If a P wave ends at the QRS onset, its bracket is drawn over the larger one of the QRS
complex, so that both are visible.
"""
_PARTS: Final = ("on", "peak", "off")
_LEGEND_HALF_MM: Final = 1.6
_BRACKET_FOOT_MM: Final = 0.7
_LEGEND_Y: Final = FOOTER - 9.0


def draw_marks(
    axes: Axes, rows: Rows, trace: Trace, marks: IntArray, fs: float
) -> None:
    """Draw a lead's marks on its curve: brackets around a wave, a dot on its peak.

    `marks` has shape (n_beats, 9).
    """
    if not len(trace.samples):
        return
    first, last = trace.samples[[0, -1]]
    row = trace.panel.row
    for name, wave_marks, colour, half_mm in _WAVES:
        for part, mark in zip(_PARTS, wave_marks, strict=True):
            at = marks[:, mark].astype(np.int64)
            at = at[(at >= first) & (at <= last)]
            x = trace.panel.x(at, fs)
            y = rows.zero(row) + trace.mv[at - first] * MM_PER_MV
            shown = (y > rows.bottom(row)) & (y < rows.top(row))  # not if NaN
            gid = f"{trace.panel.name}-{name}-{part}"
            _draw_mark(axes, x[shown], y[shown], part, colour, half_mm, gid)


def _draw_mark(
    axes: Axes,
    x: FloatArray,
    y: FloatArray,
    part: str,
    colour: str,
    half_mm: float,
    gid: str,
) -> None:
    """Draw opening (on) or closing brackets (off) of a wave, or dots (peak)."""
    if part == "peak":
        axes.plot(
            x,
            y,
            linestyle="none",
            marker="o",
            markersize=2.8,
            markerfacecolor=colour,
            markeredgecolor="white",
            markeredgewidth=0.3,
            zorder=5,
            gid=gid,
        )
        return
    foot = _BRACKET_FOOT_MM if part == "on" else -_BRACKET_FOOT_MM
    across = np.array([foot, 0.0, 0.0, foot])
    up = np.array([1.0, 1.0, -1.0, -1.0]) * half_mm
    corners = np.stack([x[:, None] + across, y[:, None] + up], axis=-1)  # (n, 4, 2)
    axes.add_collection(
        LineCollection(
            list(corners),
            colors=colour,
            linewidths=0.24 * POINTS_PER_MM,
            zorder=4.5 - 0.1 * half_mm,
            gid=gid,
        )
    )


def draw_legend(axes: Axes) -> None:
    """Explain the marks below the grid, on the right."""
    right = GRID_LEFT + GRID_WIDTH
    y = np.array([_LEGEND_Y])
    for x, part, text in (
        (right - 121.0, "on", "onset"),
        (right - 105.0, "peak", "peak"),
        (right - 90.0, "off", "offset"),
    ):
        _draw_mark(axes, np.array([x]), y, part, GREY, _LEGEND_HALF_MM, "legend")
        axes.text(x + 2.0, y[0], text, fontsize=8, color=GREY, va="center")
    for place, (name, _, colour, half_mm) in enumerate(_WAVES):
        x = right - 64.0 + 22.0 * place
        for offset, part in zip((0.0, 3.0, 6.0), _PARTS, strict=True):
            at = np.array([x + offset])
            _draw_mark(axes, at, y, part, colour, half_mm, "legend")
        axes.text(x + 8.0, y[0], name, fontsize=8, color=colour, va="center")


def height_of_beats(rows: Rows, strip: Trace) -> float:
    """Return the height of the triangles of the beats, with room for a name above."""
    row = strip.panel.row
    highest = rows.zero(row) + strip.highest_mv * MM_PER_MV
    return min(highest + 3.0, rows.top(row) - 5.5)


def draw_beats(
    axes: Axes, rows: Rows, strip: Trace, r_peaks: IntArray, fs: float
) -> None:
    """Mark the record's beats above the rhythm strip."""
    if not len(strip.samples):
        return
    y = height_of_beats(rows, strip)
    at = r_peaks[(r_peaks >= 0) & (r_peaks <= strip.samples[-1])]
    _draw_triangles(axes, strip.panel.x(at, fs), y, "r-peaks")
    legend = np.array([GRID_LEFT + GRID_WIDTH - 140.0])
    _draw_triangles(axes, legend, _LEGEND_Y, "legend")
    axes.text(legend[0] + 2.0, _LEGEND_Y, "beat", fontsize=8, color=GREY, va="center")


def _draw_triangles(axes: Axes, x: FloatArray, y: float, gid: str) -> None:
    """Draw a triangle that points down at each position."""
    axes.plot(
        x,
        np.full(len(x), y),
        linestyle="none",
        marker="v",
        markersize=3.5,
        color=GREY,
        zorder=4,
        gid=gid,
    )
