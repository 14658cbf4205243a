"""The beats of a record, by a vote of its leads."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.beats.medians import median_of_rows
from ecgstore.beats.types import MIN_RR_S

TOLERANCE_S: Final = 0.075
"""Largest distance from a beat at which a lead's peak is a vote for it.

On the 100 odd records of LUDB, any value from 40 to 125 ms detects all beats and
nothing else.
"""

MIN_RELATIVE_SLOPE: Final = 0.45
"""Least slope of a beat, as a fraction of that of the record's usual QRS complex.

In LUDB every annotated QRS complex reaches 0.57, and every false beat stays below 0.23.
In 667 Challenge records T waves and artefacts reach 0.41, and everything above 0.59 is
a beat. Between the two lie only complexes at an end of the record.
"""

EDGE_S: Final = 0.02
"""A QRS complex with its peak nearer to an end of the record is cut off."""

_LONG_GAP: Final = 1.7
_LEAST_RR: Final = 0.5
"""In median RR intervals: the length of a gap that may hide a beat, and the least
distance of that beat from the ends of the gap."""

_SLOPE_WINDOW_S: Final = 0.1
_USUAL_QUANTILE: Final = 75


def agreed_beats(
    lead_peaks: Sequence[IntArray], signal: FloatArray, fs: float
) -> IntArray:
    """Return the beats that at least half of the leads have detected.

    Every lead votes for the times around each of its peaks. Where the number of votes
    reaches half of the number of leads, there is a beat. The peaks of a lead come a
    constant time before or after those of the others (the R wave of V1 ends before that
    of V6). This offset is estimated as the median over the beats and subtracted; then
    the vote is repeated, and the time of a beat is the median over its leads. A beat's
    time thus does not depend on which leads have detected it.

    The beats are then checked against the signal: T waves in a pause, which a detector
    with a relative threshold takes for beats, have no steep slope, and beats cut off by
    an end of the record have no definite time.

    In an RR interval longer than 1.7 times the median, a quarter of the leads is enough
    for a beat at least half the median away from both ends: otherwise some paced and
    low beats are missed.

    Parameters
    ----------
    lead_peaks : sequence of ndarray of shape (n_peaks,)
        Sample indices of the QRS complexes detected in each lead, increasing, at least
        `MIN_RR_S` apart.
    signal : ndarray of shape (n_leads, n_samples)
        The leads' voltages in mV, in the same order.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of shape (n_beats,)
        Sample indices of the beats, increasing, at least `MIN_RR_S` apart.
    """
    n_samples = signal.shape[1]
    tolerance = round(TOLERANCE_S * fs)
    quorum = (len(lead_peaks) + 1) // 2
    offsets = np.zeros(len(lead_peaks))
    for _ in range(2):
        aligned = [
            peaks - offset for peaks, offset in zip(lead_peaks, offsets, strict=True)
        ]
        centres = _centres(aligned, n_samples, tolerance, quorum)
        if not len(centres):
            return np.empty(0, np.int64)
        # One sample more, because the places of the votes are rounded.
        votes = _votes_for(centres, aligned, tolerance + 1)
        offsets += np.nan_to_num(median_of_rows(votes))  # 0 for a lead without votes
        offsets -= np.median(offsets)
    beats = np.rint(centres + median_of_rows(votes.T)).astype(np.int64)
    beats = _real_beats(beats, signal, fs)
    centres = _centres(aligned, n_samples, tolerance, (quorum + 1) // 2)
    votes = _votes_for(centres, aligned, tolerance + 1)
    candidates = np.rint(centres + median_of_rows(votes.T)).astype(np.int64)
    missed = candidates[_in_long_gap(candidates, beats)]
    return _real_beats(np.concatenate([beats, missed]), signal, fs)


def _real_beats(beats: IntArray, signal: FloatArray, fs: float) -> IntArray:
    """Return the beats in order, without those too close, cut off, or too flat."""
    edge = round(EDGE_S * fs)
    apart = _well_apart(beats, round(MIN_RR_S * fs))
    whole = apart[(apart >= edge) & (apart < signal.shape[1] - edge)]
    steep: IntArray = whole[_is_steep(signal, whole, fs)]
    return steep


def _in_long_gap(places: IntArray, beats: IntArray) -> BoolArray:
    """Return which places lie in an RR interval so long that a beat may be missing."""
    if len(beats) < 3 or not len(places):
        return np.zeros(len(places), np.bool_)
    rr = np.diff(beats)
    usual = np.median(rr)
    gap = np.searchsorted(beats, places) - 1
    inside = (gap >= 0) & (gap < len(rr))
    gap = np.clip(gap, 0, len(rr) - 1)
    from_ends = np.minimum(places - beats[gap], beats[gap + 1] - places)
    long = rr[gap] > _LONG_GAP * usual
    return np.asarray(inside & long & (from_ends >= _LEAST_RR * usual))


def _centres(
    lead_peaks: Sequence[FloatArray], n_samples: int, tolerance: int, quorum: int
) -> FloatArray:
    """Return where the votes have a maximum of at least `quorum`."""
    peaks = np.rint(np.concatenate(lead_peaks)).astype(np.int64)
    begins = np.clip(peaks - tolerance, 0, n_samples)
    ends = np.clip(peaks + tolerance + 1, 0, n_samples)
    changes = np.bincount(begins, minlength=n_samples + 1) - np.bincount(
        ends, minlength=n_samples + 1
    )
    votes = np.cumsum(changes[:-1])
    centres = []
    edges = np.diff(votes >= quorum, prepend=False, append=False)
    for begin, end in np.flatnonzero(edges).reshape(-1, 2).tolist():
        run = votes[begin:end]
        first = int(run.argmax())
        fewer = np.flatnonzero(run[first:] < run[first])
        last = (first + int(fewer[0]) if len(fewer) else len(run)) - 1
        centres.append(begin + (first + last) / 2)
    return np.array(centres)


def _votes_for(
    centres: FloatArray, lead_peaks: Sequence[FloatArray], tolerance: int
) -> FloatArray:
    """Return each lead's nearest peak minus the centre; NaN beyond the tolerance."""
    votes = np.full((len(lead_peaks), len(centres)), np.nan)
    for row, peaks in zip(votes, lead_peaks, strict=True):
        if len(peaks):
            distance = nearest(peaks, centres) - centres
            near = np.abs(distance) <= tolerance
            row[near] = distance[near]
    return votes


def nearest(values: FloatArray, targets: FloatArray) -> FloatArray:
    """Return the value nearest to each target.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Increasing; at least one.
    targets : ndarray of shape (n_targets,)
        Any numbers.

    Returns
    -------
    ndarray of shape (n_targets,)
        One of the values for every target, the lower one if two are equally near.

    Examples
    --------
    >>> nearest(np.array([10.0, 20.0]), np.array([1.0, 14.0, 16.0]))
    array([10., 10., 20.])
    """
    after = np.clip(np.searchsorted(values, targets), 0, len(values) - 1)
    before = np.maximum(after - 1, 0)
    closer = np.abs(values[before] - targets) <= np.abs(values[after] - targets)
    return np.where(closer, values[before], values[after])


def _well_apart(beats: IntArray, min_distance: int) -> IntArray:
    """Return the beats without those too soon after the beat before."""
    kept: list[int] = []
    for beat in np.sort(beats).tolist():
        if not kept or beat - kept[-1] >= min_distance:
            kept.append(beat)
    return np.array(kept, np.int64)


def _is_steep(signal: FloatArray, beats: IntArray, fs: float) -> BoolArray:
    """Return whether half of the leads are about as steep at a beat as usual."""
    from scipy.ndimage import uniform_filter1d

    if not len(beats):
        return np.zeros(0, np.bool_)
    slope = uniform_filter1d(
        np.abs(np.gradient(signal, axis=1)),
        max(1, round(_SLOPE_WINDOW_S * fs)),
        axis=1,
        mode="nearest",
    )
    reach = round(_SLOPE_WINDOW_S * fs)
    window = beats[:, None] + np.arange(-reach, reach + 1)
    # (n_leads, n_beats): the largest slope of every beat
    steepest = slope[:, np.clip(window, 0, signal.shape[1] - 1)].max(axis=2)
    # "lower", so that the few steepest, artefacts or ectopic beats, have no influence.
    usual = np.percentile(steepest, _USUAL_QUANTILE, axis=1, method="lower")
    enough = steepest >= MIN_RELATIVE_SLOPE * usual[:, None]
    return np.asarray(enough.mean(axis=0) >= 0.5)
