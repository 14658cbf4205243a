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


def bin_excess(
    labels: BoolArray,
    probabilities: FloatArray,
    weights: FloatArray,
    n_bins: int = N_BINS,
) -> FloatArray:
    """Return by how much the probabilities of each bin exceed the frequencies.

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
    ndarray of shape (n_weightings, n_classes, n_bins)
        Mean probability minus share of records with the class, times the bin's share of
        the records. The calibration error is the sum of the absolute values.
    """
    n_records, n_classes = labels.shape
    bins = probability_bins(probabilities, n_bins)
    excess = np.zeros((n_records, n_classes, n_bins))
    records, classes = np.indices(labels.shape)
    excess[records, classes, bins] = probabilities - labels
    # The share times the difference of the means is the difference of the sums.
    sums: FloatArray = (weights.T @ excess.reshape(n_records, -1)).reshape(
        -1, n_classes, n_bins
    )
    sums /= weights.sum(axis=0)[:, None, None]
    return sums


def calibration_error(excess: FloatArray) -> FloatArray:
    """Return the expected calibration error of each class.

    In each bin, the distance between the mean probability and the share of records with
    the class; averaged over the bins, weighted by their numbers of records (Guo et al.
    2017, *Proc. ICML*, PMLR 70:1321, applied to the probability of one class).

    Parameters
    ----------
    excess : ndarray of shape (n_weightings, n_classes, n_bins)
        Result of `bin_excess`.

    Returns
    -------
    ndarray of shape (n_weightings, n_classes)
        From 0 to 1. Random deviations make it larger, the more so the fewer records.

    Examples
    --------
    >>> labels, probabilities = np.array([[True], [False]]), np.full((2, 1), 0.75)
    >>> calibration_error(bin_excess(labels, probabilities, np.ones((2, 1))))
    array([[0.25]])
    """
    error: FloatArray = np.abs(excess).sum(axis=2)
    return error


def calibration_deviation(
    labels: BoolArray, probabilities: FloatArray, excess: FloatArray
) -> FloatArray:
    """Return the distance between weighted records and the records themselves.

    Calibration errors are lengths (sums of absolute values) of the vectors of
    `bin_excess`. By the triangle inequality, two of them differ by no more than the
    length of the difference of the vectors, which is returned here.

    Parameters
    ----------
    labels, probabilities : ndarray of shape (n_records, n_classes)
    excess : ndarray of shape (n_weightings, n_classes, n_bins)
        Result of `bin_excess` under every weighting.

    Returns
    -------
    ndarray of shape (n_weightings, n_classes)
        0 where the weighting changes nothing.

    Examples
    --------
    >>> labels, probabilities = np.array([[True], [False]]), np.full((2, 1), 0.75)
    >>> excess = bin_excess(labels, probabilities, np.array([[1.0, 2.0], [1.0, 0.0]]))
    >>> calibration_deviation(labels, probabilities, excess)
    array([[0. ],
           [0.5]])
    """
    once = bin_excess(labels, probabilities, np.ones((len(labels), 1)), excess.shape[2])
    return calibration_error(excess - once)


def chance_error(probabilities: FloatArray, n_bins: int = N_BINS) -> FloatArray:
    """Return the calibration error that perfect probabilities have on average.

    If every record has a class with its probability p, the excess of a bin is a sum of
    independent differences with variances p (1 - p), over the number of records; its
    mean absolute value is the root of 2 / pi times its standard deviation, as of a
    normal distribution, which it is close to in bins of many records.

    Parameters
    ----------
    probabilities : ndarray of shape (n_records, n_classes)
    n_bins : int
        Number of bins of equal width.

    Returns
    -------
    ndarray of shape (n_classes,)
        It falls with the root of the number of records.

    Examples
    --------
    >>> chance_error(np.full((200, 1), 0.5)).round(3)
    array([0.028])
    """
    bins = probability_bins(probabilities, n_bins)
    variance = probabilities * (1 - probabilities)
    deviations = [
        np.sqrt(np.where(bins == number, variance, 0).sum(axis=0))
        for number in range(n_bins)
    ]
    error: FloatArray = np.sqrt(2 / np.pi) * np.sum(deviations, axis=0)
    return error / len(probabilities)
