"""What the engines return: beats of a record, marks of every beat in every lead."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.record import N_LEADS, Mark

MIN_RR_S: Final = 0.2
"""Shortest time between two beats: 300 beats per minute."""

MIN_RANGE_MV: Final = 1e-3
"""A lead whose values all lie within this range is flat."""

MAX_VOLTAGE_MV: Final = 1e6
"""A lead beyond this is no voltage; its arithmetic could overflow."""


class BeatStatus(IntEnum):
    """How the search for beats ended; stored for every record."""

    OK = 0
    """Beats were found and delineated."""
    NO_BEATS = 1
    """No lead is usable (all flat or with missing samples), or the usable leads show no
    beat together: noise, asystole, a record that is too short."""
    TOO_FEW_BEATS = 2
    """There is a single beat: its R-peaks are given, its waves are not delineated.
    Only the engine "neurokit" needs more."""
    NOT_COMPUTED = 3
    """Beats were not asked for."""
    DETECTOR_FAILED = 4
    """NeuroKit2 failed in every usable lead: there are no beats, or R-peaks only."""
    TOO_MANY_BEATS = 5
    """More beats than there is room for: the first ones are given."""


@dataclass(frozen=True, eq=False, slots=True)
class Beats:
    """The beats of a record.

    Attributes
    ----------
    r_peaks : ndarray of shape (n_beats,)
        Sample indices of the record's beats, int64, increasing, at least `MIN_RR_S`
        apart (rounded to samples).
    fiducials : ndarray of shape (12, n_beats, 9)
        Sample indices of the marks of each beat in each lead, int64, in the order of
        `ecgstore.record.Mark`; -1 where absent. The marks ``[:, b]`` belong to the
        beat ``r_peaks[b]``, and those that are present follow one another in time.
        P waves with both ends last 40 ms or more, T waves 60 ms, with the peak strictly
        inside. A lead that is flat or misses samples has no marks ("ecgstore" fills
        gaps of 100 ms first).
    status : BeatStatus
        How the search ended.
    """

    r_peaks: IntArray
    fiducials: IntArray
    status: BeatStatus

    @classmethod
    def none(cls, status: BeatStatus) -> Self:
        """Return an empty set of beats.

        Examples
        --------
        >>> Beats.none(BeatStatus.NOT_COMPUTED).fiducials.shape
        (12, 0, 9)
        """
        return cls(
            np.empty(0, np.int64), np.empty((N_LEADS, 0, len(Mark)), np.int64), status
        )


def usable_leads(signal: FloatArray, min_range: float = MIN_RANGE_MV) -> BoolArray:
    """Return whether each lead is free of missing samples and not flat.

    Flat is a lead whose values all lie within `min_range`, in mV.
    """
    if not signal.shape[1]:
        return np.zeros(len(signal), np.bool_)
    low, high = signal.min(axis=1), signal.max(axis=1)
    in_range = (low > -MAX_VOLTAGE_MV) & (high < MAX_VOLTAGE_MV)  # False for NaN
    usable = np.zeros(len(signal), np.bool_)
    usable[in_range] = high[in_range] - low[in_range] > min_range
    return usable
