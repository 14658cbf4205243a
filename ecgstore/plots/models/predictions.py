"""What a model answers, beside what is true: how sure, and which for which."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.plots.style.colours import BLUE, GREY, INK, SERIES
from ecgstore.plots.style.panels import grid_of

_TEXT_SIZE: Final = 9.0
_FEWEST: Final = 5  # records in a bin of one class; the share of fewer is chance
_FAINT: Final = 0.45
_CELL: Final = 0.62  # inches
_DARK: Final = 0.68  # from this share on, text is white


def plot_reliability(
    labels: BoolArray,
    probabilities: Mapping[str, FloatArray],
    class_names: Sequence[str],
    *,
    n_bins: int = 10,
    title: str = "",
) -> Figure:
    """Draw how often a class was there, over how likely it was said to be.

    A panel per mode. The black line pools all classes, the faint ones are the classes,
    without bins of fewer than five records, all grey if they are more than the colours;
    on the diagonal, probabilities are what they claim. Below, how many probabilities
    are in each bin, on a logarithmic scale.

    Parameters
    ----------
    labels : ndarray of shape (n_records, n_classes)
        Which classes each record has.
    probabilities : mapping of str to ndarray of shape (n_records, n_classes)
        For each mode, how likely it said that the records have the classes, 0 to 1.
    class_names : sequence of str
        Names of the classes.
    n_bins : int
        Number of bins of equal width; a point stands at the mean probability of a bin.
    title : str
        A line above.

    Returns
    -------
    Figure
        For each mode, an Axes with the lines and one with the numbers below it.

    Raises
    ------
    ValueError
        If there is no mode, or shapes do not fit each other.
    """
    true = np.asarray(labels) > 0
    if not probabilities:
        raise ValueError("there are no probabilities to draw, expected those of a mode")
    for name, given in probabilities.items():
        _check(true, given, f"probabilities of {name!r}", class_names)
    n_lines, n_across = grid_of(len(probabilities))
    figure = Figure(
        figsize=(3.0 * n_across + 0.5, 4.1 * n_lines + 1.2), dpi=150, facecolor="white"
    )
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    figure.suptitle(title, fontsize=13, fontweight="bold", parse_math=False)
    panels = figure.subplots(
        2 * n_lines,
        n_across,
        squeeze=False,
        height_ratios=[3, 1] * n_lines,
        sharex=True,
    )
    upper, lower = panels[::2].ravel(), panels[1::2].ravel()
    for axes in (*upper[len(probabilities) :], *lower[len(probabilities) :]):
        axes.remove()
    for at, (name, given) in enumerate(probabilities.items()):
        _draw_reliability(upper[at], true, np.asarray(given), n_bins)
        upper[at].set_title(name, fontsize=10, parse_math=False)
        _draw_numbers(lower[at], np.asarray(given), n_bins)
        if at % n_across == 0:
            upper[at].set_ylabel("share of records with the class", fontsize=_TEXT_SIZE)
            lower[at].set_ylabel("how many", fontsize=_TEXT_SIZE)
        lower[at].set_xlabel("probability", fontsize=_TEXT_SIZE)
    _add_class_legend(figure, class_names)
    return figure


def plot_confusion(
    labels: BoolArray,
    decisions: BoolArray,
    class_names: Sequence[str],
    *,
    title: str = "",
) -> Figure:
    """Draw which classes are decided for in the records of each class.

    A row is a true class, a column a class decided for. A cell is the share of the
    records with the row's class for which the column's class is decided for, in per
    cent; the last column is for the records for which no class is. The diagonal is the
    sensitivity. Records may have several classes, so that rows do not add up to 100 and
    what is off the diagonal need not be wrong: the small number in brackets is the
    share of those records that truly have the column's class too.

    Parameters
    ----------
    labels, decisions : ndarray of shape (n_records, n_classes)
        Which classes each record has, and which it was said to have.
    class_names : sequence of str
        Names of the classes.
    title : str
        A line above.

    Returns
    -------
    Figure
        One Axes. The row of a class without records is empty.

    Raises
    ------
    ValueError
        If shapes do not fit each other.
    """
    true, decided = np.asarray(labels) > 0, np.asarray(decisions) > 0
    _check(true, decided, "decisions", class_names)
    n_true = true.sum(axis=0)
    said = _shares(true, decided)  # (n_classes, n_classes + 1)
    there = _shares(true, true)
    n_classes = len(class_names)
    size = (_CELL * (n_classes + 1) + 2.3, _CELL * n_classes + 2.2)
    figure = Figure(figsize=(max(size[0], 6.2), size[1]), dpi=150, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    figure.suptitle(title, fontsize=13, fontweight="bold", parse_math=False)
    axes = figure.add_subplot()
    axes.imshow(said, cmap="Blues", vmin=0.0, vmax=1.0, gid="shares")
    for row, column in zip(*np.nonzero(~np.isnan(said)), strict=True):
        truly = None if column in (row, n_classes) else there[row, column]
        _write_cell(axes, row, column, said[row, column], truly)
    _label_cells(axes, class_names, n_true)
    figure.supxlabel(
        "% of the records with the row's class for which the column's class is "
        "decided for\n"
        "(in brackets: % that truly have it too; none: no class is decided for)",
        fontsize=_TEXT_SIZE - 1,
        color=GREY,
    )
    return figure


def _check(
    true: BoolArray,
    other: FloatArray | BoolArray,
    name: str,
    class_names: Sequence[str],
) -> None:
    """Refuse arrays that do not fit the labels and the names."""
    if true.ndim != 2 or true.shape[1] != len(class_names) or true.size == 0:
        raise ValueError(
            f"labels has shape {true.shape}, expected (n_records, {len(class_names)}), "
            "a column for each name"
        )
    if np.shape(other) != true.shape:
        raise ValueError(
            f"{name} has shape {np.shape(other)}, the labels have {true.shape}"
        )


def _draw_reliability(
    axes: Axes, true: BoolArray, given: FloatArray, n_bins: int
) -> None:
    """Draw the lines of the classes and the line of all of them."""
    axes.plot((0, 1), (0, 1), color=GREY, linewidth=0.9, linestyle="--", gid="diagonal")
    colours = _class_colours(true.shape[1])
    for column, colour in enumerate(colours):
        axes.plot(
            *_reliability(true[:, column], given[:, column], n_bins, _FEWEST),
            color=colour,
            linewidth=1.0,
            alpha=_FAINT,
            gid="class",
        )
    axes.plot(
        *_reliability(true.ravel(), given.ravel(), n_bins, 1),
        color=INK,
        linewidth=1.6,
        marker="o",
        markersize=4,
        gid="pooled",
    )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.tick_params(labelsize=_TEXT_SIZE - 1)
    axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _class_colours(n_classes: int) -> list[str]:
    """Return a colour for each class, grey for all if there are not enough."""
    enough = n_classes <= len(SERIES)
    return list(SERIES[:n_classes]) if enough else [GREY] * n_classes


def _reliability(
    true: BoolArray, given: FloatArray, n_bins: int, fewest: int
) -> tuple[FloatArray, FloatArray]:
    """Return mean probability and share of true ones of every bin that has enough."""
    bins = _bins(given, n_bins)
    number = np.bincount(bins, minlength=n_bins)
    enough = number >= fewest
    mean = np.bincount(bins, given, minlength=n_bins)[enough] / number[enough]
    share = np.bincount(bins, true, minlength=n_bins)[enough] / number[enough]
    return mean, share


def _bins(given: FloatArray, n_bins: int) -> IntArray:
    """Return the bin of each probability; 1 is in the last."""
    return np.minimum((given * n_bins).astype(np.int64), n_bins - 1)


def _draw_numbers(axes: Axes, given: FloatArray, n_bins: int) -> None:
    """Draw how many probabilities of all classes are in each bin."""
    number = np.bincount(_bins(given.ravel(), n_bins), minlength=n_bins)
    axes.bar(
        (np.arange(n_bins) + 0.5) / n_bins, number, 0.86 / n_bins, color=GREY, alpha=0.7
    )
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    axes.tick_params(labelsize=_TEXT_SIZE - 1)
    axes.tick_params(axis="y", which="minor", left=False)
    axes.spines[["top", "right"]].set_visible(False)


def _add_class_legend(figure: Figure, class_names: Sequence[str]) -> None:
    """Name the lines below the panels."""
    colours = _class_colours(len(class_names))
    if len(set(colours)) < len(colours):
        colours, class_names = [GREY], ["each class"]
    handles = [Line2D([], [], color=INK, linewidth=1.6, marker="o", markersize=4)]
    handles += [Line2D([], [], color=colour, alpha=_FAINT) for colour in colours]
    legend = figure.legend(
        handles,
        ["all classes", *class_names],
        loc="outside lower center",
        ncols=min(len(handles), max(3, int(figure.get_figwidth() / 1.3))),
        frameon=False,
        fontsize=_TEXT_SIZE,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _shares(true: BoolArray, decided: BoolArray) -> FloatArray:
    """Return what `plot_confusion` shows, (n_classes, n_classes + 1), NaN if empty."""
    none = ~decided.any(axis=1, keepdims=True)
    counts = true.T.astype(np.float64) @ np.hstack([decided, none])
    n_true = true.sum(axis=0)[:, None]
    shares: FloatArray = np.full(counts.shape, np.nan)
    np.divide(counts, n_true, out=shares, where=n_true > 0)
    return shares


def _write_cell(
    axes: Axes, row: int, column: int, share: float, truly: float | None
) -> None:
    """Write the numbers of one cell."""
    colour = "white" if share > _DARK else INK
    axes.text(
        column,
        row if truly is None else row - 0.1,
        f"{100 * share:.0f}",
        ha="center",
        va="center",
        fontsize=_TEXT_SIZE,
        fontweight="bold" if row == column else "normal",
        color=colour,
    )
    if truly is not None:
        axes.text(
            column,
            row + 0.25,
            f"({100 * truly:.0f})",
            ha="center",
            va="center",
            fontsize=_TEXT_SIZE - 2.5,
            color=colour,
        )


def _label_cells(axes: Axes, class_names: Sequence[str], n_true: IntArray) -> None:
    """Name rows and columns."""
    n_classes = len(class_names)
    axes.set_yticks(
        range(n_classes),
        [f"{name} ({n:,})" for name, n in zip(class_names, n_true, strict=True)],
        fontsize=_TEXT_SIZE,
        parse_math=False,
    )
    axes.set_xticks(
        range(n_classes + 1),
        [*class_names, "none"],
        fontsize=_TEXT_SIZE,
        rotation=35,
        rotation_mode="anchor",
        ha="left",
        parse_math=False,
    )
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("class decided for", fontsize=_TEXT_SIZE)
    axes.set_ylabel("true class (records)", fontsize=_TEXT_SIZE)
    axes.tick_params(length=0)
    axes.axvline(n_classes - 0.5, color=BLUE, linewidth=1.2)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(n_classes) + 0.5, minor=True)
    axes.set_yticks(np.arange(n_classes - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="minor", length=0)
