"""Multi-label scores are those of scikit-learn, and NaN where they are undefined."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn import metrics as sklearn_metrics

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.scores.calibration import bin_excess, calibration_error
from ecgstore.scores.multilabel import Scores, auroc, score
from ecgstore.scores.ranking import ranking_scores
from ecgstore.scores.table import (
    CLASS_SCORE_HEADINGS,
    CLASS_SCORES,
    SCORE_HEADINGS,
    SCORE_TABLE,
    SCORES,
    WeightedPredictions,
)
from ecgstore.scores.thresholds import f1_thresholds
from ecgstore.scores.weighted import weighted_scores


@st.composite
def predictions(draw: st.DrawFn) -> tuple[BoolArray, FloatArray]:
    """Draw labels and probabilities of a few classes, often with ties."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 40)), draw(st.integers(1, 4)))
    labels = rng.random(shape) < draw(st.sampled_from([0.05, 0.3, 0.9]))
    n_values = draw(st.sampled_from([1, 3, 10, 10_000]))
    return labels, rng.integers(0, n_values + 1, shape) / n_values


def once(labels: BoolArray) -> FloatArray:
    """Return the weighting in which every record counts once."""
    return np.ones((len(labels), 1))


def f1(labels: BoolArray, decisions: BoolArray) -> FloatArray:
    """Return F1 of decisions that are given as such."""
    return score(labels, decisions.astype(float), 0.5).by_class["f1"]


@given(table=predictions(), seed=st.integers(0, 2**32), integers=st.booleans())
def test_weighted_rankings_are_those_of_scikit_learn(
    table: tuple[BoolArray, FloatArray], seed: int, integers: bool
) -> None:
    labels, probabilities = table
    rng = np.random.default_rng(seed)
    weights = rng.poisson(1.0, (len(labels), 3)).astype(np.float64)
    if not integers:
        weights *= rng.random(weights.shape)
    areas, precisions = ranking_scores(labels, probabilities, weights)
    assert areas.shape == precisions.shape == (3, labels.shape[1])
    for weighting, column in np.ndindex(areas.shape):
        weight, of_class = weights[:, weighting], labels[:, column]
        scores = areas[weighting, column], precisions[weighting, column]
        if not (weight[of_class].any() and weight[~of_class].any()):
            assert np.isnan(scores).all()
            continue
        arguments = (of_class, probabilities[:, column])
        expected = (
            sklearn_metrics.roc_auc_score(*arguments, sample_weight=weight),
            sklearn_metrics.average_precision_score(*arguments, sample_weight=weight),
        )
        assert scores == pytest.approx(expected, abs=1e-12)


@given(table=predictions(), threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_decisions_are_scored_as_scikit_learn_does(
    table: tuple[BoolArray, FloatArray], threshold: float
) -> None:
    labels, probabilities = table
    decisions = probabilities >= threshold
    expected = [
        sklearn_metrics.f1_score(true, decided, zero_division=np.nan)
        if true.any()
        else np.nan
        for true, decided in zip(labels.T, decisions.T, strict=True)
    ]
    scores = score(labels, probabilities, threshold)
    np.testing.assert_allclose(scores.by_class["f1"], expected, atol=1e-12)
    assert scores.overall["subset_accuracy"] == pytest.approx(
        np.mean([(a == b).all() for a, b in zip(labels, decisions, strict=True)])
    )


@given(table=predictions(), seed=st.integers(0, 2**32))
def test_a_record_that_counts_twice_is_the_record_given_twice(
    table: tuple[BoolArray, FloatArray], seed: int
) -> None:
    labels, probabilities = table
    times = np.random.default_rng(seed).integers(0, 4, len(labels))
    times[0] += 1
    weighted = weighted_scores(
        labels, probabilities, probabilities >= 0.5, times[:, None].astype(np.float64)
    )
    rows = np.repeat(np.arange(len(labels)), times)
    expected = score(labels[rows], probabilities[rows], 0.5)
    np.testing.assert_allclose(
        weighted.overall[0], [expected.overall[name] for name in SCORES], atol=1e-12
    )
    np.testing.assert_allclose(
        weighted.by_class[0],
        [expected.by_class[name] for name in CLASS_SCORES],
        atol=1e-12,
    )


@given(table=predictions())
def test_ranking_depends_on_the_order_only(
    table: tuple[BoolArray, FloatArray],
) -> None:
    labels, probabilities = table
    for first, second in zip(
        ranking_scores(labels, probabilities, once(labels)),
        ranking_scores(labels, probabilities / 2 + 0.25, once(labels)),
        strict=True,
    ):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(
        auroc(labels, probabilities), 1 - auroc(labels, 1 - probabilities), atol=1e-12
    )


@given(table=predictions(), n_bins=st.integers(1, 20))
def test_calibration_error_is_its_definition(
    table: tuple[BoolArray, FloatArray], n_bins: int
) -> None:
    labels, probabilities = table
    expected = np.zeros(labels.shape[1])
    for column in range(labels.shape[1]):
        true, predicted = labels[:, column], probabilities[:, column]
        for number in range(n_bins):
            inside = np.floor(predicted * n_bins).clip(max=n_bins - 1) == number
            if inside.any():
                distance = abs(predicted[inside].mean() - true[inside].mean())
                expected[column] += inside.mean() * distance
    [error] = calibration_error(bin_excess(labels, probabilities, once(labels), n_bins))
    np.testing.assert_allclose(error, expected, atol=1e-12)


def test_calibration_error_of_the_true_probabilities_is_small() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.random((20_000, 2))
    labels = rng.random(probabilities.shape) < probabilities
    assert (
        calibration_error(bin_excess(labels, probabilities, once(labels))).max() < 0.02
    )
    assert (
        calibration_error(bin_excess(labels, probabilities**3, once(labels))).min()
        > 0.1
    )


@given(table=predictions())
def test_no_other_threshold_has_a_better_f1(
    table: tuple[BoolArray, FloatArray],
) -> None:
    labels, probabilities = table
    thresholds = f1_thresholds(labels, probabilities)
    assert ((thresholds >= 0) & (thresholds <= 1)).all()
    best = f1(labels, probabilities >= thresholds)
    for other in [*np.unique(probabilities), 0.0, 0.5, 1.0]:
        assert not (f1(labels, probabilities >= other) > best).any()
    np.testing.assert_array_equal(np.isnan(best), ~labels.any(axis=0))
    assert (thresholds[~labels.any(axis=0)] == 0.5).all()


def test_a_threshold_is_half_way_and_the_highest_of_equally_good_ones() -> None:
    labels = np.array([[1, 1], [0, 0], [0, 0], [0, 1]])
    probabilities = np.array([[0.9, 0.9], [0.5, 0.6], [0.1, 0.5], [0.0, 0.4]])
    np.testing.assert_allclose(f1_thresholds(labels, probabilities), [0.7, 0.75])


def test_a_threshold_separates_neighbouring_numbers() -> None:
    low = 0.5
    high = np.nextafter(low, 1.0)
    labels = np.array([[0], [1]])
    probabilities = np.array([[low], [high]])
    threshold = f1_thresholds(labels, probabilities)
    assert f1(labels, probabilities >= threshold) == [1.0]


@pytest.fixture(scope="module")
def scores() -> Scores:
    rng = np.random.default_rng(1)
    labels = rng.random((200, 5)) < [0.7, 0.2, 0.1, 0.0, 1.0]
    probabilities = np.clip(0.4 * labels + 0.6 * rng.random(labels.shape), 0, 1)
    thresholds = f1_thresholds(labels, probabilities)
    return score(labels.astype(np.uint8), probabilities.astype(np.float32), thresholds)


def test_every_score_of_the_table_is_in_the_results(scores: Scores) -> None:
    rng = np.random.default_rng(1)
    labels = rng.random((200, 5)) < [0.7, 0.2, 0.1, 0.0, 1.0]
    probabilities = np.clip(0.4 * labels + 0.6 * rng.random(labels.shape), 0, 1)
    probabilities = probabilities.astype(np.float32).astype(np.float64)
    decisions = probabilities >= scores.thresholds
    predictions = WeightedPredictions(labels, probabilities, decisions, once(labels))
    for row in SCORE_TABLE:
        [expected] = row.function(predictions)
        if row.per_class:
            np.testing.assert_array_equal(scores.by_class[row.name], expected)
            expected = np.nanmean(expected)
        assert scores.overall[row.overall_name] == pytest.approx(expected)
    assert scores.n_records == 200
    np.testing.assert_array_equal(scores.n_positive, labels.sum(axis=0))
    np.testing.assert_array_equal(np.isnan(scores.by_class["auroc"]), [0, 0, 0, 1, 1])


def test_scores_are_written_as_json(scores: Scores) -> None:
    content = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert [*content] == [
        *SCORES, *CLASS_SCORES, "thresholds", "n_positive", "n_defined", "n_records",
    ]  # fmt: skip
    assert content["auroc"][3:] == [None, None]
    assert content["macro_f1"] == scores.overall["macro_f1"]
    assert content["n_records"] == 200
    assert content["n_defined"]["auroc"] == 3


def test_names_and_headings_follow_from_the_table() -> None:
    assert [*SCORE_HEADINGS] == [*SCORES]
    assert [*CLASS_SCORE_HEADINGS] == [*CLASS_SCORES]
    assert SCORE_HEADINGS["macro_auroc"] == "macro AUROC"
    assert SCORE_HEADINGS["subset_accuracy"] == "subset accuracy"
    for headings, name in (
        (SCORE_HEADINGS, "macro_calibration_error"),
        (CLASS_SCORE_HEADINGS, "calibration_error"),
    ):
        assert headings[name].endswith("calibration error (lower is better)")


def test_scores_without_any_positive_are_nan_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        overall = score(np.zeros((3, 2)), np.full((3, 2), 0.25), 0.5).overall
    assert np.isnan([overall["macro_auroc"], overall["macro_average_precision"]]).all()
    assert np.isnan(overall["macro_f1"])
    assert overall["subset_accuracy"] == 1.0
    assert overall["macro_calibration_error"] == 0.25


def test_wrong_arguments_are_refused() -> None:
    labels = np.eye(3)
    with pytest.raises(ValueError, match=r"labels has shape \(3,\)"):
        auroc(labels[0], labels[0])
    with pytest.raises(ValueError, match=r"labels has shape \(0, 3\)"):
        auroc(labels[:0], labels[:0])
    with pytest.raises(
        ValueError, match=r"probabilities has shape \(2, 3\), expected that of labels"
    ):
        f1_thresholds(labels, labels[:2])
    with pytest.raises(
        ValueError, match="contains -2 in row 0, column 0, expected 0 to 1"
    ):
        score(labels, labels * -2, 0.5)
    with pytest.raises(ValueError, match="contains nan in row 0, column 0"):
        auroc(labels, np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="labels contains values other than 0 and 1"):
        f1_thresholds(labels + 1, labels)
    with pytest.raises(ValueError, match=r"thresholds has shape \(2,\), expected one"):
        score(labels, labels, [0.5, 0.5])
