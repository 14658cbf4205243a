"""Find the beats of a long record piece by piece, in a bounded amount of memory."""

from collections.abc import Callable
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats.types import MIN_RR_S, Beats, BeatStatus
from ecgstore.record import Mark

PIECE_S: Final = 600.0
"""Length of a piece in s, a multiple of 8 s.

The network halves its rate four times, and 8 s hold a whole number of its slowest
steps: pieces that begin elsewhere would move the marks by some ms.
"""

MARGIN_S: Final = 32.0
"""How much before and behind a piece is analysed with it, in s, a multiple of 8 s.

More than the network sees, and than six beats last, which decide on P waves.
"""

NEAR_S: Final = 0.1
"""Two pieces may place a beat at their border this far apart, in s."""

Read = Callable[[int, int], FloatArray]
"""Returns the voltages in mV from one sample to another, of shape (n_leads, n)."""


def find_in_pieces(
    find: Callable[[FloatArray], Beats],
    read: Read,
    n_samples: int,
    fs: float,
    max_beats: int | None,
) -> Beats:
    """Find the beats of a record, at once if it is short and else in pieces.

    Parameters
    ----------
    find : callable
        Returns the beats of a signal.
    read : callable
        Returns a part of the record.
    n_samples : int
        Length of the record.
    fs : float
        Sampling rate in Hz.
    max_beats : int or None
        Maximum number of beats.

    Returns
    -------
    Beats
        The record's beats. Every piece has scales of its own, and leaves out the leads
        that are flat in it.
    """
    size, margin = round(PIECE_S * fs), round(MARGIN_S * fs)
    if n_samples <= size + margin:
        return _limited(find(read(0, n_samples)), max_beats)
    r_peaks: list[IntArray] = []
    fiducials: list[IntArray] = []
    n_beats, last = 0, -n_samples
    for begin in range(0, n_samples, size):
        end = min(begin + size, n_samples)
        first = max(begin - margin, 0)
        beats = find(read(first, min(end + margin, n_samples)))
        places = beats.r_peaks + first
        # A beat at the border is taken from the piece before, or else from this one.
        earliest = max(begin - NEAR_S * fs, last + MIN_RR_S * fs)
        kept = (places >= earliest) & (places < end)
        marks = beats.fiducials[:, kept]
        marks = np.where(marks >= 0, marks + first, -1)
        if n_beats and kept.any():
            _separate(fiducials[-1][:, -1], marks[:, 0])
        if kept.any():
            r_peaks.append(places[kept])
            n_beats, last = n_beats + int(kept.sum()), int(places[kept][-1])
        if kept.any() or not fiducials:
            fiducials.append(marks)
        if max_beats is not None and n_beats > max_beats:
            break
    if not n_beats:
        return Beats.none(BeatStatus.NO_BEATS, len(fiducials[0]))
    whole = Beats(
        np.concatenate(r_peaks), np.concatenate(fiducials, axis=1), BeatStatus.OK
    )
    return _limited(whole, max_beats)


def _separate(before: IntArray, after: IntArray) -> None:
    """Drop waves at the border of two pieces that overlap, in place.

    Parameters
    ----------
    before, after : ndarray of shape (n_leads, 9)
        Marks of the last beat of a piece, and of the first beat of the next one.
    """
    for left, right in zip(before, after, strict=True):
        p, t = right[Mark.P_ON : Mark.QRS_ON], left[Mark.T_ON :]
        if p[0] >= 0 and p[0] < left.max():
            p[:] = -1
        present = right[right >= 0]
        if len(present) and present[0] < left.max():
            t[:] = -1


def _limited(beats: Beats, max_beats: int | None) -> Beats:
    """Return the first beats, and say so if there are more."""
    if max_beats is None or len(beats.r_peaks) <= max_beats:
        return beats
    return Beats(
        beats.r_peaks[:max_beats],
        beats.fiducials[:, :max_beats],
        BeatStatus.TOO_MANY_BEATS,
    )
