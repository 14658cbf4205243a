"""Scores of numbers equal those of scikit-learn and SciPy on repeated records."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, r2_score

from ecgstore.scores.bootstrap import draw_counts
from ecgstore.scores.regression import regression_bootstrap, regression_scores


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(3, 40),
    offset=st.sampled_from([0.0, 1e4]),
)
def test_scores_are_those_of_repeated_records(seed: int, n: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    true = rng.normal(offset, 3, n)
    predicted = true / 2 + offset / 2 + rng.normal(0, 1, n)
    counts = rng.integers(0, 4, (n, 3))
    counts[:3] = 1
    scores = regression_scores(true, predicted, counts.astype(float))
    for of_weighting, count in zip(scores, counts.T, strict=True):
        x, y = np.repeat(true, count), np.repeat(predicted, count)
        expected = [mean_absolute_error(x, y), r2_score(x, y), pearsonr(x, y)[0]]
        np.testing.assert_allclose(of_weighting, expected, rtol=1e-6, atol=1e-9)


def data(n: int = 60) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    age = rng.uniform(20, 80, n)
    values = np.stack([age, np.where(np.arange(n) % 3, np.nan, age)], axis=1)
    return {
        "values": values,
        "predictions": np.stack([age, age], axis=1) + rng.normal(0, 5, (n, 2)),
        "groups": np.arange(n) // 2,
    }


def test_intervals_contain_their_values_and_stay_in_their_ranges() -> None:
    result = regression_bootstrap(["age", "some"], **data(), n_resamples=200)
    assert result.n_known == (60, 20)
    assert result.n_groups == (30, 20)
    for scores in result.scores:
        for value, low, high in scores.values():
            assert low <= value <= high
        assert scores["mae"].low > 2
        assert scores["mae"].high > 3  # no share: more than 1
        assert max(scores["r2"].high, scores["pearson"].high) <= 1
    again = regression_bootstrap(["age", "some"], **data(), n_resamples=200)
    assert again.to_dict() == result.to_dict()


def test_missing_records_have_no_effect() -> None:
    given_data = data()
    known = np.isfinite(given_data["values"][:, 1])
    alone = {name: array[known] for name, array in given_data.items()}
    first = regression_bootstrap(["age", "some"], **given_data, n_resamples=50)
    second = regression_bootstrap(["age", "some"], **alone, n_resamples=50)
    assert first.scores[1] == second.scores[1]


def test_patients_are_resampled_with_all_their_records() -> None:
    given_data = data()
    result = regression_bootstrap(["age", "some"], **given_data, n_resamples=300)
    counts = draw_counts(30, 300, seed=0)[given_data["groups"]].astype(float)
    true, predicted = given_data["values"][:, 0], given_data["predictions"][:, 0]
    low, middle, high = np.quantile(
        regression_scores(true, predicted, counts)[:, 0], [0.025, 0.5, 0.975]
    )
    value = float(np.abs(predicted - true).mean())
    expected = (value, low - (middle - value), high - (middle - value))
    np.testing.assert_allclose(result.scores[0]["mae"], expected)


def test_undefined_scores() -> None:
    result = regression_bootstrap(
        ["same", "none"],
        [[5.0, np.nan]] * 4,
        [[4.0, 1.0], [6.0, 1.0], [4.0, 1.0], [6.0, 1.0]],
        range(4),
        n_resamples=10,
    )
    same, none = result.scores
    assert same["mae"].value == 1
    assert np.isnan([*same["r2"], *same["pearson"], *none["mae"]]).all()
    assert result.to_dict()["targets"]["none"]["scores"]["mae"] == [None, None, None]


def test_wrong_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values have shape \(1, 1\), predictions"):
        regression_bootstrap(["a"], [[1.0]], [[1.0], [2.0]], [1, 2])
    with pytest.raises(ValueError, match="not finite"):
        regression_bootstrap(["a"], [[1.0]], [[np.nan]], [1])
