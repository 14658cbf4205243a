"""Multi-label scores are those of scikit-learn, and NaN where nothing can be said."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn import metrics as sklearn_metrics

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.scores.multilabel import (
    SCORE_TITLES,
    auroc,
    average_precision,
    calibration_error,
    f1,
    f1_thresholds,
    score,
    subset_accuracy,
)
from ecgstore.scores.weighted import (
    CLASS_SCORES,
    SCORES,
    ranking_scores,
    weighted_scores,
)


@st.composite
def predictions(draw: st.DrawFn) -> tuple[BoolArray, FloatArray]:
    """Draw labels and probabilities of a few classes, often with ties."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 40)), draw(st.integers(1, 4)))
    labels = rng.random(shape) < draw(st.sampled_from([0.05, 0.3, 0.9]))
    n_values = draw(st.sampled_from([1, 3, 10, 10_000]))
    return labels, rng.integers(0, n_values + 1, shape) / n_values


@given(table=predictions(), seed=st.integers(0, 2**32), whole=st.booleans())
def test_weighted_rankings_are_those_of_scikit_learn(
    table: tuple[BoolArray, FloatArray], seed: int, whole: bool
) -> None:
    labels, probabilities = table
    rng = np.random.default_rng(seed)
    weights = rng.poisson(1.0, (len(labels), 3)).astype(np.float64)
    if not whole:
        weights *= rng.random(weights.shape)
    areas, precisions = ranking_scores(labels, probabilities, weights)
    assert areas.shape == precisions.shape == (3, labels.shape[1])
    for weighting, column in np.ndindex(areas.shape):
        weight, of_class = weights[:, weighting], labels[:, column]
        found = areas[weighting, column], precisions[weighting, column]
        if not (weight[of_class].any() and weight[~of_class].any()):
            assert np.isnan(found).all()
            continue
        given_ = (of_class, probabilities[:, column])
        expected = (
            sklearn_metrics.roc_auc_score(*given_, sample_weight=weight),
            sklearn_metrics.average_precision_score(*given_, sample_weight=weight),
        )
        assert found == pytest.approx(expected, abs=1e-12)


@given(table=predictions(), threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_decisions_are_scored_as_scikit_learn_does(
    table: tuple[BoolArray, FloatArray], threshold: float
) -> None:
    labels, probabilities = table
    decisions = probabilities >= threshold
    expected = [
        sklearn_metrics.f1_score(*each, zero_division=np.nan)
        if each[0].any()
        else np.nan
        for each in zip(labels.T, decisions.T, strict=True)
    ]
    np.testing.assert_allclose(f1(labels, decisions), expected, atol=1e-12)
    assert subset_accuracy(labels, decisions) == pytest.approx(
        np.mean([(a == b).all() for a, b in zip(labels, decisions, strict=True)])
    )


@given(table=predictions(), seed=st.integers(0, 2**32))
def test_a_record_that_counts_twice_is_the_record_given_twice(
    table: tuple[BoolArray, FloatArray], seed: int
) -> None:
    labels, probabilities = table
    times = np.random.default_rng(seed).integers(0, 4, len(labels))
    times[0] += 1
    decisions = probabilities >= 0.5
    found = weighted_scores(
        labels, probabilities, decisions, times[:, None].astype(np.float64)
    )
    rows = np.repeat(np.arange(len(labels)), times)
    expected = score(labels[rows], probabilities[rows], 0.5)
    for at, name in enumerate(SCORES):
        np.testing.assert_allclose(
            found.whole[0, at], getattr(expected, name), atol=1e-12
        )
    for at, name in enumerate(CLASS_SCORES):
        np.testing.assert_allclose(
            found.by_class[0, at], getattr(expected, name), atol=1e-12
        )


@given(table=predictions())
def test_ranking_knows_the_order_only(table: tuple[BoolArray, FloatArray]) -> None:
    labels, probabilities = table
    for of in (auroc, average_precision):
        np.testing.assert_array_equal(
            of(labels, probabilities), of(labels, probabilities / 2 + 0.25)
        )
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
        true, said = labels[:, column], probabilities[:, column]
        for at in range(n_bins):
            inside = np.floor(said * n_bins).clip(max=n_bins - 1) == at
            if inside.any():
                distance = abs(said[inside].mean() - true[inside].mean())
                expected[column] += inside.mean() * distance
    found = calibration_error(labels, probabilities, n_bins)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_calibration_error_of_the_true_probabilities_is_small() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.random((20_000, 2))
    labels = rng.random(probabilities.shape) < probabilities
    assert calibration_error(labels, probabilities).max() < 0.02
    assert calibration_error(labels, probabilities**3).min() > 0.1


@given(table=predictions())
def test_no_other_threshold_has_a_better_f1(
    table: tuple[BoolArray, FloatArray],
) -> None:
    labels, probabilities = table
    thresholds = f1_thresholds(labels, probabilities)
    assert ((thresholds >= 0) & (thresholds <= 1)).all()
    best = f1(labels, probabilities >= thresholds)
    for other in [*np.unique(probabilities), 0.0, 0.5, 1.0]:
        found = f1(labels, probabilities >= other)
        assert not (found > best).any()
    np.testing.assert_array_equal(np.isnan(best), ~labels.any(axis=0))
    assert (thresholds[~labels.any(axis=0)] == 0.5).all()


def test_a_threshold_parts_neighbouring_numbers() -> None:
    low = 0.5
    high = np.nextafter(low, 1.0)
    labels = np.array([[0], [1]])
    probabilities = np.array([[low], [high]])
    threshold = f1_thresholds(labels, probabilities)
    assert f1(labels, probabilities >= threshold) == [1.0]


def test_scores_hold_what_the_functions_return() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random((200, 5)) < [0.7, 0.2, 0.1, 0.0, 1.0]
    probabilities = np.clip(0.4 * labels + 0.6 * rng.random(labels.shape), 0, 1)
    thresholds = f1_thresholds(labels, probabilities)
    decisions = probabilities >= thresholds
    found = score(labels.astype(np.uint8), probabilities.astype(np.float32), thresholds)
    np.testing.assert_allclose(found.auroc, auroc(labels, probabilities))
    np.testing.assert_allclose(found.f1, f1(labels, decisions))
    assert found.macro_auroc == pytest.approx(np.nanmean(found.auroc))
    assert found.macro_f1 == pytest.approx(np.nanmean(found.f1))
    assert found.macro_average_precision == pytest.approx(
        np.nanmean(average_precision(labels, probabilities))
    )
    assert found.macro_calibration_error == pytest.approx(
        np.mean(calibration_error(labels, probabilities))
    )
    assert found.subset_accuracy == subset_accuracy(labels, decisions)
    np.testing.assert_array_equal(np.isnan(found.auroc), [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(found.n_positive, labels.sum(axis=0))

    as_json = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert as_json["auroc"][3:] == [None, None]
    assert as_json["macro_f1"] == found.macro_f1
    assert as_json["n_records"] == 200
    assert list(SCORE_TITLES) == list(SCORES)
    assert set(SCORE_TITLES) <= set(as_json)


def test_scores_of_records_without_any_class_are_nan_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score(np.zeros((3, 2)), np.full((3, 2), 0.25), 0.5)
    assert np.isnan([found.macro_auroc, found.macro_average_precision]).all()
    assert np.isnan(found.macro_f1)
    assert found.subset_accuracy == 1.0
    assert found.macro_calibration_error == 0.25


def test_wrong_arguments_are_refused() -> None:
    labels = np.eye(3)
    with pytest.raises(ValueError, match=r"labels has shape \(3,\)"):
        auroc(labels[0], labels[0])
    with pytest.raises(ValueError, match=r"labels has shape \(0, 3\)"):
        auroc(labels[:0], labels[:0])
    with pytest.raises(
        ValueError, match=r"probabilities has shape \(2, 3\), the labels"
    ):
        average_precision(labels, labels[:2])
    with pytest.raises(
        ValueError, match="holds -2 in row 0, column 0, expected 0 to 1"
    ):
        calibration_error(labels, labels * -2)
    with pytest.raises(ValueError, match="holds nan in row 0, column 0"):
        auroc(labels, np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="labels holds other values than 0 and 1"):
        f1(labels + 1, labels)
    with pytest.raises(ValueError, match="n_bins is 0"):
        calibration_error(labels, labels, 0)
    with pytest.raises(ValueError, match=r"thresholds has shape \(2,\), expected one"):
        score(labels, labels, [0.5, 0.5])
