"""Choose decision thresholds: the probabilities at which classes are predicted."""

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.scores.label_arrays import as_labels, as_probabilities


def f1_thresholds(labels: ArrayLike, probabilities: ArrayLike) -> FloatArray:
    """Return the threshold of each class with the best F1 on these records.

    Parameters
    ----------
    labels : array_like of shape (n_records, n_classes)
        Which classes each record has, as bool or as 0 and 1.
    probabilities : array_like of shape (n_records, n_classes)
        Predicted probabilities of the classes.

    Returns
    -------
    ndarray of shape (n_classes,)
        The decision is positive where the probability is at least the threshold, which
        lies half-way between the lowest probability with a positive decision and the
        next lower one. Of several thresholds with the same F1 it is the highest. 0.5
        where no record has the class.

    Raises
    ------
    ValueError
        If the shapes differ, or values are out of range.

    Examples
    --------
    >>> f1_thresholds([[1, 0], [1, 0], [0, 0]], [[0.9, 0.9], [0.4, 0.3], [0.2, 0.1]])
    array([0.3, 0.5])
    """
    true = as_labels(labels, "labels")
    predicted = as_probabilities(probabilities, "probabilities", true.shape)
    return np.array(
        [
            _best_threshold(positive, probability)
            for positive, probability in zip(true.T, predicted.T, strict=True)
        ]
    )


def _best_threshold(positive: BoolArray, probability: FloatArray) -> float:
    """Return the best threshold of one class."""
    if not positive.any():
        return 0.5
    order = np.argsort(-probability, kind="stable")
    falling = probability[order]
    ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    n_true = np.cumsum(positive[order])[ends]
    # 2 TP + FP + FN is the number of positive decisions plus that of positive labels.
    best = int(np.argmax(2 * n_true / (ends + 1 + positive.sum())))
    lowest = float(falling[ends[best]])
    below = float(falling[ends[best + 1]]) if best + 1 < len(ends) else 0.0
    middle = (lowest + below) / 2
    return middle if middle > below else lowest  # no number lies between neighbours
