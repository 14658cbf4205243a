"""Plots of scores, predictions and trainings show the numbers that they are given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.plots import (
    plot_confusion,
    plot_difference_intervals,
    plot_reliability,
    plot_score_intervals,
    plot_training_curves,
    save,
)

NAN = float("nan")
SCORES = {
    "CNN": {"auroc": (0.8, 0.7, 0.9), "f1": (0.5, 0.45, 0.6)},
    "$hybrid": {"auroc": (0.9, 0.85, 0.95), "f1": (NAN, NAN, NAN)},
}
DIFFERENCES = {
    ("CNN", "ResNet"): {"auroc": (-0.1, -0.2, -0.05), "f1": (0.01, -0.02, 0.03)},
    ("CNN", "$hybrid"): {"auroc": (0.0, 0.0, 0.0), "f1": (0.3, 0.1, 0.4)},
}


def lines(axes: Axes, gid: str) -> list[Line2D]:
    return [artist for artist in axes.lines if artist.get_gid() == gid]


def xy(of: Line2D) -> tuple[FloatArray, FloatArray]:
    return np.asarray(of.get_xdata(), float), np.asarray(of.get_ydata(), float)


def written(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def names_of_rows(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def predictions(
    n_classes: int = 3,
) -> tuple[BoolArray, dict[str, FloatArray], list[str]]:
    rng = np.random.default_rng(2)
    labels = rng.random((200, n_classes)) < 0.3
    probabilities = {
        name: 0.4 * labels + 0.6 * rng.random(labels.shape) for name in ("a", "$b")
    }
    return labels, probabilities, [f"class ${at}" for at in range(n_classes)]


# Scores and differences


def test_scores_are_at_their_values() -> None:
    figure = plot_score_intervals(SCORES, title="Scores")
    auroc, f1 = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["auroc", "f1"]
    assert names_of_rows(auroc) == ["CNN", "$hybrid"]
    for row, (value, low, high) in enumerate([(0.8, 0.7, 0.9), (0.9, 0.85, 0.95)]):
        x, y = xy(lines(auroc, "interval")[row])
        assert (x.tolist(), y.tolist()) == ([low, high], [row, row])
        x, y = xy(lines(auroc, "value")[row])
        assert (x.tolist(), y.tolist()) == ([value], [row])
    assert written(auroc) == ["0.800", "0.900"]
    assert written(f1) == ["0.500", "undefined"]
    top, bottom = auroc.get_ylim()[::-1]
    assert top < 0 < 1 < bottom


def test_classifiers_have_different_colours() -> None:
    many = {f"model {at}": {"auroc": (0.8, 0.7, 0.9)} for at in range(40)}
    figure = plot_score_intervals(many, note="macro: mean over 3 of 7 classes")
    drawn = lines(figure.axes[0], "value")
    assert len({str(artist.get_color()) for artist in drawn}) == len(drawn) == 40
    assert figure.get_supxlabel().endswith("\nmacro: mean over 3 of 7 classes")


def test_zero_has_no_sign() -> None:
    scores = {"a": {"f1": (-0.0001, -0.0001, 0.0)}}
    assert written(plot_score_intervals(scores).axes[0]) == ["0.000"]


def test_columns_select_order_and_name_the_panels() -> None:
    columns = {"f1": "macro F1", "auroc": "macro AUROC"}
    figure = plot_score_intervals(SCORES, columns=columns)
    assert [axes.get_title() for axes in figure.axes] == ["macro F1", "macro AUROC"]
    [only] = plot_score_intervals(SCORES, columns={"f1": "F1"}).axes
    assert only.get_title() == "F1"


def test_many_classes_are_in_rows_of_panels() -> None:
    classes = {f"class {at}": (0.8, 0.7, 0.9) for at in range(24)}
    figure = plot_score_intervals({"CNN": classes, "ResNet": classes})
    assert len(figure.axes) == 24
    named = [axes for axes in figure.axes if names_of_rows(axes) == ["CNN", "ResNet"]]
    assert [axes.get_title() for axes in named] == [
        f"class {at}" for at in (0, 5, 10, 15, 20)
    ]


def test_zero_is_in_the_middle_and_insignificant_differences_are_hollow() -> None:
    figure = plot_difference_intervals(DIFFERENCES)
    auroc, f1 = figure.axes
    minus = "\N{MINUS SIGN}"
    assert names_of_rows(auroc) == [f"CNN {minus} ResNet", f"CNN {minus} $hybrid"]
    for axes in figure.axes:
        [zero] = lines(axes, "zero")
        assert set(xy(zero)[0]) == {0.0}
        low, high = axes.get_xlim()
        assert low == -high
    assert written(auroc) == [f"{minus}0.100", "+0.000"]

    def hollow(axes: Axes) -> list[bool]:
        return [
            artist.get_markerfacecolor() == "white" for artist in lines(axes, "value")
        ]

    assert hollow(auroc) == [False, True]
    assert hollow(f1) == [True, False]


def test_empty_and_incomplete_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="0 rows and 0 columns"):
        plot_score_intervals({})
    with pytest.raises(ValueError, match="0 rows"):
        plot_difference_intervals({}, columns={"f1": "F1"})
    with pytest.raises(ValueError, match=r"'ResNet' has no 'f1', expected auroc, f1"):
        plot_score_intervals({**SCORES, "ResNet": {"auroc": (0.5, 0.4, 0.6)}})


# Predictions


def test_reliability_is_the_frequency_at_the_mean_probability() -> None:
    probabilities = np.repeat([[0.04], [0.06], [0.75], [1.0]], 5, axis=0)
    labels = np.repeat([[False], [True], [False], [True]], 5, axis=0)
    figure = plot_reliability(labels, {"a": probabilities}, ["AF"])
    upper, lower = figure.axes
    for gid in ("pooled", "class"):
        [line] = lines(upper, gid)
        x, y = xy(line)
        np.testing.assert_allclose(x, [0.05, 0.75, 1.0])
        np.testing.assert_allclose(y, [0.5, 0.0, 1.0])
    heights = [bar.get_height() for bar in lower.patches]  # type: ignore[attr-defined]
    assert heights == [10, 0, 0, 0, 0, 0, 0, 5, 0, 5]


def test_bins_of_a_class_with_few_records_are_left_out() -> None:
    probabilities = np.array([[0.05]] * 5 + [[0.95]] * 4)
    figure = plot_reliability(probabilities > 0.5, {"a": probabilities}, ["AF"])
    [of_class] = lines(figure.axes[0], "class")
    [pooled] = lines(figure.axes[0], "pooled")
    assert (len(xy(of_class)[0]), len(xy(pooled)[0])) == (1, 2)


@pytest.mark.parametrize(("n_classes", "n_named"), [(3, 4), (7, 8), (8, 2)])
def test_lines_of_too_many_classes_are_grey(n_classes: int, n_named: int) -> None:
    labels, probabilities, names = predictions(n_classes)
    figure = plot_reliability(labels, probabilities, names)
    drawn = lines(figure.axes[0], "class")
    assert len(drawn) == n_classes
    assert len({str(artist.get_color()) for artist in drawn}) in (1, n_classes)
    [legend] = figure.legends
    assert len(legend.get_texts()) == n_named


def test_only_drawn_classes_are_in_the_legend() -> None:
    """A line of one point is drawn as a point; classes without any are named."""
    probabilities = np.column_stack([np.full(9, 0.3), np.linspace(0.05, 0.95, 9)])
    figure = plot_reliability(probabilities > 0.5, {"a": probabilities}, ["AF", "LAD"])
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["all classes", "AF"]
    assert "no bin has 5 records: LAD" in legend.get_title().get_text()
    assert {line.get_marker() for line in lines(figure.axes[0], "class")} == {"o"}


def test_confusion_is_a_share_of_the_true_class() -> None:
    labels = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], bool)
    decisions = np.array([[1, 0, 0], [0, 0, 0], [1, 0, 1], [0, 1, 1]], bool)
    figure = plot_confusion(labels, decisions, ["NSR", "LAD", "$AF"])
    [axes] = figure.axes
    [image] = axes.images
    shown: np.ma.MaskedArray[Any, Any] = np.ma.asarray(image.get_array())
    np.testing.assert_allclose(
        shown[:2], [[2 / 3, 0, 1 / 3, 1 / 3], [1 / 2, 1 / 2, 1, 0]]
    )
    assert np.ma.getmaskarray(shown)[2].all()  # no record has the third class
    cells = {
        (round(y), round(x), text.get_text())
        for text in axes.texts
        for x, y in [text.get_position()]
    }
    assert {(0, 0, "67"), (0, 3, "33"), (1, 0, "50"), (1, 2, "100")} <= cells
    assert {(0, 1, "(33)"), (1, 0, "(50)"), (0, 2, "(0)")} <= cells
    assert not any(row == 2 for row, _, _ in cells)
    assert names_of_rows(axes)[:3] == ["NSR (3)", "LAD (2)", "$AF (0)"]


def test_predictions_of_other_shapes_are_refused() -> None:
    labels, probabilities, names = predictions()
    with pytest.raises(ValueError, match=r"labels has shape \(200, 3\), expected \(n_"):
        plot_confusion(labels, labels, names[1:])
    with pytest.raises(ValueError, match=r"decisions has shape \(100, 3\), expected"):
        plot_confusion(labels, labels[::2], names)
    with pytest.raises(ValueError, match="probabilities of 'a' has shape"):
        plot_reliability(labels, {"a": probabilities["a"][:, :2]}, names)
    with pytest.raises(ValueError, match="no probabilities to plot"):
        plot_reliability(labels, {}, names)


# Training


def test_training_curves_mark_the_epoch_that_was_kept() -> None:
    figure = plot_training_curves(
        [1, 2, 3], [0.5, 0.4, 0.3], [0.6, 0.45, 0.5], [0.7, 0.85, 0.8], 2, title="$"
    )
    losses, ranking = figure.axes
    assert [xy(line)[1].tolist() for line in losses.lines[:2]] == [
        [0.5, 0.4, 0.3],
        [0.6, 0.45, 0.5],
    ]
    assert losses.get_title(loc="right") == "kept: epoch 2, 0.450"
    _, names = losses.get_legend_handles_labels()
    assert names == ["training (weighted, augmented)", "validation"]
    assert ranking.get_title(loc="right") == "kept: epoch 2, 0.850"
    for axes, value in ((losses, 0.45), (ranking, 0.85)):
        [best] = lines(axes, "best")
        assert (*xy(best)[0], *xy(best)[1]) == (2, value)


def test_an_undefined_auroc_is_called_so() -> None:
    figure = plot_training_curves([1], [0.5], [0.6], [NAN], 1)
    losses, ranking = figure.axes
    assert ranking.get_title(loc="right") == "kept: epoch 1, undefined"
    assert written(ranking)[0].startswith("undefined: no class is in some")
    assert losses.get_title(loc="right") == "kept: epoch 1, 0.600"


def test_curves_of_different_lengths_are_refused() -> None:
    with pytest.raises(
        ValueError, match="validation_loss has 2 values, expected one f"
    ):
        plot_training_curves([1], [0.5], [0.5, 0.5], [0.7], 1)
    with pytest.raises(ValueError, match="best_epoch is 0, expected one of epochs"):
        plot_training_curves([1], [0.5], [0.5], [0.7], 0)
    with pytest.raises(ValueError, match="best_epoch is 1"):
        plot_training_curves([], [], [], [], 1)


# Files


def figures() -> dict[str, Figure]:
    labels, probabilities, names = predictions()
    undefined = {"CNN": {"AF": (NAN, NAN, NAN)}}
    one = [0.5]
    return {
        "scores": plot_score_intervals(SCORES, title="a $ title"),
        "undefined": plot_score_intervals(undefined),
        "differences": plot_difference_intervals(DIFFERENCES),
        "reliability": plot_reliability(labels, probabilities, names),
        "confusion": plot_confusion(labels, probabilities["a"] > 0.5, names),
        "training": plot_training_curves([1], one, [NAN], one, 1),
    }


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_figure_gives_the_same_file(suffix: str, tmp_path: Path) -> None:
    for turn in "12":
        for name, figure in figures().items():
            save(figure, tmp_path / f"{name}-{turn}.{suffix}")
    for name in figures():
        first, second = (
            (tmp_path / f"{name}-{turn}.{suffix}").read_bytes() for turn in "12"
        )
        assert first == second


def test_long_notes_are_wrapped_within_the_figure() -> None:
    rows = {"a": {"x": (0.5, 0.4, 0.6)}, "b": {"x": (0.7, 0.6, 0.8)}}
    note = "first line\n" + "a sentence that goes on " * 20
    figure = plot_score_intervals(rows, title="t", level=0.95, note=note)
    figure.draw_without_rendering()
    foot = figure.get_supxlabel()
    assert " ".join(note.split()) in " ".join(foot.split())
    assert "first line\n" in foot
    (text,) = [one for one in figure.texts if one.get_text() == foot]
    box = text.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
