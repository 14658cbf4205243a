"""All scores of a set of predictions, under many weightings of the records at once."""

from typing import NamedTuple

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.scores.table import SCORE_TABLE, WeightedPredictions


class WeightedScores(NamedTuple):
    """All scores under every weighting.

    Attributes
    ----------
    overall : ndarray of shape (n_weightings, n_scores)
        The scores of all records, in the order of `SCORES`.
    by_class : ndarray of shape (n_weightings, n_class_scores, n_classes)
        The scores of each class, in the order of `CLASS_SCORES`; NaN where undefined.
    overall_deviation, class_deviation : ndarray of the same shapes
        See `ecgstore.scores.table.Score.deviation`; 0 for scores without.
    """

    overall: FloatArray
    by_class: FloatArray
    overall_deviation: FloatArray
    class_deviation: FloatArray


def weighted_scores(
    labels: BoolArray,
    probabilities: FloatArray,
    decisions: BoolArray,
    weights: FloatArray,
) -> WeightedScores:
    """Return all scores under every weighting.

    Parameters are those of `ecgstore.scores.table.WeightedPredictions`.
    """
    predictions = WeightedPredictions(labels, probabilities, decisions, weights)
    values = [row.function(predictions) for row in SCORE_TABLE]
    by_class = np.stack(
        [
            value
            for row, value in zip(SCORE_TABLE, values, strict=True)
            if row.per_class
        ],
        axis=1,
    )  # (n_weightings, n_class_scores, n_classes)
    averages = iter(macro_average(by_class).T)
    overall = [
        next(averages) if row.per_class else value
        for row, value in zip(SCORE_TABLE, values, strict=True)
    ]
    deviations = [
        np.zeros_like(value) if row.deviation is None else row.deviation(predictions)
        for row, value in zip(SCORE_TABLE, values, strict=True)
    ]
    return WeightedScores(
        np.stack(overall, axis=1),
        by_class,
        np.stack(
            [
                deviation.mean(axis=1) if row.per_class else deviation
                for row, deviation in zip(SCORE_TABLE, deviations, strict=True)
            ],
            axis=1,
        ),
        np.stack(
            [
                deviation
                for row, deviation in zip(SCORE_TABLE, deviations, strict=True)
                if row.per_class
            ],
            axis=1,
        ),
    )


def macro_average(by_class: FloatArray) -> FloatArray:
    """Return the mean over the classes for which a score is defined, NaN if for none.

    Parameters
    ----------
    by_class : ndarray of shape (..., n_classes)

    Examples
    --------
    >>> macro_average(np.array([[0.5, 1.0, np.nan], [np.nan, np.nan, np.nan]]))
    array([0.75,  nan])
    """
    defined = ~np.isnan(by_class)
    n_defined = defined.sum(axis=-1)
    total = np.where(defined, by_class, 0.0).sum(axis=-1)
    mean: FloatArray = np.full(total.shape, np.nan)
    np.divide(total, n_defined, out=mean, where=n_defined > 0)
    return mean
