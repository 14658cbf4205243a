"""Plot a score within each source: a grid of classifiers and sources."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from ecgstore.plots.style.colours import GREY, INK
from ecgstore.scores.texts import number_text
from ecgstore.system.visible import visible_lines

_CELL: Final = (1.15, 0.34)  # inches, width and height
_LETTER: Final = 0.085  # inches
_TEXT_SIZE: Final = 9.0
_DARK: Final = 0.85  # text is white on cells with a higher score


def plot_by_source(
    scores: Mapping[str, Mapping[str, float]], *, title: str = ""
) -> Figure:
    """Plot the score of every classifier within every source, darker where higher.

    Parameters
    ----------
    scores : mapping of str to mapping of str to float
        By source and classifier, a score from 0.5, that of chance, to 1; NaN where it
        is undefined. Every source has the same classifiers.
    title : str
        Title of the figure.

    Returns
    -------
    Figure
        One Axes, with a row for each classifier and a column for each source.

    Raises
    ------
    ValueError
        If there is no source or no classifier.
    """
    sources = [*scores]
    names = [*scores[sources[0]]] if sources else []
    if not names:
        raise ValueError(
            f"there are {len(sources)} sources and {len(names)} classifiers to plot, "
            "expected at least one of each"
        )
    values = np.array([[of[name] for of in scores.values()] for name in names])
    shown = [visible_lines(source) for source in sources]
    width = _LETTER * max(map(len, names)) + _CELL[0] * len(sources) + 0.8
    height = _CELL[1] * len(names) + _LETTER * max(map(len, shown)) * 0.6 + 1.2
    figure = Figure(figsize=(max(width, 6.2), height), dpi=150, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    figure.suptitle(
        visible_lines(title), fontsize=13, fontweight="bold", parse_math=False
    )
    axes = figure.add_subplot()
    axes.imshow(values, cmap="Blues", vmin=0.5, vmax=1.0, aspect="auto", gid="scores")
    for (row, column), value in np.ndenumerate(values):
        axes.text(
            column,
            row,
            number_text(value),
            ha="center",
            va="center",
            fontsize=_TEXT_SIZE,
            style="italic" if np.isnan(value) else "normal",
            color=GREY if np.isnan(value) else "white" if value > _DARK else INK,
        )
    axes.set_yticks(
        range(len(names)),
        [visible_lines(name) for name in names],
        fontsize=_TEXT_SIZE,
        parse_math=False,
    )
    axes.set_xticks(
        range(len(sources)),
        shown,
        fontsize=_TEXT_SIZE,
        rotation=20,
        rotation_mode="anchor",
        ha="left",
        parse_math=False,
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_yticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_xticks(np.arange(len(sources) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="minor", length=0)
    figure.supxlabel(
        "mean over the classes that some, but not all records of the source have;\n"
        "only records of the same source are ranked against each other",
        fontsize=_TEXT_SIZE - 1,
        color=GREY,
    )
    return figure
