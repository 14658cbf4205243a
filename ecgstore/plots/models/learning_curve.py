"""Plot of scores against the number of training records."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgstore.plots.style.colours import GREY, INK, series_colours
from ecgstore.system.visible import visible_lines

Interval = tuple[float, float, float]
"""A value, and the ends of its interval."""


def plot_learning_curve(
    n_records: Sequence[float],
    scores: Mapping[str, Sequence[Interval]],
    differences: Mapping[str, Sequence[Interval]],
    *,
    score: str,
    title: str = "",
) -> Figure:
    """Plot how scores and their differences grow with the training records.

    Parameters
    ----------
    n_records : sequence of float, of length n_points
        Numbers of training records, increasing.
    scores : Mapping
        By name of the classifier, the score at each number, with its interval.
    differences : Mapping
        By name of a pair, the difference of their scores at each number.
    score : str
        Name of the score.
    title : str
        Title of the figure.

    Returns
    -------
    Figure
        Two Axes: scores, and differences with a line at 0.

    Raises
    ------
    ValueError
        If there is no number, or a curve has another number of points.
    """
    for name, points in {**scores, **differences}.items():
        if len(points) != len(n_records) or not len(n_records):
            raise ValueError(
                f"{name} has {len(points)} points, expected one for each of the "
                f"{len(n_records)} numbers of records"
            )
    figure = Figure(figsize=(10.0, 4.2), dpi=150, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    figure.suptitle(
        visible_lines(title), fontsize=13, fontweight="bold", parse_math=False
    )
    left, right = figure.subplots(1, 2)
    _draw(left, n_records, scores, score)
    _draw(right, n_records, differences, f"difference in {score}")
    right.axhline(0.0, color=INK, linewidth=0.8)
    return figure


def _draw(
    axes: Axes,
    n_records: Sequence[float],
    curves: Mapping[str, Sequence[Interval]],
    heading: str,
) -> None:
    """Draw curves with intervals, beside each other where they would overlap."""
    colours = series_colours(len(curves))
    for number, (name, points) in enumerate(curves.items()):
        shift = 1 + 0.02 * (number - (len(curves) - 1) / 2)
        places = [n * shift for n in n_records]
        values = [value for value, _, _ in points]
        below = [value - low for value, low, _ in points]
        above = [high - value for value, _, high in points]
        axes.errorbar(
            places,
            values,
            yerr=[below, above],
            color=colours[number],
            marker="o",
            markersize=4,
            linewidth=1.4,
            elinewidth=0.9,
            capsize=2,
            label=visible_lines(name),
        )
    axes.set_xscale("log")
    axes.set_xticks(n_records, [f"{n:.0f}" for n in n_records], fontsize=9)
    axes.minorticks_off()
    axes.set_xlabel("training records", fontsize=9)
    axes.set_title(heading, loc="left", fontsize=10)
    axes.tick_params(labelsize=9)
    axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
