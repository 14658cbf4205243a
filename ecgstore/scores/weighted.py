"""Multi-label scores under many weightings of the same records at once.

A weighting says how often each record counts. The bootstrap has one for every resample,
plain scores have one in which every record counts once: all scores of `ecgstore.models`
come from here. A record that counts twice gives what the same record given twice does.

The functions trust their callers: probabilities are finite and from 0 to 1.
"""

from typing import Final, NamedTuple

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray

SCORES: Final = (
    "macro_auroc",
    "macro_average_precision",
    "macro_f1",
    "subset_accuracy",
    "macro_calibration_error",
)
"""The scores of a whole table of predictions."""

CLASS_SCORES: Final = ("auroc", "average_precision", "f1", "calibration_error")
"""The scores of one class."""

N_BINS: Final = 10
"""Bins of the calibration error."""


class WeightedScores(NamedTuple):
    """All scores under every weighting.

    Attributes
    ----------
    whole : ndarray of shape (n_weightings, 5)
        The scores named in `SCORES`, in this order.
    by_class : ndarray of shape (n_weightings, 4, n_classes)
        Those named in `CLASS_SCORES`; NaN where undefined.
    """

    whole: FloatArray
    by_class: FloatArray


def weighted_scores(
    labels: BoolArray,
    probabilities: FloatArray,
    decisions: BoolArray,
    weights: FloatArray,
) -> WeightedScores:
    """Return all scores of one table of predictions under every weighting.

    Parameters
    ----------
    labels, decisions : ndarray of shape (n_records, n_classes)
        Which classes each record has, and which it was said to have.
    probabilities : ndarray of shape (n_records, n_classes)
        How likely it was said to have them.
    weights : ndarray of shape (n_records, n_weightings)
        How often each record counts; 0 or more, and not all of them 0.
    """
    auroc, average_precision = ranking_scores(labels, probabilities, weights)
    by_class = np.stack(
        [
            auroc,
            average_precision,
            f1(labels, decisions, weights),
            calibration_error(labels, probabilities, weights, N_BINS),
        ],
        axis=1,
    )  # (n_weightings, 4, n_classes)
    macro = macro_average(by_class)  # (n_weightings, 4)
    whole = np.insert(macro, 3, subset_accuracy(labels, decisions, weights), axis=1)
    return WeightedScores(whole, by_class)


def macro_average(by_class: FloatArray) -> FloatArray:
    """Return the mean over the classes that are defined, NaN if none is.

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


def ranking_scores(
    labels: BoolArray, probabilities: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the area under the ROC curve and the average precision.

    Parameters
    ----------
    labels : ndarray of shape (n_records, n_classes)
    probabilities : ndarray of shape (n_records, n_classes)
        Only their order counts.
    weights : ndarray of shape (n_records, n_weightings)

    Returns
    -------
    auroc : ndarray of shape (n_weightings, n_classes)
        Area under the ROC curve by the trapezoidal rule: the share of pairs of a
        record with and a record without the class that are in the right order, ties
        counting half (Hanley and McNeil 1982, *Radiology* 143:29).
    average_precision : ndarray of shape (n_weightings, n_classes)
        Sum over the thresholds of the gain in recall times the precision, without
        interpolation (Davis and Goadrich 2006, *Proc. ICML*, 233); records of equal
        probability are one threshold.

    Both are NaN where no record with the class counts, or none without it.
    """
    scores = [
        _ranking_scores_of_class(positive, probability, weights)
        for positive, probability in zip(labels.T, probabilities.T, strict=True)
    ]
    auroc, average_precision = zip(*scores, strict=True)
    return np.stack(auroc, axis=1), np.stack(average_precision, axis=1)


def _ranking_scores_of_class(
    positive: BoolArray, probability: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return one class's two scores under every weighting."""
    n_negative = weights.T @ ~positive
    order = np.argsort(-probability, kind="stable")
    falling, positive = probability[order], positive[order]
    # A threshold lies between different probabilities only, and only where a positive
    # is gained do the scores gain: most classes are rare, so that these are few.
    is_first = np.append(True, falling[1:] != falling[:-1])
    begins = np.flatnonzero(is_first)
    steps = np.unique((np.cumsum(is_first) - 1)[positive])
    auroc, average_precision = np.full((2, weights.shape[1]), np.nan)
    if not len(steps):
        return auroc, average_precision
    ends = np.append(begins[1:], len(order))[steps]
    begins = begins[steps]

    ordered = weights[order]  # (n_records, n_weightings)
    accepted = np.cumsum(ordered, axis=0)
    before = np.where(begins[:, None] > 0, accepted[begins - 1], 0.0)
    accepted = accepted[ends - 1]  # (n_steps, n_weightings)
    n_found = np.cumsum(positive)
    true = np.cumsum(ordered[positive], axis=0)[n_found[ends - 1] - 1]
    true_before = np.vstack([np.zeros_like(true[:1]), true[:-1]])
    gain = true - true_before
    false = ((accepted - true) + (before - true_before)) / 2  # ties count half
    n_positive = true[-1]
    defined = (n_positive > 0) & (n_negative > 0)

    area = (gain * (n_negative - false)).sum(axis=0)
    # Where nothing counts yet, precision is 0 / 0; nothing is gained there either.
    precision = np.divide(true, accepted, out=accepted, where=accepted > 0)
    np.divide(area, n_positive * n_negative, out=auroc, where=defined)
    np.divide(
        (gain * precision).sum(axis=0), n_positive, out=average_precision, where=defined
    )
    return auroc, average_precision


def f1(labels: BoolArray, decisions: BoolArray, weights: FloatArray) -> FloatArray:
    """Return F1, 2 TP / (2 TP + FP + FN), of shape (n_weightings, n_classes).

    It is NaN where no record with the class counts: it would be 0 there, however few
    the false alarms, and say nothing about the decisions.
    """
    n_both = weights.T @ (labels & decisions)
    n_true = weights.T @ labels
    n_decided = weights.T @ decisions
    score: FloatArray = np.full(n_both.shape, np.nan)
    np.divide(2 * n_both, n_true + n_decided, out=score, where=n_true > 0)
    return score


def subset_accuracy(
    labels: BoolArray, decisions: BoolArray, weights: FloatArray
) -> FloatArray:
    """Return the share of records with every class right, (n_weightings,)."""
    right = (labels == decisions).all(axis=1)
    share: FloatArray = weights.T @ right / weights.sum(axis=0)
    return share


def calibration_error(
    labels: BoolArray, probabilities: FloatArray, weights: FloatArray, n_bins: int
) -> FloatArray:
    """Return the expected calibration error, of shape (n_weightings, n_classes).

    Bins of equal width; in each, the distance between the mean probability and the
    share of records with the class, weighted by how many records are in the bin (Guo
    et al. 2017, *Proc. ICML*, PMLR 70:1321, for the probability of one class).
    """
    n_records, n_classes = labels.shape
    bins = np.minimum((probabilities * n_bins).astype(np.int64), n_bins - 1)
    excess = np.zeros((n_records, n_classes, n_bins))
    records, classes = np.indices(labels.shape)
    excess[records, classes, bins] = probabilities - labels
    # Weight times distance of the means is the distance of the sums.
    distances = np.abs(weights.T @ excess.reshape(n_records, -1)).reshape(
        -1, n_classes, n_bins
    )
    error: FloatArray = distances.sum(axis=2) / weights.sum(axis=0)[:, None]
    return error
