"""The number of records of each class and source."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.plots.style.colours import GREY, INK, SERIES
from ecgstore.system.visible import visible_lines

_HATCHES: Final = ("", "////", "....", "xxxx")
_TEXT_SIZE: Final = 9.0
_HEADING_SLOPE: Final = np.deg2rad(35)
_TOP_ROW: Final = -1.2  # the first class is row 0; above it stand the sources' colours

# All in inches. Matplotlib's own layouts lose long names at the edge.
_ROW: Final = 0.27
_COLUMN: Final = 0.75
_BARS: Final = 5.0
_GAP: Final = 0.2
_TITLE: Final = 0.55
_FOOT: Final = 0.6


def class_balance(
    names: Sequence[str],
    counts_by_source: Mapping[str, Sequence[int]],
    *,
    title: str = "",
) -> Figure:
    """Plot the number of records per class, stacked by source, with a table.

    The table beside the bars holds all numbers, so that a class of three records is
    legible next to a class of twenty thousand.

    Parameters
    ----------
    names : sequence of str
        The classes, from top to bottom.
    counts_by_source : mapping of str to sequence of int
        For each source, the number of its records of each class, in the order of
        `names`.
    title : str
        Title of the figure.

    Returns
    -------
    Figure
        One Axes with the bars, one with the table.

    Raises
    ------
    ValueError
        If there is no class or no source, or if a source has more or less numbers than
        there are classes.
    """
    _check(names, counts_by_source)
    names, title = list(map(visible_lines, names)), visible_lines(title)
    counts_by_source = {
        visible_lines(source): counts for source, counts in counts_by_source.items()
    }
    sources = list(counts_by_source)
    counts = np.array([counts_by_source[source] for source in sources], dtype=np.int64)
    styles = [
        (SERIES[at % len(SERIES)], _HATCHES[at // len(SERIES) % len(_HATCHES)])
        for at in range(len(sources))
    ]
    figure, bars, table = _page(names, (*sources, "total"), title)
    for row in range(1, len(names), 2):  # bands lead the eye from bar to number
        for axes in (bars, table):
            axes.axhspan(row - 0.5, row + 0.5, color=GREY, alpha=0.08, linewidth=0.0)
    _draw_bars(bars, names, counts, styles)
    _draw_headings(table, (*sources, "total"), styles)
    _draw_numbers(table, counts)
    return figure


def _check(names: Sequence[str], counts_by_source: Mapping[str, Sequence[int]]) -> None:
    """Refuse empty and incomplete tables."""
    if not names or not counts_by_source:
        raise ValueError(
            f"there are {len(names)} classes and {len(counts_by_source)} sources to "
            "draw, expected at least one of each"
        )
    for source, counts in counts_by_source.items():
        if len(counts) != len(names):
            raise ValueError(
                f"source {source!r} has {len(counts)} numbers, expected one for each "
                f"of the {len(names)} classes"
            )


def _page(
    names: Sequence[str], headings: Sequence[str], title: str
) -> tuple[Figure, Axes, Axes]:
    """Return a figure that is large enough for all texts, and its two Axes."""
    heading_widths = _text_widths(headings)
    across = heading_widths * np.cos(_HEADING_SLOPE)
    begins = (np.arange(len(headings)) + 0.6) * _COLUMN
    table_width = _COLUMN * len(headings)
    beyond_table = max(0.0, float(np.max(begins + across)) - table_width)
    bars_left = float(np.max(_text_widths(names))) + 2 * _GAP
    table_left = bars_left + _BARS + _GAP
    width = table_left + table_width + beyond_table + _GAP

    height = _ROW * (len(names) - 0.5 - _TOP_ROW)
    headings_height = float(np.max(heading_widths)) * np.sin(_HEADING_SLOPE) + _GAP
    page_height = _FOOT + height + headings_height + _TITLE
    figure = Figure(figsize=(width, page_height), dpi=150, facecolor="white")
    figure.text(
        0.5,
        1 - _TITLE / 2 / page_height,
        title,
        fontsize=13,
        fontweight="bold",
        ha="center",
        va="center",
        parse_math=False,
    )
    bottom, share = _FOOT / page_height, height / page_height
    bars = figure.add_axes((bars_left / width, bottom, _BARS / width, share))
    table = figure.add_axes(
        (table_left / width, bottom, table_width / width, share), sharey=bars
    )
    return figure, bars, table


def _text_widths(texts: Sequence[str]) -> FloatArray:
    """Return the widths of texts in inches."""
    figure = Figure()
    drawn = [
        figure.text(0, 0, text, fontsize=_TEXT_SIZE, parse_math=False) for text in texts
    ]
    return np.array([text.get_window_extent().width / figure.dpi for text in drawn])


def _draw_bars(
    axes: Axes,
    names: Sequence[str],
    counts: IntArray,
    styles: Sequence[tuple[str, str]],
) -> None:
    """Draw one bar per class; `counts` has shape (n_sources, n_classes)."""
    rows = np.arange(len(names))
    total = np.zeros(len(names), dtype=np.int64)
    for of_source, (colour, hatch) in zip(counts, styles, strict=True):
        axes.barh(
            rows,
            of_source,
            left=total,
            height=0.72,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.4,
        )
        total += of_source
    axes.set_yticks(rows, names, fontsize=_TEXT_SIZE, parse_math=False)
    axes.set_ylim(len(names) - 0.5, _TOP_ROW)
    axes.set_xlim(0, max(1.0, total.max() * 1.02))
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=_TEXT_SIZE)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("records", fontsize=_TEXT_SIZE)
    axes.grid(axis="x", color=GREY, alpha=0.25, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_headings(
    axes: Axes, headings: Sequence[str], styles: Sequence[tuple[str, str]]
) -> None:
    """Write the sources above their columns, with their colours, and the total last."""
    axes.set_xlim(0, len(headings))
    axes.set_axis_off()
    for column, (colour, hatch) in enumerate(styles):
        axes.add_patch(
            Rectangle(
                (column + 0.32, _TOP_ROW + 0.15),
                0.6,
                0.4,
                facecolor=colour,
                hatch=hatch,
                edgecolor="white",
                linewidth=0.4,
            )
        )
    for column, heading in enumerate(headings):
        axes.text(
            column + 0.6,
            _TOP_ROW,
            heading,
            rotation=np.rad2deg(_HEADING_SLOPE),
            rotation_mode="anchor",
            ha="left",
            va="bottom",
            fontsize=_TEXT_SIZE,
            color=INK,
            parse_math=False,
        )


def _draw_numbers(axes: Axes, counts: IntArray) -> None:
    """Write the numbers: a column per source, and the total last."""
    columns = [*counts, counts.sum(axis=0)]
    for column, numbers in enumerate(columns):
        for row, number in enumerate(numbers):
            axes.text(
                column + 0.92,
                row,
                f"{number:,}" if number else "\N{EN DASH}",
                ha="right",
                va="center_baseline",
                fontsize=_TEXT_SIZE,
                fontweight="bold" if column == len(counts) else "normal",
                color=INK if number else GREY,
            )
