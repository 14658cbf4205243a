"""Features of the RR intervals, the times between successive beats."""

import math
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features.rr import _kernels as kernels

CONVENTIONS: Final = {"neurokit": (1, 0), "mietus": (1, 1), "prototype": (0, 1)}
"""What is taken off the divisors of standard deviations, and of pNNx.

``"neurokit"`` is `neurokit2.hrv_time`: N - 1 and N for N intervals. ``"mietus"``
divides the number of large differences by the number of differences, N - 1 (Mietus et
al. 2002, and PhysioNet's software). ``"prototype"`` is the research code before this
package: standard deviations of the whole population, N, and N - 1 for pNNx.
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
        The features that `ecgstore.features.table.RR_FEATURES` names and defines, in
        that order, float64; NaN where undefined.

    Raises
    ------
    ValueError
        If `r_peaks` is not strictly increasing, or the sampling rate or the convention
        is unknown.

    Notes
    -----
    With no interval everything but the counts is NaN; with one, location and extremes
    are defined and the median absolute deviation is 0; SDSD, SD1, SD2 and the turning
    point ratio need three; SDNN / RMSSD is NaN where RMSSD is 0. With the convention
    ``"neurokit"`` the 18 features that `neurokit2.hrv_time` also has are equal to its
    within 1e-9 (of the value, where that is above 1), but pNNx, which is a ratio here
    and a percentage there. HTI is equal for series of 20 minutes and more, and NaN for
    shorter ones; TINN differs, because NeuroKit2 searches one flank only.

    Examples
    --------
    >>> from ecgstore.features.table import RR_FEATURES
    >>> values = rr_features(np.array([0, 400, 800, 1225]), 500.0)
    >>> dict(zip((each.name for each in RR_FEATURES), values.tolist()))["max_rr_ms"]
    850.0
    """
    ddof, pnn_ddof = _divisors(fs, convention)
    r_peaks = np.ascontiguousarray(r_peaks, np.int64)
    n_bins = kernels.n_bins_needed(r_peaks, fs)
    if n_bins < 0:
        raise ValueError("r_peaks must be strictly increasing")
    row = np.empty(kernels.N_FEATURES)
    kernels.features_of_one(
        r_peaks,
        fs,
        ddof,
        pnn_ddof,
        np.empty((3, len(r_peaks))),
        np.empty(n_bins, np.int64),
        row,
    )
    return row


def rr_features_of_series(
    r_peaks: IntArray, offsets: IntArray, fs: float, convention: str = "neurokit"
) -> FloatArray:
    """Return the RR-interval features of many series of beats, laid end to end.

    For whoever has the beats of a whole dataset, or of the windows of a long record,
    and wants no Python between them; a build calls `rr_features` record by record.

    Parameters
    ----------
    r_peaks : ndarray of shape (n_beats,)
        Sample indices of the beats of all series; never padded.
    offsets : ndarray of shape (n_series + 1,)
        Series s is ``r_peaks[offsets[s]:offsets[s + 1]]``.
    fs : float
        Sampling rate in Hz.
    convention : {"neurokit", "mietus", "prototype"}
        Divisors, see `CONVENTIONS`.

    Returns
    -------
    ndarray of shape (n_series, n_features)
        A row per series as from `rr_features`.

    Raises
    ------
    ValueError
        As `rr_features`, or if the offsets are no division of the beats.
    """
    ddof, pnn_ddof = _divisors(fs, convention)
    r_peaks = np.ascontiguousarray(r_peaks, np.int64)
    offsets = np.ascontiguousarray(offsets, np.int64)
    lengths = np.diff(offsets)
    rising = len(offsets) > 0 and offsets[0] == 0 and (lengths >= 0).all()
    if not rising or offsets[-1] != len(r_peaks):
        raise ValueError(
            f"the offsets must rise from 0 to the number of beats, {len(r_peaks)}"
        )
    n_bins = kernels.most_bins_needed(r_peaks, offsets, fs)
    if n_bins < 0:
        raise ValueError("r_peaks must be strictly increasing in every series")
    out = np.empty((len(lengths), kernels.N_FEATURES))
    kernels.features_of_many(
        r_peaks,
        offsets,
        fs,
        ddof,
        pnn_ddof,
        np.empty((3, lengths.max(initial=0))),
        np.empty(n_bins, np.int64),
        out,
    )
    return out


def _divisors(fs: float, convention: str) -> tuple[int, int]:
    """Check the options; return what the convention takes off the divisors."""
    if not 0 < fs < math.inf:
        raise ValueError(f"fs is {fs!r}; expected a sampling rate in Hz")
    if convention not in CONVENTIONS:
        raise ValueError(
            f"convention is {convention!r}; expected one of {', '.join(CONVENTIONS)}"
        )
    return CONVENTIONS[convention]
