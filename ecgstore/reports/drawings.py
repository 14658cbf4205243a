"""The figures of a data set card, as wide as a printed page."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ecgstore.arrays import IntArray
from ecgstore.plots.style.colours import BLUE, GREY, INK, ORANGE, series_colours
from ecgstore.reports.facts import AGE_STEP, OLDEST, OTHER_SEX, IndexFacts
from ecgstore.system.visible import visible

_WIDTH: Final = 7.1  # inches: the text of an A4 page
_ROW: Final = 0.26
_TEXT_SIZE: Final = 9.0
_BINS: Final = 40
_MOST_NUMBERS: Final = 16
"""Classes of which the cells of `together` have numbers."""

_SHORT: Final = 24
"""Characters of a name beside a figure."""

_SEX_COLOURS: Final = {"female": ORANGE, "male": BLUE, OTHER_SEX: GREY}


def short(name: str) -> str:
    """Return a name as a figure has room for it.

    Examples
    --------
    >>> short("AF"), short("x" * 30)
    ('AF', 'xxxxxxxxxxxxxxxxxxxxxxx…')
    """
    shown = visible(name)
    return (
        shown
        if len(shown) <= _SHORT
        else f"{shown[: _SHORT - 1]}\N{HORIZONTAL ELLIPSIS}"
    )


def classes_by_source(
    names: Sequence[str], counts: Mapping[str, Sequence[int]]
) -> Figure:
    """Draw the records of each class as bars, divided by source.

    Parameters
    ----------
    names : sequence of str
        The classes, from top to bottom.
    counts : mapping of str to sequence of int
        Records of each class, by source.
    """
    figure, axes = _figure(0.9 + _ROW * (len(names) + -(-len(counts) // 4)))
    done = np.zeros(len(names), np.int64)
    colours = series_colours(len(counts))
    for (source, of_source), colour in zip(counts.items(), colours, strict=True):
        axes.barh(
            np.arange(len(names)),
            of_source,
            left=done,
            height=0.7,
            color=colour,
            label=short(source),
        )
        done += np.asarray(of_source)
    _name_rows(axes, names)
    axes.set_xlabel("records", fontsize=_TEXT_SIZE)
    _count_axis(axes.xaxis)
    _legend(figure)
    return figure


def ages_by_sex(ages: Mapping[str, Sequence[int]]) -> Figure:
    """Draw the records in each range of ages as bars, side by side for each sex.

    Parameters
    ----------
    ages : mapping of str to sequence of int
        Records in each range of ages, by sex.
    """
    shown = {sex: counts for sex, counts in ages.items() if sum(counts)}
    figure, axes = _figure(2.7)
    begins = range(0, OLDEST + 1, AGE_STEP)
    width = 0.8 / max(len(shown), 1)
    for number, (sex, counts) in enumerate(shown.items()):
        axes.bar(
            np.arange(len(begins)) + (number - (len(shown) - 1) / 2) * width,
            counts,
            width=width,
            color=_SEX_COLOURS[sex],
            label=sex,
        )
    texts = [f"{begin}-{begin + AGE_STEP - 1}" for begin in begins[:-1]]
    axes.set_xticks(
        range(len(begins)), [*texts, f"{OLDEST} and older"], fontsize=_TEXT_SIZE - 1
    )
    axes.set_xlabel("age in years", fontsize=_TEXT_SIZE)
    axes.set_ylabel("records", fontsize=_TEXT_SIZE)
    axes.tick_params(axis="x", length=0)
    _count_axis(axes.yaxis)
    axes.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.5)
    _legend(figure)
    return figure


def classes_together(names: Sequence[str], together: IntArray) -> Figure:
    """Draw which part of each class (row) is also in the other ones (columns).

    Parameters
    ----------
    names : sequence of str
        The classes.
    together : ndarray of shape (n_classes, n_classes)
        Records in both classes.
    """
    n = len(names)
    of_row = together / np.maximum(np.diag(together), 1)[:, None]
    cell = min(0.42, 5.2 / n)
    figure, axes = _figure(1.2 + cell * n)
    with_numbers = n <= _MOST_NUMBERS
    for row in range(n):
        for column in range(n):
            if not together[row, column]:
                continue
            # Pale enough for the ink of the page, on light and dark screens.
            axes.fill_between(
                (column - 0.5, column + 0.5),
                row - 0.5,
                row + 0.5,
                color=BLUE,
                alpha=0.05 + 0.5 * float(of_row[row, column]),
                linewidth=0,
            )
            if with_numbers:
                axes.text(
                    column,
                    row,
                    f"{together[row, column]:,}",
                    ha="center",
                    va="center",
                    fontsize=_TEXT_SIZE - 1,
                    color=INK,
                )
    axes.set_xlim(-0.5, n - 0.5)
    _name_rows(axes, names)
    axes.grid(visible=False)
    axes.set_xticks(
        range(n),
        [short(name) for name in names],
        rotation=90,
        fontsize=min(_TEXT_SIZE, 72 * cell * 0.8),
        parse_math=False,
    )
    axes.xaxis.tick_top()
    axes.tick_params(axis="both", length=0)
    axes.spines[:].set_visible(False)
    return figure


def index_distributions(indices: Sequence[IndexFacts]) -> Figure:
    """Draw a histogram of each index of quality, from its 0.5 to its 99.5 % quantile.

    Parameters
    ----------
    indices : sequence of IndexFacts
        The indices.
    """
    n_lines = -(-len(indices) // 2)
    figure = Figure(figsize=(_WIDTH, 1.7 * n_lines))
    figure.set_layout_engine("constrained", h_pad=0.06)
    panels = figure.subplots(n_lines, 2, squeeze=False).ravel()
    for axes in panels[len(indices) :]:
        axes.remove()
    for axes, index in zip(panels, indices, strict=False):
        low, high = np.quantile(index.values, (0.005, 0.995))
        if low == high:
            low, high = low - 0.5, high + 0.5
        counts, edges = np.histogram(index.values, _BINS, (float(low), float(high)))
        axes.stairs(counts, edges, fill=True, color=BLUE)
        unit = "" if index.unit == "1" else f" in {index.unit}"
        axes.set_xlabel(f"{index.name}{unit}", fontsize=_TEXT_SIZE)
        axes.set_yticks([])
        axes.tick_params(axis="x", labelsize=_TEXT_SIZE - 1)
        axes.locator_params(axis="x", nbins=5)
        axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def _figure(height: float) -> tuple[Figure, Axes]:
    """Return a figure and its only Axes."""
    figure = Figure(figsize=(_WIDTH, height))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    axes.tick_params(labelsize=_TEXT_SIZE - 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Write the names at the rows, from top to bottom."""
    height = axes.get_figure().get_size_inches()[1]  # type: ignore[union-attr]
    size = min(_TEXT_SIZE, 72 * height / (len(names) + 4) * 0.8)
    axes.set_yticks(
        range(len(names)),
        [short(name) for name in names],
        fontsize=size,
        parse_math=False,
    )
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GREY, alpha=0.3, linewidth=0.5)


def _count_axis(axis: object) -> None:
    """Write whole numbers with commas."""
    axis.set_major_locator(MaxNLocator(nbins=6, integer=True))  # type: ignore[attr-defined]
    axis.set_major_formatter("{x:,.0f}")  # type: ignore[attr-defined]


def _legend(figure: Figure) -> None:
    """Write what the colours mean, above the figure."""
    legend = figure.legend(
        loc="outside upper left", ncols=4, fontsize=_TEXT_SIZE, frameon=False
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
