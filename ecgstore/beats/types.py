"""The result of all engines: a record's beats, and their marks in every lead."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.record import N_LEADS, Mark

MIN_RR_S: Final = 0.2
"""Shortest time between two beats: 300 beats per minute."""

MIN_RANGE_MV: Final = 1e-3
"""A lead is flat if its range is not larger than this."""

MAX_VOLTAGE_MV: Final = 1e6
"""A lead with larger values holds no voltages; computing with it could overflow."""


class BeatStatus(IntEnum):
    """Outcome of the search for beats; stored for every record."""

    OK = 0
    """Beats are detected and delineated."""
    NO_BEATS = 1
    """No lead is usable (all are flat or lack samples), or the usable leads show no
    common beat: noise, asystole, or a record that is too short."""
    TOO_FEW_BEATS = 2
    """There is a single beat, with R-peaks but no waves. Only the engine "neurokit"
    needs more beats."""
    NOT_COMPUTED = 3
    """The record was stored without a search for beats."""
    DETECTOR_FAILED = 4
    """NeuroKit2 failed in every usable lead: there are no beats, or only R-peaks."""
    TOO_MANY_BEATS = 5
    """There are more than `max_beats` beats: the first ones are stored."""


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Beats:
    """The beats of a record.

    Attributes
    ----------
    r_peaks : ndarray of shape (n_beats,)
        Sample indices of the record's beats, int64, increasing, at least `MIN_RR_S`
        apart (rounded to samples).
    fiducials : ndarray of shape (n_leads, n_beats, 9)
        Sample indices of the marks of each beat in each lead, int64, in the order of
        `ecgstore.record.Mark`; -1 where absent. The marks ``[:, b]`` belong to the
        beat ``r_peaks[b]``, and the marks present are in the order of time. P waves
        with onset and offset last 40 ms or more, T waves 60 ms or more, with the peak
        strictly between. A lead that is flat or lacks samples has no marks. With the
        engine "ecgstore", a lead has no marks while it is silent or lacks samples for
        more than 100 ms, and marks before and after.
    status : BeatStatus
        Outcome of the search.
    """

    r_peaks: IntArray
    fiducials: IntArray
    status: BeatStatus

    def __repr__(self) -> str:
        n_marks = int((self.fiducials >= 0).sum())
        return (
            f"<ecgstore.Beats: {len(self.r_peaks)} beats, {n_marks} marks, "
            f"status {self.status.name.lower()}>"
        )

    @classmethod
    def none(cls, status: BeatStatus, n_leads: int = N_LEADS) -> Self:
        """Return an empty set of beats.

        Examples
        --------
        >>> Beats.none(BeatStatus.NOT_COMPUTED).fiducials.shape
        (12, 0, 9)
        """
        return cls(
            np.empty(0, np.int64), np.empty((n_leads, 0, len(Mark)), np.int64), status
        )


def usable_leads(signal: FloatArray) -> BoolArray:
    """Return whether each lead has all of its samples and is not flat."""
    if not signal.shape[1]:
        return np.zeros(len(signal), np.bool_)
    low, high = signal.min(axis=1), signal.max(axis=1)
    in_range = (low > -MAX_VOLTAGE_MV) & (high < MAX_VOLTAGE_MV)  # False for NaN
    usable = np.zeros(len(signal), np.bool_)
    usable[in_range] = high[in_range] - low[in_range] > MIN_RANGE_MV
    return usable
