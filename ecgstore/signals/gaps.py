"""Gaps of missing samples: find them, reject long ones, interpolate short ones."""

import math
from collections.abc import Sequence

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS


def interpolate_gaps(signal: FloatArray, max_gap: int) -> FloatArray:
    """Fill short runs of missing samples in each lead separately.

    A run between two valid samples is filled by linear interpolation; a run at the
    beginning or the end is filled with the nearest valid sample. Longer runs, and leads
    without a valid sample, stay missing. Valid samples never change.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV; NaN where a sample is missing.
    max_gap : int
        Longest run that is filled, in samples.

    Returns
    -------
    ndarray of shape (n_leads, n_samples)
        A filled copy.

    Examples
    --------
    >>> interpolate_gaps(np.array([[1.0, np.nan, 3.0, np.nan]]), max_gap=1)
    array([[1., 2., 3., 3.]])
    """
    filled = signal.copy()
    if not has_missing(signal):
        return filled
    for lead in filled:
        missing = np.isnan(lead)
        starts, lengths = _gaps(missing)
        fill = np.repeat(lengths <= max_gap, lengths)  # one flag per missing sample
        valid = np.flatnonzero(~missing)
        if valid.size and starts.size:
            positions = np.flatnonzero(missing)[fill]
            lead[positions] = np.interp(positions, valid, lead[valid])
    return filled


def check_gaps(
    signal: FloatArray, fs: float, max_gap_s: float, leads: Sequence[str] = LEADS
) -> None:
    """Raise if `interpolate_gaps` would leave a sample missing.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV; NaN where a sample is missing.
    fs : float
        Sampling rate in Hz.
    max_gap_s : float
        Longest gap that may be interpolated, in s.
    leads : sequence of str
        Names of the leads, for errors.

    Raises
    ------
    RecordError
        `ALL_SAMPLES_MISSING` if no lead has a valid sample, `GAP_TOO_LONG` if a lead
        has no valid sample or a longer gap.
    """
    if signal.size and not has_missing(signal):
        return
    missing = np.isnan(signal)
    if missing.all():
        raise RecordError(
            Reason.ALL_SAMPLES_MISSING,
            f"none of the {signal.shape[1]} samples of any lead is valid; expected at "
            "least one",
        )
    limit = whole_samples(max_gap_s, fs)
    for name, lead in zip(leads, missing, strict=True):
        if lead.all():
            raise RecordError(
                Reason.GAP_TOO_LONG,
                f"none of the {lead.size} samples of lead {name} is valid; expected at "
                "least one to interpolate from",
            )
        longest = int(_gaps(lead)[1].max(initial=0))
        if longest > limit:
            raise RecordError(
                Reason.GAP_TOO_LONG,
                f"lead {name} misses {longest} samples in a row "
                f"({longest / fs:.3g} s); at most {limit} ({max_gap_s:.3g} s) may be "
                "interpolated",
            )


def whole_samples(seconds: float, fs: float) -> int:
    """Return the number of whole sampling intervals in a time.

    Examples
    --------
    >>> whole_samples(0.29, 100.0)  # 0.29 * 100.0 is 28.999999999999996
    29
    """
    return math.floor(seconds * fs + 1e-6)


def has_missing(signal: FloatArray) -> bool:
    """Return whether any sample is NaN.

    Examples
    --------
    >>> has_missing(np.array([[1.0, 2.0]])), has_missing(np.array([[1.0, np.nan]]))
    (False, True)
    """
    # Then the minimum is NaN; no mask is needed.
    return signal.size > 0 and bool(np.isnan(signal.min()))


def _gaps(missing: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the first index and the length of every run of True."""
    edges = np.diff(missing.astype(np.int8), prepend=0, append=0)
    starts = np.flatnonzero(edges == 1)
    return starts, np.flatnonzero(edges == -1) - starts
