"""The bootstrap draws patients, is paired, and has the right coverage."""

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.scores.bootstrap import (
    BootstrapResult,
    Estimate,
    draw_counts,
    paired_bootstrap,
)
from ecgstore.scores.multilabel import Scores, score
from ecgstore.scores.table import CLASS_SCORES, SCORES
from ecgstore.scores.weighted import weighted_scores


def example(
    n_records: int = 60, n_groups: int = 40, seed: int = 0
) -> tuple[BoolArray, dict[str, FloatArray], dict[str, BoolArray], IntArray]:
    """Return labels, two sets of predictions of different quality, and groups."""
    rng = np.random.default_rng(seed)
    labels = rng.random((n_records, 3)) < [0.6, 0.3, 0.15]
    noise = rng.random((2, *labels.shape))
    probabilities = {
        "good": 0.5 * labels + 0.5 * noise[0],
        "poor": 0.2 * labels + 0.8 * noise[1],
    }
    decisions = {name: values >= 0.5 for name, values in probabilities.items()}
    return labels, probabilities, decisions, rng.integers(0, n_groups, n_records)


def numbers(of: Any) -> FloatArray:
    """Return every number of a mapping of estimates, in order."""
    if isinstance(of, dict):
        return np.concatenate([numbers(value) for value in of.values()])
    return np.ravel(np.array(of, dtype=np.float64))


def all_numbers(result: BootstrapResult) -> FloatArray:
    parts = (
        result.scores,
        result.class_scores,
        result.differences,
        result.class_differences,
    )
    return np.concatenate([numbers(part) for part in parts])


def of_scores(scores: Scores, name: str) -> FloatArray:
    return np.asarray({**scores.overall, **scores.by_class}[name])


def test_estimates_are_those_of_records_repeated_by_hand() -> None:
    labels, probabilities, decisions, groups = example()
    result = paired_bootstrap(
        labels, probabilities, decisions, groups, n_resamples=50, seed=3, level=0.9
    )
    unique = np.unique(groups)
    counts = draw_counts(len(unique), 50, seed=3)
    resampled: dict[str, list[Scores]] = {"good": [], "poor": []}
    drawn_rows = []
    for drawn in counts.T:
        rows = np.concatenate(
            [
                np.flatnonzero(groups == group)
                for group, times in zip(unique, drawn, strict=True)
                for _ in range(times)
            ]
        )
        drawn_rows.append(rows)
        for name, of in resampled.items():
            of.append(score(labels[rows], probabilities[name][rows], 0.5))
    once = {name: score(labels, probabilities[name], 0.5) for name in resampled}

    def check(
        estimates: Any, values: FloatArray, draws: FloatArray, further: Any = None
    ) -> None:
        low, middle, high = np.nanpercentile(draws, [5, 50, 95], axis=0)
        low, high = low - (middle - values), high - (middle - values)
        if further is not None:
            low = np.maximum(np.minimum(low, values - further), 0)
        ends = np.clip([low, high], -1, 1)
        expected = np.stack([values, *ends], axis=-1)
        np.testing.assert_allclose(np.array(estimates), expected, atol=1e-12)

    def excess(rows: Any, name: str) -> FloatArray:
        """Return the mean of probability minus label in each bin, (bins, classes)."""
        bins = np.floor(probabilities[name][rows] * 10)
        too_much = probabilities[name][rows] - labels[rows]
        of_bins = [np.where(bins == at, too_much, 0).mean(axis=0) for at in range(10)]
        return np.array(of_bins)

    def further(name: str) -> FloatArray:
        """Return the quantile of the distances of resamples and records, by class."""
        every = excess(slice(None), name)
        distances = [np.abs(excess(rows, name) - every).sum(0) for rows in drawn_rows]
        macro = np.mean(distances, axis=1)
        return np.append(np.percentile(distances, 95, axis=0), np.percentile(macro, 95))

    for score_name in (*SCORES, *CLASS_SCORES):
        draws = {
            name: np.array([of_scores(drawn, score_name) for drawn in of])
            for name, of in resampled.items()
        }
        values = {name: of_scores(of, score_name) for name, of in once.items()}
        overall = score_name in SCORES
        scores: Any = result.scores if overall else result.class_scores
        differences: Any = result.differences if overall else result.class_differences
        for name in ("good", "poor"):
            distance: Any = None
            if score_name.endswith("calibration_error"):
                distance = further(name)[-1 if overall else slice(-1)]
            check(scores[name][score_name], values[name], draws[name], distance)
        check(
            differences["good", "poor"][score_name],
            values["good"] - values["poor"],
            draws["good"] - draws["poor"],
        )
    assert result.names == ("good", "poor")
    assert (result.n_records, result.n_groups) == (60, len(unique))
    assert list(result.differences) == [("good", "poor")]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    n_records=st.integers(1, 40),
    n_resamples=st.integers(1, 30),
    n_values=st.integers(1, 5),
)
def test_every_interval_contains_its_value(
    seed: int, n_records: int, n_resamples: int, n_values: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.random((n_records, 4)) < rng.choice([0.0, 0.1, 0.5, 1.0], 4)
    probabilities = {
        "one": rng.random(labels.shape).round(n_values),
        "two": rng.integers(0, n_values + 1, (2, *labels.shape)) / n_values,
        "true": np.clip(labels + 0.01, 0, 1),
    }
    result = paired_bootstrap(
        labels,
        probabilities,
        {name: values >= 0.5 for name, values in probabilities.items()},
        rng.integers(0, rng.integers(1, 40), n_records),
        n_resamples=n_resamples,
    )
    for scores in (result.scores, result.class_scores):
        check_ends(numbers(scores), 0)
    for difference in (result.differences, result.class_differences):
        check_ends(numbers(difference), -1)


def check_ends(estimates: FloatArray, lowest: int) -> None:
    """Check that ends are in the range, and on their sides of the value."""
    value, low, high = estimates.reshape(-1, 3).T
    np.testing.assert_array_equal(np.isnan(low), np.isnan(high))
    assert np.isnan(low[np.isnan(value)]).all()
    defined = ~np.isnan(low)  # it is undefined if a score is in every resample
    ordered = np.stack([np.full_like(value, lowest), low, value, high, value * 0 + 1])
    assert (np.diff(ordered[:, defined], axis=0) >= 0).all()


def test_perfect_probabilities_may_have_no_calibration_error() -> None:
    """Their error is 0, though that of a sample never is."""
    rng = np.random.default_rng(5)
    covered, n_trials = 0, 40
    for trial in range(n_trials):
        probabilities = rng.beta(0.5, 2.0, (150, 4))
        labels = rng.random((150, 4)) < probabilities
        groups = np.arange(150)
        result = paired_bootstrap(
            labels,
            {"true": probabilities},
            {"true": probabilities > 0.5},
            groups,
            n_resamples=200,
            seed=trial,
        )
        value, low, high = result.scores["true"]["macro_calibration_error"]
        assert low <= value <= high
        covered += low == 0
    assert covered / n_trials >= 0.85  # 0.95 less two standard errors, 0.03 each
    # Probabilities that are far too extreme are not excused.
    extreme = np.where(probabilities > 0.3, 1.0, 0.0)
    result = paired_bootstrap(
        labels, {"extreme": extreme}, {"extreme": extreme > 0.5}, groups
    )
    assert result.scores["extreme"]["macro_calibration_error"].low > 0.05


def test_the_number_of_averaged_classes_is_told() -> None:
    labels, probabilities, decisions, groups = example()
    labels = labels.copy()
    labels[:, 1] = False
    labels[:, 2] = True
    result = paired_bootstrap(labels, probabilities, decisions, groups, n_resamples=5)
    expected = {"auroc": 1, "average_precision": 1, "f1": 2, "calibration_error": 3}
    assert result.n_defined == result.to_dict()["n_defined"] == expected
    assert score(labels, probabilities["good"], 0.5).n_defined == expected
    text = "1 of 3 classes; F1: 2; calibration error: 3"
    assert result.averaged_over == text


def test_the_same_predictions_differ_by_exactly_0() -> None:
    labels, probabilities, decisions, groups = example(700, 300)
    result = paired_bootstrap(
        labels,
        {"one": probabilities["good"], "other": probabilities["good"].copy()},
        {"one": decisions["good"], "other": decisions["good"].copy()},
        groups,
        n_resamples=500,
    )
    assert (numbers(result.differences) == 0).all()
    assert (numbers(result.class_differences) == 0).all()
    assert result.scores["one"] == result.scores["other"]


def test_swapped_names_flip_the_signs() -> None:
    labels, probabilities, decisions, groups = example()
    forth = paired_bootstrap(labels, probabilities, decisions, groups, n_resamples=99)
    back = paired_bootstrap(
        labels,
        {name: probabilities[name] for name in ("poor", "good")},
        decisions,
        groups,
        n_resamples=99,
    )
    assert back.names == ("poor", "good")
    assert back.scores["good"] == forth.scores["good"]
    for name in SCORES:
        value, low, high = forth.differences["good", "poor"][name]
        expected = (-value, -high, -low)
        assert back.differences["poor", "good"][name] == pytest.approx(expected)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_rows_and_names_of_groups_do_not_matter(seed: int) -> None:
    labels, probabilities, decisions, groups = example(seed=seed)
    expected = paired_bootstrap(
        labels, probabilities, decisions, groups, n_resamples=40
    )
    rows = np.random.default_rng(seed).permutation(len(labels))
    moved = paired_bootstrap(
        labels[rows],
        {name: values[rows] for name, values in probabilities.items()},
        {name: values[rows] for name, values in decisions.items()},
        [f"patient {group:04}" for group in groups[rows]],  # sorts as the numbers do
        n_resamples=40,
    )
    np.testing.assert_allclose(all_numbers(moved), all_numbers(expected), atol=1e-12)


def test_the_first_resamples_do_not_depend_on_their_number() -> None:
    np.testing.assert_array_equal(
        draw_counts(7, 30, seed=1)[:, :9], draw_counts(7, 9, seed=1)
    )


def test_resamples_depend_on_the_seed() -> None:
    first, again, other = (
        all_numbers(paired_bootstrap(*example(), n_resamples=50, seed=seed))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_many_resamples_are_those_of_one_computation() -> None:
    """They are computed in blocks, three of them for so many resamples."""
    labels, probabilities, decisions, groups = example()
    result = paired_bootstrap(
        labels, probabilities, decisions, groups, n_resamples=5000
    )
    unique, group_of = np.unique(groups, return_inverse=True)
    weights = draw_counts(len(unique), 5000, seed=0)[group_of].astype(np.float64)
    for name in probabilities:
        resampled = weighted_scores(
            labels, probabilities[name], decisions[name], weights
        )
        low, middle, high = np.nanpercentile(resampled.overall, [2.5, 50, 97.5], axis=0)
        for column, score_name in enumerate(SCORES):
            value, *ends = result.scores[name][score_name]
            shift = value - middle[column]
            assert ends[1] == pytest.approx(min(high[column] + shift, 1.0))
            if score_name != "macro_calibration_error":  # begins further below
                assert ends[0] == pytest.approx(low[column] + shift)


def test_a_class_without_a_positive_is_nan_and_the_others_are_not() -> None:
    labels, probabilities, decisions, groups = example()
    labels = labels.copy()
    labels[:, 1] = False
    labels[:, 2] = np.arange(len(labels)) == 0  # one patient: often not drawn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = paired_bootstrap(
            labels, probabilities, decisions, groups, n_resamples=300
        )
    for name in ("auroc", "average_precision", "f1"):
        of_class = np.array(result.class_scores["good"][name])
        assert np.isnan(of_class[1]).all()
        assert np.isfinite(of_class[[0, 2]]).all()
    assert np.isfinite(numbers(result.scores)).all()
    assert np.isfinite(numbers(result.differences)).all()
    assert result.undefined[1] == 1.0
    assert result.undefined[2] == pytest.approx(np.exp(-1), abs=0.1)
    assert result.undefined[0] == 0.0
    as_json = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert as_json["class_scores"]["good"]["auroc"][1] == [None, None, None]
    [difference] = as_json["differences"]
    assert (difference["first"], difference["second"]) == ("good", "poor")
    estimate = Estimate(*difference["scores"]["macro_f1"])
    assert estimate == result.differences["good", "poor"]["macro_f1"]


def test_without_any_positive_ranking_scores_are_nan() -> None:
    labels, probabilities, decisions, groups = example()
    result = paired_bootstrap(
        np.zeros_like(labels), probabilities, decisions, groups, n_resamples=5
    )
    assert np.isnan(result.scores["good"]["macro_auroc"]).all()
    assert np.isfinite(result.scores["good"]["subset_accuracy"]).all()


def test_intervals_have_their_coverage_also_with_several_records_per_patient() -> None:
    """95 % intervals of the AUROC of two normal distributions one SD apart.

    Their AUROC is Phi(1 / sqrt(2)). Each patient has four equal records: if
    these were resampled as independent, intervals would be half as wide, with a
    coverage of two thirds at most.
    """
    truth = 0.7602499389065233
    rng = np.random.default_rng(8)
    n_trials, n_patients = 150, 80
    covered, covered_difference = 0, 0
    for trial in range(n_trials):
        labels = np.repeat(rng.random((n_patients, 1)) < 0.4, 4, axis=0)
        probabilities = {
            name: 1 / (1 + np.exp(-1.0 * labels - np.repeat(noise, 4, axis=0)))
            for name, noise in zip(
                "ab", rng.normal(size=(2, n_patients, 1)), strict=True
            )
        }
        result = paired_bootstrap(
            labels,
            probabilities,
            {name: values > 0.5 for name, values in probabilities.items()},
            np.repeat(np.arange(n_patients), 4),
            n_resamples=200,
            seed=trial,
        )
        _, low, high = result.class_scores["a"]["auroc"][0]
        covered += low <= truth <= high
        _, low, high = result.differences["a", "b"]["macro_auroc"]
        covered_difference += low <= 0 <= high
    # Four standard errors of a share of 0.95 of 150 are 0.07.
    assert 0.88 <= covered / n_trials <= 1.0
    assert 0.88 <= covered_difference / n_trials <= 1.0


def test_wrong_arguments_are_refused() -> None:
    labels, probabilities, decisions, groups = example()
    with pytest.raises(
        ValueError, match="probabilities of good, poor and decisions of g"
    ):
        paired_bootstrap(labels, probabilities, {"good": decisions["good"]}, groups)
    with pytest.raises(ValueError, match="probabilities of nothing"):
        paired_bootstrap(labels, {}, {}, groups)
    with pytest.raises(ValueError, match=r"groups has shape \(59,\), expected one for"):
        paired_bootstrap(labels, probabilities, decisions, groups[1:])
    with pytest.raises(ValueError, match="n_resamples is 0"):
        paired_bootstrap(labels, probabilities, decisions, groups, n_resamples=0)
    with pytest.raises(ValueError, match="level is 95, expected above 0 and below 1"):
        paired_bootstrap(labels, probabilities, decisions, groups, level=95)
    with pytest.raises(ValueError, match="probabilities of 'poor' has shape"):
        paired_bootstrap(
            labels, {**probabilities, "poor": labels[:4] * 0.5}, decisions, groups
        )


def test_several_trainings_count_as_their_mean() -> None:
    labels, probabilities, decisions, groups = example()
    single = paired_bootstrap(labels, probabilities, decisions, groups, n_resamples=50)
    result = paired_bootstrap(
        labels,
        {"mean": np.stack(list(probabilities.values())), "good": probabilities["good"]},
        {"mean": np.stack(list(decisions.values())), "good": decisions["good"]},
        groups,
        n_resamples=50,
    )
    for name in SCORES:
        values = [single.scores[of][name].value for of in ("good", "poor")]
        value = result.scores["mean"][name].value
        assert value == pytest.approx(np.mean(values))
        difference = result.differences["mean", "good"][name]
        expected = [end / 2 for end in single.differences["good", "poor"][name]]
        assert [-difference.value, -difference.high, -difference.low] == pytest.approx(
            expected
        )


def test_numbers_of_trainings_must_be_equal() -> None:
    labels, probabilities, decisions, groups = example()
    two, decided = np.stack([probabilities["good"]] * 2), decisions["good"]
    with pytest.raises(ValueError, match="probabilities of 2 and decisions of 1"):
        paired_bootstrap(labels, {"a": two}, {"a": decided}, groups)
