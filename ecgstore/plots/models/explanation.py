"""Plot a decision of a model: a highlighted ECG, and what its features add."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ecgstore.arrays import FloatArray
from ecgstore.features.normal_ranges import NORMAL_RANGES
from ecgstore.features.shown import unit_of, value_text
from ecgstore.plots.ecg.highlight import AGAINST, FOR
from ecgstore.plots.ecg.layout import GRID_LEFT, GRID_WIDTH, MM_PER_INCH
from ecgstore.plots.ecg.paper import ecg_paper
from ecgstore.plots.style.colours import GREY, INK, VERMILION
from ecgstore.record import LEADS
from ecgstore.system.visible import visible

MOST_FEATURES: Final = 10

_ROW_MM: Final = 6.5
_HEAD_MM: Final = 10.0
_FOOT_MM: Final = 12.0
_VALUE_RIGHT: Final = GRID_LEFT + 92.0
_RANGE_LEFT: Final = GRID_LEFT + 102.0
_BARS_LEFT: Final = GRID_LEFT + 140.0
_BARS_RIGHT: Final = GRID_LEFT + GRID_WIDTH
_NUMBER_MM: Final = 13.0
_NAME_LETTERS: Final = 34

_UNITS: Final = {None: "", "1": "", "deg": "°", "1/min": "/min"}
"""Units that are not written as in the definitions, behind a space."""


def plot_explanation(
    signal: FloatArray,
    fs: float,
    saliency: FloatArray,
    features: Sequence[tuple[str, float, float]] = (),
    *,
    parts: Sequence[tuple[str, float]] = (),
    leads: Sequence[str] = LEADS,
    title: str = "",
    subtitle: str = "",
    filter_text: str = "",
    n_real_samples: int | None = None,
) -> Figure:
    """Plot an ECG whose curves are highlighted, and below it what its features add.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV.
    fs : float
        Sampling rate in Hz.
    saliency : ndarray of shape (n_leads, n_samples)
        What each sample adds to the log-odds.
    features : sequence of (str, float, float)
        Name and value of each feature and what it adds to the log-odds, the largest
        first; the first ten are shown, with unit and normal range. Values outside the
        range have an arrow. If left out, there is only the ECG.
    parts : sequence of (str, float)
        Names of the parts of the model's input, such as the signal, and what each adds
        in all; shown above the features.
    leads, title, subtitle, filter_text, n_real_samples
        See `ecg_paper`.

    Returns
    -------
    Figure
        The ECG is true to scale, as by `ecg_paper`.
    """
    figure = ecg_paper(
        signal,
        fs,
        leads=leads,
        title=title,
        subtitle=subtitle,
        filter_text=filter_text,
        n_real_samples=n_real_samples,
        highlight=saliency,
    )
    if features:
        n_rows = len(parts) + len(features[:MOST_FEATURES])
        _draw_features(_axes_below(figure, n_rows), parts, features)
    return figure


def _axes_below(figure: Figure, n_rows: int) -> Axes:
    """Make room below a print, whose scale stays; return Axes of mm for it."""
    (paper,) = figure.axes
    width, height = figure.get_size_inches() * MM_PER_INCH
    below = _HEAD_MM + n_rows * _ROW_MM + _FOOT_MM
    figure.set_size_inches(width / MM_PER_INCH, (height + below) / MM_PER_INCH)
    share = below / (height + below)
    paper.set_position((0.0, share, 1.0, 1.0 - share))
    axes = figure.add_axes((0.0, 0.0, 1.0, share))
    axes.set_axis_off()
    axes.set_xlim(0.0, width)
    axes.set_ylim(0.0, below)
    return axes


def _draw_features(
    axes: Axes,
    parts: Sequence[tuple[str, float]],
    features: Sequence[tuple[str, float, float]],
) -> None:
    """Draw a row for each part and each of the largest features, with a bar."""
    shown = features[:MOST_FEATURES]
    top = axes.get_ylim()[1] - _HEAD_MM
    for x, text, align in (
        (GRID_LEFT, "feature", "left"),
        (_VALUE_RIGHT, "value", "right"),
        (_RANGE_LEFT, "normal", "left"),
        (_BARS_LEFT, "adds to the log-odds", "left"),
    ):
        axes.text(x, top + 3.0, text, fontsize=8, color=GREY, ha=align, va="center")
    axes.plot([GRID_LEFT, _BARS_RIGHT], [top, top], color=GREY, linewidth=0.5)
    scale, zero = _scale([*(one for _, one in parts), *(one for *_, one in shown)])
    n_rows = len(parts) + len(shown)
    axes.plot([zero, zero], [top, top - n_rows * _ROW_MM], color=GREY, linewidth=0.5)
    for row, (part, added) in enumerate(parts):
        y = top - (row + 0.5) * _ROW_MM
        axes.text(GRID_LEFT, y, part, fontsize=9, weight="bold", color=INK, va="center")
        _draw_bar(axes, y, zero, scale * added, added)
    if parts:
        below = top - len(parts) * _ROW_MM
        axes.plot([GRID_LEFT, _BARS_RIGHT], [below, below], color=GREY, linewidth=0.5)
    for row, (name, value, added) in enumerate(shown, len(parts)):
        y = top - (row + 0.5) * _ROW_MM
        _write_feature(axes, y, name, value)
        _draw_bar(axes, y, zero, scale * added, added)
    rest = sum(added for _, _, added in features[MOST_FEATURES:])
    if len(features) > MOST_FEATURES:
        axes.text(
            GRID_LEFT,
            _FOOT_MM - 4.0,
            f"the other {len(features) - MOST_FEATURES} features add {rest:+.2f}",
            fontsize=8,
            color=GREY,
            va="center",
        )


def _scale(added: Sequence[float]) -> tuple[float, float]:
    """Return mm per log-odds, and where 0 is, so that bars and numbers fit."""
    highest, lowest = max(0.0, *added), min(0.0, *added)
    left, right = _BARS_LEFT + _NUMBER_MM * (lowest < 0), _BARS_RIGHT - _NUMBER_MM
    scale = (right - left) / ((highest - lowest) or 1.0)
    return scale, left - lowest * scale


def _write_feature(axes: Axes, y: float, name: str, value: float) -> None:
    """Write name, value with its unit, and normal range of a feature."""
    unit = unit_of(name)
    unit = _UNITS.get(unit, f" {unit}".replace("^2", "²"))
    range_ = NORMAL_RANGES.get(name)
    side = 0 if range_ is None else range_.side(value)
    text = value_text(name, value) + ("" if math.isnan(value) else unit)
    arrow = {-1: "\N{DOWNWARDS ARROW} ", 0: "", 1: "\N{UPWARDS ARROW} "}[side]
    normal = "no range" if range_ is None else f"{range_}{unit}"
    colour = VERMILION if side else INK
    shown = visible(name)
    if len(shown) > _NAME_LETTERS:
        shown = f"{shown[: _NAME_LETTERS - 1]}…"
    for x, part, ink, align in (
        (GRID_LEFT, shown, INK, "left"),
        (_VALUE_RIGHT, f"{arrow}{text}", colour, "right"),
        (_RANGE_LEFT, normal, INK if range_ else GREY, "left"),
    ):
        axes.text(
            x, y, part, fontsize=9, color=ink, ha=align, va="center", parse_math=False
        )


def _draw_bar(axes: Axes, y: float, zero: float, length: float, added: float) -> None:
    """Draw a bar from 0, and the number behind its end."""
    axes.add_patch(
        Rectangle(
            (min(zero, zero + length), y - 0.32 * _ROW_MM),
            abs(length),
            0.64 * _ROW_MM,
            facecolor=FOR if added > 0 else AGAINST,
            linewidth=0.0,
            gid="feature",
        )
    )
    axes.text(
        zero + length + np.copysign(1.5, added),
        y,
        f"{added:+.2f}",
        fontsize=8,
        color=INK,
        ha="left" if added >= 0 else "right",
        va="center",
    )
