"""A highlighter along the curves of an ECG print: what each sample adds to a score."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from scipy.ndimage import gaussian_filter1d

from ecgstore.arrays import FloatArray
from ecgstore.plots.ecg.layout import (
    FOOTER,
    GRID_LEFT,
    GRID_WIDTH,
    MM_PER_MV,
    POINTS_PER_MM,
    Rows,
    Trace,
)
from ecgstore.plots.style.colours import GREY, ORANGE, SKY_BLUE

FOR: Final = ORANGE
AGAINST: Final = SKY_BLUE
"""Colours of what raises and of what lowers the score."""

_SMOOTHED_S: Final = 0.02
"""Standard deviation of the smoothing: attributions alternate from sample to sample,
and an eye cannot tell them apart at 25 mm/s."""

_FULL_QUANTILE: Final = 0.995
_FAINTEST: Final = 0.08
_WIDTH_MM: Final = 3.0
_LEGEND_Y: Final = FOOTER - 14.0


def strengths(values: FloatArray, fs: float) -> FloatArray:
    """Return how strongly each sample is highlighted, from -1 to 1.

    Values are smoothed in time. The strongest 0.5 % have -1 or 1.

    Parameters
    ----------
    values : ndarray of shape (n_leads, n_samples)
        What each sample adds to the score.
    fs : float
        Sampling rate in Hz.
    """
    if not values.size:
        return values
    smooth = gaussian_filter1d(values, _SMOOTHED_S * fs, mode="constant")
    full = np.quantile(np.abs(smooth), _FULL_QUANTILE) or np.abs(smooth).max()
    if not full > 0:
        return np.zeros_like(smooth)
    clipped: FloatArray = np.clip(smooth / full, -1.0, 1.0)
    return clipped


def draw_highlight(
    axes: Axes, rows: Rows, trace: Trace, strength: FloatArray, paper: str
) -> None:
    """Draw a broad band along a curve, below the grid, so that both stay visible.

    `strength` is of shape (n_shown,). Its colours are mixed with that of the paper, not
    transparent: pieces that overlap are as strong as one.
    """
    y = rows.zero(trace.panel.row) + trace.mv * MM_PER_MV
    points = np.stack([trace.x, y], axis=-1)  # (n_shown, 2)
    pieces = np.stack([points[:-1], points[1:]], axis=1)  # (n_shown - 1, 2, 2)
    of_pieces = strength[:-1]
    shown = (np.abs(of_pieces) >= _FAINTEST) & np.isfinite(pieces).all(axis=(1, 2))
    order = np.argsort(np.abs(of_pieces[shown]), kind="stable")  # the strongest on top
    share = np.abs(of_pieces[shown][order, np.newaxis])
    ink = np.where(
        of_pieces[shown][order, np.newaxis] > 0, to_rgb(FOR), to_rgb(AGAINST)
    )
    lines = LineCollection(
        list(pieces[shown][order]),
        colors=share * ink + (1 - share) * np.array(to_rgb(paper)),
        linewidths=_WIDTH_MM * POINTS_PER_MM,
        capstyle="round",
        zorder=0.05,
        gid=f"highlight-{trace.panel.name}",
    )
    axes.add_collection(lines)
    bottom, top = rows.bottom(trace.panel.row), rows.top(trace.panel.row)
    lines.set_clip_path(
        Rectangle(
            (trace.panel.left, bottom),
            trace.panel.width,
            top - bottom,
            transform=axes.transData,
        )
    )


def draw_highlight_legend(axes: Axes) -> None:
    """Explain the colours below the grid, on the right."""
    right = GRID_LEFT + GRID_WIDTH
    for x, colour, text in (
        (right - 20.0, FOR, "speaks for it"),
        (right - 60.0, AGAINST, "speaks against it"),
    ):
        axes.plot(
            [x - 7.0, x - 2.0],
            [_LEGEND_Y, _LEGEND_Y],
            color=colour,
            linewidth=_WIDTH_MM * POINTS_PER_MM,
            solid_capstyle="round",
            gid="legend",
        )
        axes.text(x + 1.5, _LEGEND_Y, text, fontsize=8, color=GREY, va="center")
