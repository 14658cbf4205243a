"""Plots of scores of several classifiers and of their differences, with intervals."""

import textwrap
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ecgstore.plots.style.colours import BLUE, GREY, INK, series_colours
from ecgstore.plots.style.panels import grid_of
from ecgstore.scores.texts import number_text
from ecgstore.system.visible import visible_lines

Interval: TypeAlias = tuple[float, float, float]
"""Value, low end and high end."""

_Rows: TypeAlias = Mapping[str, Mapping[str, Interval]]
_DrawRow: TypeAlias = Callable[[Axes, int, Interval], None]

_PANEL: Final = 2.5  # inches
_ROW: Final = 0.36  # inches
_HEADING: Final = 0.75  # inches
_LETTERS_PER_INCH: Final = 11
_FOOT_LINE: Final = 0.17
"""Letters of a line below the panels, by its width, and its height in inches."""

_FOOT: Final = 0.45  # inches
_TEXT_SIZE: Final = 9.0
_LINE: Final = 1.6


def plot_score_intervals(
    scores: Mapping[str, Mapping[str, Interval]],
    *,
    columns: Mapping[str, str] | None = None,
    title: str = "",
    level: float = 0.95,
    note: str = "",
) -> Figure:
    """Plot scores with their intervals: a row per classifier, a panel per score.

    Every panel has its own scale. Intervals of two classifiers may overlap although
    their difference is significant, since both are scored on the same records: use
    `plot_difference_intervals` to compare them.

    Parameters
    ----------
    scores : mapping of str to mapping of str to (float, float, float)
        By classifier and score, or by classifier and class: value, low and high; NaN
        where undefined.
    columns : mapping of str to str, optional
        The scores to plot, with the heading of each panel; by default all, with their
        names.
    title : str
        Title of the figure.
    level : float
        Confidence level of the intervals, for the caption.
    note : str
        A further line of the caption, such as what macro averages are taken over.

    Returns
    -------
    Figure
        One Axes for each score.

    Raises
    ------
    ValueError
        If there is no classifier or no score, or a classifier lacks a score.
    """
    colours = series_colours(len(scores))

    def draw(axes: Axes, row: int, interval: Interval) -> None:
        value, low, high = interval
        colour = colours[row]
        axes.plot(
            (low, high), (row, row), color=colour, linewidth=_LINE, gid="interval"
        )
        axes.plot(value, row, "o", color=colour, markersize=5, gid="value")
        _write_value(axes, row, value, number_text(value))

    caption = (
        f"point: all records; line: {level:.0%} bootstrap interval over patients, "
        "corrected for bias"
    )
    return _forest(scores, columns, title, _lines(caption, note), draw)


def plot_difference_intervals(
    differences: Mapping[tuple[str, str], Mapping[str, Interval]],
    *,
    columns: Mapping[str, str] | None = None,
    title: str = "",
    level: float = 0.95,
    note: str = "",
) -> Figure:
    """Plot differences of scores with their intervals and a line at zero.

    A row per pair of classifiers, a panel per score, with zero in the middle. Intervals
    that contain zero are grey and hollow: the difference is not significant.

    Parameters
    ----------
    differences : mapping of (str, str) to mapping of str to (float, float, float)
        By pair of classifiers (first, second) and score, or class: the first's score
        minus the second's as value, low and high; NaN where undefined.
    columns : mapping of str to str, optional
        The scores to plot, with the heading of each panel; by default all, with their
        names.
    title : str
        Title of the figure.
    level : float
        Confidence level of the intervals, for the caption.
    note : str
        A further line of the caption, such as what macro averages are taken over.

    Returns
    -------
    Figure
        One Axes for each score.

    Raises
    ------
    ValueError
        If there is no pair or no score, or a pair lacks a score.
    """

    def draw(axes: Axes, row: int, interval: Interval) -> None:
        value, low, high = interval
        unclear = low <= 0 <= high
        colour = GREY if unclear else BLUE
        axes.plot(
            (low, high), (row, row), color=colour, linewidth=_LINE, gid="interval"
        )
        face = "white" if unclear else colour
        axes.plot(
            value,
            row,
            "o",
            color=colour,
            markerfacecolor=face,
            markersize=5,
            gid="value",
        )
        text = number_text(value, "+").replace("-", "\N{MINUS SIGN}")
        _write_value(axes, row, value, text)

    rows = {
        f"{first} \N{MINUS SIGN} {second}": of_pair
        for (first, second), of_pair in differences.items()
    }
    caption = (
        f"first minus second, on the same records; line: {level:.0%} bootstrap "
        "interval over patients, corrected for bias; grey and hollow: the interval "
        "contains 0"
    )
    figure = _forest(rows, columns, title, _lines(caption, note), draw)
    for axes in figure.axes:
        axes.axvline(0.0, color=INK, linewidth=0.9, zorder=0.5, gid="zero")
        furthest = max(abs(end) for end in axes.get_xlim())
        axes.set_xlim(-furthest, furthest)
    return figure


def _lines(caption: str, note: str) -> str:
    """Return the caption and the note below it."""
    return f"{caption}\n{note}" if note else caption


def _write_value(axes: Axes, row: int, value: float, text: str) -> None:
    """Write a number above its point, with a white outline where it crosses a line."""
    text_drawn = axes.annotate(
        text,
        (value, row),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=_TEXT_SIZE - 2,
        color=INK,
    )
    text_drawn.set_path_effects([withStroke(linewidth=2.0, foreground="white")])


def _forest(
    rows: _Rows,
    columns: Mapping[str, str] | None,
    title: str,
    caption: str,
    draw: _DrawRow,
) -> Figure:
    """Plot a panel per column, with the rows from top to bottom in each."""
    if columns is None:
        columns = {name: name for of_row in rows.values() for name in of_row}
    _check(rows, columns)
    n_lines, n_across = grid_of(len(columns))
    longest = max(len(name) for name in rows)
    width = 0.085 * longest + _PANEL * n_across + 0.4
    foot = [
        part
        for line in caption.split("\n")
        for part in textwrap.wrap(line, int(_LETTERS_PER_INCH * width))
    ]
    height = _HEADING + n_lines * (_ROW * (len(rows) + 0.6) + _HEADING) + _FOOT
    height += _FOOT_LINE * max(len(foot) - 2, 0)
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.08)
    figure.suptitle(
        visible_lines(title), fontsize=13, fontweight="bold", parse_math=False
    )
    figure.supxlabel("\n".join(foot), fontsize=_TEXT_SIZE, color=GREY, parse_math=False)
    panels = figure.subplots(n_lines, n_across, squeeze=False).ravel()
    for axes in panels[len(columns) :]:
        axes.remove()
    for number, (axes, (name, heading)) in enumerate(
        zip(panels, columns.items(), strict=False)
    ):
        _prepare(axes, list(rows), heading, named=number % n_across == 0)
        defined = [not np.isnan(of_row[name]).any() for of_row in rows.values()]
        for row, of_row in enumerate(rows.values()):
            if defined[row]:
                draw(axes, row, of_row[name])
            else:
                _write_undefined(axes, row)
        if not any(defined):
            axes.set_xticks([])
        axes.margins(x=0.12)
        axes.autoscale_view(scaley=False)
    return figure


def _check(rows: _Rows, columns: Mapping[str, str]) -> None:
    """Refuse tables that are empty or incomplete."""
    if not rows or not columns:
        raise ValueError(
            f"there are {len(rows)} rows and {len(columns)} columns to plot, expected "
            "at least one of each"
        )
    for row, of_row in rows.items():
        missing = [name for name in columns if name not in of_row]
        if missing:
            raise ValueError(
                f"{row!r} has no {missing[0]!r}, expected {', '.join(columns)}"
            )


def _prepare(axes: Axes, rows: list[str], heading: str, *, named: bool) -> None:
    """Set up one panel: the heading, and the names of the rows at the left edge."""
    axes.set_title(
        visible_lines(heading), fontsize=_TEXT_SIZE + 1, parse_math=False, wrap=True
    )
    axes.set_ylim(len(rows) - 0.5, -0.7)
    labels = [visible_lines(row) for row in rows] if named else [""] * len(rows)
    axes.set_yticks(range(len(rows)), labels, fontsize=_TEXT_SIZE, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=_TEXT_SIZE - 1)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    for row in range(1, len(rows), 2):  # bands connect the panels
        axes.axhspan(row - 0.5, row + 0.5, color=GREY, alpha=0.08, linewidth=0.0)


def _write_undefined(axes: Axes, row: int) -> None:
    """Write that the value is undefined."""
    axes.text(
        0.5,
        row,
        "undefined",
        transform=axes.get_yaxis_transform(),
        ha="center",
        va="center",
        fontsize=_TEXT_SIZE - 1,
        color=GREY,
        style="italic",
    )
