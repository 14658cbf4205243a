"""Features of the RR intervals, the times between successive beats."""

import math
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features.rr import _kernels as kernels

CONVENTIONS: Final = {"neurokit": (1, 0), "mietus": (1, 1), "prototype": (0, 1)}
"""Numbers subtracted from N in the divisors of standard deviations, and of pNNx.

N is the number of intervals. ``"neurokit"`` is `neurokit2.hrv_time`: N - 1 and N.
``"mietus"`` divides the number of large differences by the number of differences, N - 1
(Mietus et al. 2002, and PhysioNet's software). ``"prototype"`` is the research code
before this package: N for (population) standard deviations, and N - 1 for pNNx.
"""


def rr_features(
    r_peaks: IntArray, fs: float, convention: str = "neurokit"
) -> FloatArray:
    """Return the RR-interval features of one series of beats.

    Parameters
    ----------
    r_peaks : ndarray of shape (n_beats,)
        Sample indices of the beats, strictly increasing.
    fs : float
        Sampling rate in Hz.
    convention : {"neurokit", "mietus", "prototype"}
        Divisors, see `CONVENTIONS`.

    Returns
    -------
    ndarray of shape (n_features,)
        The features of `ecgstore.features.rr.definitions.RR`, in that order, float64;
        NaN where undefined.

    Raises
    ------
    ValueError
        If `r_peaks` is not strictly increasing, or the sampling rate or the convention
        is invalid.

    Notes
    -----
    Without an interval, all features except the counts are NaN. With one interval,
    location and extremes are defined, and the median absolute deviation is 0. SDSD,
    SD1, SD2 and the turning point ratio need three. SDNN / RMSSD is NaN where RMSSD is
    0. With the convention ``"neurokit"``, the features that `neurokit2.hrv_time` has as
    well equal its values within 1e-9 (relative where the value is above 1); pNNx is a
    ratio here and a percentage there. HTI is equal for series of 20 minutes and more,
    and NaN for shorter ones; TINN differs, because NeuroKit2 searches one flank only.

    Examples
    --------
    >>> from ecgstore.features.rr.definitions import RR
    >>> values = rr_features(np.array([0, 400, 800, 1225]), 500.0)
    >>> dict(zip((feature.name for feature in RR.features), values))["max_rr_ms"].item()
    850.0
    """
    ddof, pnn_ddof = _divisors(fs, convention)
    r_peaks = np.ascontiguousarray(r_peaks, np.int64)
    n_bins = kernels.n_bins_needed(r_peaks, fs)
    if n_bins < 0:
        raise ValueError("r_peaks must be strictly increasing")
    row = np.empty(kernels.N_FEATURES)
    kernels.features_of_series(
        r_peaks,
        fs,
        ddof,
        pnn_ddof,
        np.empty((3, len(r_peaks))),
        np.empty(n_bins, np.int64),
        row,
    )
    return row


def _divisors(fs: float, convention: str) -> tuple[int, int]:
    """Check the options; return the numbers that the convention subtracts from N."""
    if not 0 < fs < math.inf:
        raise ValueError(f"fs is {fs!r}; expected a sampling rate in Hz")
    if convention not in CONVENTIONS:
        raise ValueError(
            f"convention is {convention!r}; expected one of {', '.join(CONVENTIONS)}"
        )
    return CONVENTIONS[convention]
