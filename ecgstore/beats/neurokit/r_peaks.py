"""The R-peak of every beat in a lead."""

from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats.neurokit.agreement import TOLERANCE_S, nearest
from ecgstore.beats.types import MIN_RR_S

_WINDOW_S: Final = 0.06


def lead_r_peaks(
    peaks: IntArray, beats: IntArray, lead: FloatArray, fs: float
) -> IntArray:
    """Return a lead's own R-peak for every beat of the record.

    It is the peak that is the lead's vote, or else the maximum near the beat.

    Parameters
    ----------
    peaks : ndarray of shape (n_peaks,)
        Sample indices of the QRS complexes detected in the lead, increasing.
    beats : ndarray of shape (n_beats,)
        Sample indices of the record's beats, increasing.
    lead : ndarray of shape (n_samples,)
        Voltages in mV.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of shape (n_beats,)
        Sample indices, in the order of the beats and not at the ends of the record.
    """
    tolerance = round(TOLERANCE_S * fs)
    own = np.full(len(beats), -len(lead))  # too far away to be a vote
    if len(peaks):
        own = nearest(peaks.astype(np.float64), beats.astype(np.float64)).astype(int)
    distance = own - beats
    voted = np.abs(distance) <= tolerance
    offset = round(float(np.median(distance[voted]))) if voted.any() else 0
    # Less than half of the shortest RR interval: R-peaks keep the order of the beats.
    furthest = round(MIN_RR_S * fs) // 2 - 1
    for b in np.flatnonzero(~voted):
        reach = np.array([-1, 1]) * round(_WINDOW_S * fs) + offset
        own[b] = _highest(lead, beats[b], *np.clip(reach, -furthest, furthest))
    r_peaks: IntArray = np.clip(own, 1, len(lead) - 2)
    return r_peaks


def maxima_near(beats: IntArray, lead: FloatArray, fs: float) -> IntArray:
    """Return the sample index of the maximum around every beat, not at the ends."""
    reach = round(_WINDOW_S * fs)
    highest = [_highest(lead, beat, -reach, reach) for beat in beats]
    maxima: IntArray = np.clip(highest, 1, len(lead) - 2)
    return maxima


def _highest(lead: FloatArray, beat: int, first: int, last: int) -> int:
    """Return the index of the maximum from `first` to `last` samples after a beat."""
    begin = max(beat + first, 0)
    return int(begin + lead[begin : beat + last + 1].argmax())
