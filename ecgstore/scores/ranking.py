"""Scores of the order of the records by probability: AUROC and average precision."""

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray


def ranking_scores(
    labels: BoolArray, probabilities: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the area under the ROC curve and the average precision of each class.

    Both follow from one sorting of the records, which takes most of the time.

    Parameters
    ----------
    labels : ndarray of shape (n_records, n_classes)
    probabilities : ndarray of shape (n_records, n_classes)
        Only their order matters.
    weights : ndarray of shape (n_records, n_weightings)
        How often each record counts.

    Returns
    -------
    auroc : ndarray of shape (n_weightings, n_classes)
        Area under the ROC curve by the trapezoidal rule: the share of pairs of a
        record with and a record without the class that are in the right order, ties
        counting half (Hanley and McNeil 1982, *Radiology* 143:29).
    average_precision : ndarray of shape (n_weightings, n_classes)
        Sum over the thresholds of the gain in recall times the precision, without
        interpolation (Davis and Goadrich 2006, *Proc. ICML*, 233); records of equal
        probability share a threshold.

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
    """Return both scores of one class under every weighting."""
    n_negative = weights.T @ ~positive
    order = np.argsort(-probability, kind="stable")
    falling, positive = probability[order], positive[order]
    # Thresholds lie between different probabilities only, and only those that gain a
    # positive add to the scores: most classes are rare, so these are few.
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
    n_positives = np.cumsum(positive)
    true = np.cumsum(ordered[positive], axis=0)[n_positives[ends - 1] - 1]
    true_before = np.vstack([np.zeros_like(true[:1]), true[:-1]])
    gain = true - true_before
    false = ((accepted - true) + (before - true_before)) / 2  # ties count half
    total = true[-1]
    defined = (total > 0) & (n_negative > 0)

    area = (gain * (n_negative - false)).sum(axis=0)
    # Where no accepted record counts yet, precision is 0 / 0, and the gain is 0.
    precision = np.divide(true, accepted, out=accepted, where=accepted > 0)
    np.divide(area, total * n_negative, out=auroc, where=defined)
    np.divide(
        (gain * precision).sum(axis=0), total, out=average_precision, where=defined
    )
    return auroc, average_precision
