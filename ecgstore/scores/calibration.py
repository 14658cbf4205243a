"""Calibration error: the distance of probabilities from observed frequencies."""

from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray, IntArray

N_BINS: Final = 10
"""Number of bins of the calibration error."""


def probability_bins(probabilities: FloatArray, n_bins: int) -> IntArray:
    """Return the bin of each probability, of `n_bins` bins of equal width from 0 to 1.

    Examples
    --------
    >>> probability_bins(np.array([0.0, 0.19, 0.5, 1.0]), 10)
    array([0, 1, 5, 9])
    """
    return np.minimum((probabilities * n_bins).astype(np.int64), n_bins - 1)


def calibration_error(
    labels: BoolArray,
    probabilities: FloatArray,
    weights: FloatArray,
    n_bins: int = N_BINS,
) -> FloatArray:
    """Return the expected calibration error of each class.

    In each bin, the distance between the mean probability and the share of records with
    the class; averaged over the bins, weighted by their numbers of records (Guo et al.
    2017, *Proc. ICML*, PMLR 70:1321, applied to the probability of one class).

    Parameters
    ----------
    labels, probabilities : ndarray of shape (n_records, n_classes)
    weights : ndarray of shape (n_records, n_weightings)
        How often each record counts.
    n_bins : int
        Number of bins of equal width. For a rare class nearly all records are in the
        lowest bin, where the error only compares the expected with the observed number
        of positives. Bins of equal numbers of records would be finer there, but they
        would differ between resamples, which could then not be compared.

    Returns
    -------
    ndarray of shape (n_weightings, n_classes)
        From 0 to 1. Random deviations make it larger, the more so the fewer records.

    Examples
    --------
    >>> labels, probabilities = np.array([[True], [False]]), np.full((2, 1), 0.75)
    >>> calibration_error(labels, probabilities, np.ones((2, 1)))
    array([[0.25]])
    """
    n_records, n_classes = labels.shape
    bins = probability_bins(probabilities, n_bins)
    excess = np.zeros((n_records, n_classes, n_bins))
    records, classes = np.indices(labels.shape)
    excess[records, classes, bins] = probabilities - labels
    # Weight times the distance of the means is the distance of the sums.
    distances = np.abs(weights.T @ excess.reshape(n_records, -1)).reshape(
        -1, n_classes, n_bins
    )
    error: FloatArray = distances.sum(axis=2) / weights.sum(axis=0)[:, None]
    return error
