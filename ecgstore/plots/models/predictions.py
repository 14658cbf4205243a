"""Reliability diagrams and confusion matrices."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.plots.style.colours import BLUE, GREY, INK, SERIES
from ecgstore.plots.style.panels import grid_of
from ecgstore.scores.calibration import probability_bins
from ecgstore.scores.label_arrays import check_shape
from ecgstore.system.visible import visible_lines

_TEXT_SIZE: Final = 9.0
_MIN_RECORDS: Final = 5  # in a bin of one class; the frequency of fewer is chance
_FAINT: Final = 0.45
_CHARACTERS_PER_INCH: Final = 16.0  # of captions
_LEAST_WIDTH: Final = 5.5  # inches, for the title
_CELL: Final = 0.62  # inches
_DARK: Final = 0.68  # text is white on cells with a larger share


def plot_reliability(
    labels: BoolArray,
    probabilities: Mapping[str, FloatArray],
    class_names: Sequence[str],
    *,
    n_bins: int = 10,
    title: str = "",
) -> Figure:
    """Plot reliability diagrams: observed frequency over predicted probability.

    A panel per classifier. The black line pools all classes; the faint lines are the
    single classes, without bins of fewer than five records, and all grey if there are
    more classes than colours. Classes without any bin of five records in any panel are
    named in the caption, not in the legend. On the diagonal, frequencies equal the
    probabilities. Below, a histogram of the probabilities, on a logarithmic scale.

    Parameters
    ----------
    labels : ndarray of shape (n_records, n_classes)
        Which classes each record has.
    probabilities : mapping of str to ndarray of shape (n_records, n_classes)
        By classifier, predicted probabilities, 0 to 1.
    class_names : sequence of str
        Names of the classes.
    n_bins : int
        Number of bins of equal width; each point is at the mean probability of a bin.
    title : str
        Title of the figure.

    Returns
    -------
    Figure
        For each classifier, an Axes with the lines and one with the histogram.

    Raises
    ------
    ValueError
        If there is no classifier, or the shapes differ.
    TypeError
        If `class_names` is a single text.
    """
    true = np.asarray(labels) > 0
    if not probabilities:
        raise ValueError(
            "there are no probabilities to plot, expected those of a classifier"
        )
    for name, predicted in probabilities.items():
        _check(true, predicted, f"probabilities of {name!r}", class_names)
    n_lines, n_across = grid_of(len(probabilities))
    width = max(3.0 * n_across + 0.5, _LEAST_WIDTH)
    figure = Figure(figsize=(width, 4.1 * n_lines + 1.5), dpi=150, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    figure.suptitle(
        visible_lines(title), fontsize=13, fontweight="bold", parse_math=False
    )
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
    is_drawn = np.zeros(len(class_names), np.bool_)
    for panel, (name, predicted) in enumerate(probabilities.items()):
        is_drawn |= _draw_reliability(upper[panel], true, np.asarray(predicted), n_bins)
        upper[panel].set_title(visible_lines(name), fontsize=10, parse_math=False)
        _draw_histogram(lower[panel], np.asarray(predicted), n_bins)
        if panel % n_across == 0:
            upper[panel].set_ylabel("observed frequency", fontsize=_TEXT_SIZE)
            lower[panel].set_ylabel("predictions", fontsize=_TEXT_SIZE)
        lower[panel].set_xlabel("predicted probability", fontsize=_TEXT_SIZE)
    caption = _reliability_caption(class_names, is_drawn, width)
    _add_class_legend(figure, class_names, is_drawn, caption)
    return figure


def plot_confusion(
    labels: BoolArray,
    decisions: BoolArray,
    class_names: Sequence[str],
    *,
    title: str = "",
) -> Figure:
    """Plot a confusion matrix of multi-label decisions.

    Rows are true classes, columns predicted classes. A cell is the percentage of the
    records with the row's class that are predicted to have the column's class; the last
    column is for records without any predicted class. The diagonal is the sensitivity.
    Records may have several classes, so that rows do not add up to 100, and predictions
    off the diagonal may be correct: the small number in brackets is the percentage of
    the records with the row's class that truly have the column's class too.

    Parameters
    ----------
    labels, decisions : ndarray of shape (n_records, n_classes)
        True and predicted classes of each record.
    class_names : sequence of str
        Names of the classes.
    title : str
        Title of the figure.

    Returns
    -------
    Figure
        One Axes. The row of a class without records is empty.

    Raises
    ------
    ValueError
        If the shapes differ.
    TypeError
        If `class_names` is a single text.
    """
    true, decided = np.asarray(labels) > 0, np.asarray(decisions) > 0
    _check(true, decided, "decisions", class_names)
    n_true = true.sum(axis=0)
    shares = _shares(true, decided)  # (n_classes, n_classes + 1)
    true_shares = _shares(true, true)
    n_classes = len(class_names)
    size = (_CELL * (n_classes + 1) + 2.3, _CELL * n_classes + 2.2)
    figure = Figure(figsize=(max(size[0], 6.2), size[1]), dpi=150, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    figure.suptitle(
        visible_lines(title), fontsize=13, fontweight="bold", parse_math=False
    )
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, gid="shares")
    for row, column in zip(*np.nonzero(~np.isnan(shares)), strict=True):
        expected = None if column in (row, n_classes) else true_shares[row, column]
        _write_cell(axes, row, column, shares[row, column], expected)
    _label_cells(axes, class_names, n_true)
    figure.supxlabel(
        "% of the records with the row's class that are predicted to have the "
        "column's class\n"
        "(in brackets: % that truly have it; none: no predicted class)",
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
    """Refuse arrays whose shapes do not fit the names of the classes."""
    if isinstance(class_names, str):
        raise TypeError(f"class_names is {class_names!r}; expected a list of names")
    if true.ndim != 2 or true.shape[1] != len(class_names) or true.size == 0:
        raise ValueError(
            f"labels has shape {true.shape}, expected (n_records, {len(class_names)}), "
            "a column for each name"
        )
    check_shape(np.asarray(other), name, true.shape)


def _draw_reliability(
    axes: Axes, true: BoolArray, predicted: FloatArray, n_bins: int
) -> BoolArray:
    """Plot a line for each class and one for all; return which classes have points."""
    is_drawn = np.zeros(true.shape[1], np.bool_)
    axes.plot((0, 1), (0, 1), color=GREY, linewidth=0.9, linestyle="--", gid="diagonal")
    colours = _class_colours(true.shape[1])
    for column, colour in enumerate(colours):
        mean, frequency = _reliability(
            true[:, column], predicted[:, column], n_bins, _MIN_RECORDS
        )
        is_drawn[column] = len(mean) > 0
        axes.plot(
            mean,
            frequency,
            color=colour,
            linewidth=1.0,
            marker="o",  # a line of one point is invisible
            markersize=2.5,
            alpha=_FAINT,
            gid="class",
        )
    axes.plot(
        *_reliability(true.ravel(), predicted.ravel(), n_bins, 1),
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
    return is_drawn


def _class_colours(n_classes: int) -> list[str]:
    """Return a colour for each class, or grey for all if there are too many classes."""
    enough = n_classes <= len(SERIES)
    return list(SERIES[:n_classes]) if enough else [GREY] * n_classes


def _reliability(
    true: BoolArray, predicted: FloatArray, n_bins: int, min_records: int
) -> tuple[FloatArray, FloatArray]:
    """Return mean probability and frequency of every bin with enough records."""
    bins = probability_bins(predicted, n_bins)
    number = np.bincount(bins, minlength=n_bins)
    enough = number >= min_records
    mean = np.bincount(bins, predicted, minlength=n_bins)[enough] / number[enough]
    frequency = np.bincount(bins, true, minlength=n_bins)[enough] / number[enough]
    return mean, frequency


def _draw_histogram(axes: Axes, predicted: FloatArray, n_bins: int) -> None:
    """Plot the number of probabilities of all classes in each bin."""
    bins = probability_bins(predicted.ravel(), n_bins)
    number = np.bincount(bins, minlength=n_bins)
    axes.bar(
        (np.arange(n_bins) + 0.5) / n_bins, number, 0.86 / n_bins, color=GREY, alpha=0.7
    )
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7)
    axes.tick_params(labelsize=_TEXT_SIZE - 1)
    axes.tick_params(axis="y", which="minor", left=False)
    axes.spines[["top", "right"]].set_visible(False)


def _reliability_caption(
    class_names: Sequence[str], is_drawn: BoolArray, width: float
) -> str:
    """Return how to read the diagrams, and which classes are missing."""
    lines = [
        "a point is a bin of probabilities; on the diagonal, as of a perfect model, "
        "events are as frequent as predicted: of the records given a probability of "
        "0.3, 30 % have the class; above it, probabilities are too low, below it too "
        "high; points of few records (histogram) are off it by chance"
    ]
    missing = [
        name for name, drawn in zip(class_names, is_drawn, strict=True) if not drawn
    ]
    if missing:
        lines.append(
            f"without a line, as no bin has {_MIN_RECORDS} records: "
            + visible_lines(", ".join(missing))
        )
    n_characters = int(width * _CHARACTERS_PER_INCH)
    return "\n".join(textwrap.fill(line, n_characters) for line in lines)


def _add_class_legend(
    figure: Figure, class_names: Sequence[str], is_drawn: BoolArray, caption: str
) -> None:
    """Name the lines below the panels, under the caption."""
    colours = _class_colours(len(class_names))
    if len(set(colours)) < len(colours):
        colours, class_names = [GREY], ["each class"]
    else:
        shown = np.flatnonzero(is_drawn).tolist()
        colours = [colours[column] for column in shown]
        class_names = [class_names[column] for column in shown]
    handles = [Line2D([], [], color=INK, linewidth=1.6, marker="o", markersize=4)]
    handles += [
        Line2D([], [], color=colour, alpha=_FAINT, marker="o", markersize=2.5)
        for colour in colours
    ]
    n_rows = math.ceil(len(handles) / max(3, int(figure.get_figwidth() / 1.3)))
    legend = figure.legend(
        handles,
        ["all classes", *map(visible_lines, class_names)],
        loc="outside lower center",
        ncols=math.ceil(len(handles) / n_rows),
        frameon=False,
        fontsize=_TEXT_SIZE,
        title=caption,
        title_fontsize=_TEXT_SIZE - 1,
    )
    legend.get_title().set(color=GREY, parse_math=False, multialignment="center")
    for text in legend.get_texts():
        text.set_parse_math(False)


def _shares(true: BoolArray, decided: BoolArray) -> FloatArray:
    """Return cells of `plot_confusion`, (n_classes, n_classes + 1); NaN if empty."""
    none = ~decided.any(axis=1, keepdims=True)
    counts = true.T.astype(np.float64) @ np.hstack([decided, none])
    n_true = true.sum(axis=0)[:, None]
    shares: FloatArray = np.full(counts.shape, np.nan)
    np.divide(counts, n_true, out=shares, where=n_true > 0)
    return shares


def _write_cell(
    axes: Axes, row: int, column: int, share: float, expected: float | None
) -> None:
    """Write the percentages of one cell."""
    colour = "white" if share > _DARK else INK
    axes.text(
        column,
        row if expected is None else row - 0.1,
        f"{100 * share:.0f}",
        ha="center",
        va="center",
        fontsize=_TEXT_SIZE,
        fontweight="bold" if row == column else "normal",
        color=colour,
    )
    if expected is not None:
        axes.text(
            column,
            row + 0.25,
            f"({100 * expected:.0f})",
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
        [
            f"{visible_lines(name)} ({n:,})"
            for name, n in zip(class_names, n_true, strict=True)
        ],
        fontsize=_TEXT_SIZE,
        parse_math=False,
    )
    axes.set_xticks(
        range(n_classes + 1),
        [*map(visible_lines, class_names), "none"],
        fontsize=_TEXT_SIZE,
        rotation=35,
        rotation_mode="anchor",
        ha="left",
        parse_math=False,
    )
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("predicted class", fontsize=_TEXT_SIZE)
    axes.set_ylabel("true class (records)", fontsize=_TEXT_SIZE)
    axes.tick_params(length=0)
    axes.axvline(n_classes - 0.5, color=BLUE, linewidth=1.2)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(n_classes) + 0.5, minor=True)
    axes.set_yticks(np.arange(n_classes - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="minor", length=0)
