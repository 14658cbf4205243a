"""How much a model and the labels disagree."""

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray, IntArray


def disagreement_scores(
    logits: Float32Array, thresholds: FloatArray, labels: IntArray
) -> FloatArray:
    """Return how far a model is on the other side of its thresholds than the labels.

    Parameters
    ----------
    logits : ndarray of shape (n_records, n_classes)
        Log odds; NaN in records that are not predicted yet.
    thresholds : ndarray of shape (n_classes,)
        Probabilities from which on a class is predicted.
    labels : ndarray of shape (n_records, n_classes)
        1 where a record is in a class.

    Returns
    -------
    ndarray of shape (n_records,)
        Log odds of the class that disagrees most: above 0 where one disagrees; NaN
        without a prediction.

    Examples
    --------
    >>> labels = np.array([[1, 0], [1, 0]])
    >>> disagreement_scores(np.array([[2, -3], [-1, 1.5]]), np.full(2, 0.5), labels)
    array([-2. ,  1.5])
    """
    with np.errstate(divide="ignore"):
        limits = np.log(thresholds) - np.log1p(-thresholds)
    beyond = logits - limits
    scores: FloatArray = np.where(labels != 0, -beyond, beyond).max(axis=1)
    return scores
