"""Scores of predicted numbers, with intervals from a bootstrap over patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.scores.bootstrap import (
    Estimate,
    as_json,
    draw_counts,
    record_weights,
    with_interval,
)

REGRESSION_HEADINGS: Final[Mapping[str, str]] = {
    "mae": "mean absolute error (lower is better)",
    "r2": "R2",
    "pearson": "correlation",
}
"""The scores of a target and their headings in tables."""

_LOWEST: Final = np.array([0.0, -np.inf, -1.0])
_HIGHEST: Final = np.array([np.inf, 1.0, 1.0])
"""Ranges of the scores, in their order."""

_LEAST_VARIANCE: Final = 1e-12
"""Share of the variance of all records below which numbers do not vary but by rounding;
R2 and the correlation are then undefined."""


@dataclass(frozen=True, slots=True, eq=False)
class RegressionResult:
    """Scores of predicted targets, with intervals.

    Attributes
    ----------
    names : tuple of str
        Names of the targets.
    n_known : tuple of int
        Number of records with a value of each target.
    n_groups : tuple of int
        Number of groups (patients) of these records.
    n_resamples : int
        Number of resamples of the groups.
    level : float
        Confidence level of the intervals.
    scores : tuple of Mapping
        Of each target, an Estimate by score (`REGRESSION_HEADINGS`): the mean absolute
        error in the unit of the target, R2 (1 - squared errors / squared deviations
        from the mean) and Pearson's correlation; NaN where undefined.
    """

    names: tuple[str, ...]
    n_known: tuple[int, ...]
    n_groups: tuple[int, ...]
    n_resamples: int
    level: float
    scores: tuple[Mapping[str, Estimate], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result for JSON: estimates as lists, None for NaN."""
        return {
            "n_resamples": self.n_resamples,
            "level": self.level,
            "targets": {
                name: {"n_known": n, "n_groups": n_groups, "scores": as_json(scores)}
                for name, n, n_groups, scores in zip(
                    self.names, self.n_known, self.n_groups, self.scores, strict=True
                )
            },
        }


def regression_bootstrap(
    names: Sequence[str],
    values: ArrayLike,
    predictions: ArrayLike,
    groups: ArrayLike,
    *,
    n_resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> RegressionResult:
    """Return the scores of predicted targets with bootstrap intervals.

    Intervals are those of `ecgstore.scores.bootstrap.paired_bootstrap`, of the records
    with a value of the target and their patients.

    Parameters
    ----------
    names : sequence of str
        Names of the targets.
    values : array_like of shape (n_records, n_targets)
        True values; NaN where missing.
    predictions : array_like of shape (n_records, n_targets)
        Predicted values, finite.
    groups : array_like of shape (n_records,)
        Patient of each record; see `paired_bootstrap`.
    n_resamples, seed, level
        See `paired_bootstrap`.

    Raises
    ------
    ValueError
        If shapes differ, or a prediction is not finite.

    Examples
    --------
    >>> result = regression_bootstrap(
    ...     ["age"], [[40.0], [50.0], [60.0]], [[41.0], [52.0], [63.0]], [1, 2, 3]
    ... )
    >>> result.scores[0]["mae"].value, round(result.scores[0]["r2"].value, 2)
    (2.0, 0.93)
    """
    true, predicted = (np.asarray(array, np.float64) for array in (values, predictions))
    owner = np.asarray(groups)
    if true.shape != predicted.shape or true.shape != (len(owner), len(names)):
        raise ValueError(
            f"values have shape {true.shape}, predictions {predicted.shape}; expected "
            f"({len(owner)}, {len(names)}): a row for each of the groups, a column for "
            "each name"
        )
    if not np.isfinite(predicted).all():
        raise ValueError("a prediction is not finite; expected numbers")
    results = []
    for of_target, of_prediction in zip(true.T, predicted.T, strict=True):
        known = np.isfinite(of_target)
        unique, group_of = np.unique(owner[known], return_inverse=True)
        counts = draw_counts(len(unique), n_resamples, seed)
        estimates = _estimates(
            of_target[known], of_prediction[known], group_of, counts, level
        )
        results.append((int(known.sum()), len(unique), estimates))
    return RegressionResult(
        names=tuple(names),
        n_known=tuple(n for n, _, _ in results),
        n_groups=tuple(n for _, n, _ in results),
        n_resamples=n_resamples,
        level=level,
        scores=tuple(estimates for _, _, estimates in results),
    )


def _estimates(
    true: FloatArray,
    predicted: FloatArray,
    group_of: IntArray,
    counts: IntArray,
    level: float,
) -> dict[str, Estimate]:
    """Return the estimates of one target by score; NaN if no record has a value."""
    if not len(true):
        return {name: Estimate(np.nan, np.nan, np.nan) for name in REGRESSION_HEADINGS}
    value = regression_scores(true, predicted, np.ones((len(true), 1)))
    resampled = np.concatenate(
        [
            regression_scores(true, predicted, weights)
            for weights in record_weights(group_of, counts)
        ]
    )
    ends = with_interval(
        value, resampled, np.zeros_like(resampled), level, _LOWEST, _HIGHEST
    )  # (3, n_scores)
    return {
        name: Estimate(*numbers)
        for name, numbers in zip(REGRESSION_HEADINGS, ends.T.tolist(), strict=True)
    }


def regression_scores(
    true: FloatArray, predicted: FloatArray, weights: FloatArray
) -> FloatArray:
    """Return the scores of a target under weightings of its records.

    Parameters
    ----------
    true, predicted : ndarray of shape (n_records,)
        True and predicted values, finite.
    weights : ndarray of shape (n_records, n_weightings)
        How often each record counts; 0 or more, and not 0 for all records.

    Returns
    -------
    ndarray of shape (n_weightings, 3)
        In the order of `REGRESSION_HEADINGS`; NaN where undefined.
    """
    # Sums of squares lose no digits about the mean of all records.
    x, y = true - true.mean(), predicted - predicted.mean()
    error = predicted - true
    columns = np.stack([x, y, x * x, y * y, x * y, error**2, np.abs(error)], axis=1)
    means = weights.T @ columns / weights.sum(axis=0)[:, np.newaxis]
    mean_x, mean_y, xx, yy, xy, squared, absolute = means.T
    variances = np.stack([xx - mean_x**2, yy - mean_y**2])
    least = _LEAST_VARIANCE * np.array([[np.mean(x * x)], [np.mean(y * y)]])
    variances[variances <= least] = np.nan
    pearson = (xy - mean_x * mean_y) / np.sqrt(variances[0] * variances[1])
    return np.stack([absolute, 1 - squared / variances[0], pearson], axis=1)
