"""Weights of rare classes for a loss."""

from typing import Final

import numpy as np

from ecgstore.arrays import Float32Array, IntArray, UInt8Array

LARGEST_WEIGHT: Final = 10.0


def class_weights(labels: UInt8Array | IntArray) -> Float32Array:
    """Return the weight of positives of each class relative to negatives.

    Parameters
    ----------
    labels : ndarray of shape (n_records, n_classes)
        Labels of the training records.

    Returns
    -------
    ndarray of shape (n_classes,)
        The square root of negatives / positives, clipped to 1 to 10; 1 for a class
        without positives. With the ratio itself, the few positives of a rare class
        would dominate the loss.

    Examples
    --------
    >>> class_weights(np.array([[1, 1], [0, 1], [0, 1], [0, 1], [0, 0]], np.uint8))
    array([2., 1.], dtype=float32)
    """
    positives = labels.sum(axis=0, dtype=np.float64)
    ratio = (len(labels) - positives) / np.maximum(positives, 1)
    weights = np.clip(np.sqrt(ratio), 1, LARGEST_WEIGHT)
    return np.where(positives, weights, 1).astype(np.float32)
