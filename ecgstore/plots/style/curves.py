"""Centre a curve on its median."""

import numpy as np

from ecgstore.arrays import FloatArray


def centred(curve: FloatArray) -> FloatArray:
    """Return a curve minus its median, with NaN for infinite values.

    Parameters
    ----------
    curve : ndarray of shape (n_samples,)
        Voltages in mV.

    Examples
    --------
    >>> centred(np.array([1.0, 2.0, np.inf, 6.0]))
    array([-1.,  0., nan,  4.])
    """
    real = np.isfinite(curve)
    if not real.any():
        return np.full(curve.shape, np.nan)
    return np.where(real, curve - np.median(curve[real]), np.nan)
