"""Corrections of NeuroKit2's marks.

Marks are sample indices in the order of `ecgstore.record.Mark`, -1 where absent. Those
of the leads are of shape (n_leads, n_beats, 9); the common ones, of shape (n_beats, 9),
are those of the root mean square of all leads.
"""

from typing import Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.beats.medians import median_of_rows
from ecgstore.record import Mark

_P_TOLERANCE_S: Final = 0.04
_P_FAR_S: Final = 0.06
"""Largest distance of a P wave from the median of the leads.

On the 100 odd records of LUDB, the F1 of the P peaks (within 60 ms of the
cardiologists') is the same for 50 ms and falls from 80 ms on.
"""
_MIN_P_S: Final = 0.04
_MIN_T_S: Final = 0.06


def widen_qrs(marks: IntArray, common: IntArray) -> IntArray:
    """Widen the QRS complexes to the common one, up to the waves beside them."""
    marks = marks.copy()
    on, off = marks[..., Mark.QRS_ON], marks[..., Mark.QRS_OFF]
    p_off, t_on = marks[..., Mark.P_OFF], marks[..., Mark.T_ON]
    common_on = np.maximum(common[:, Mark.QRS_ON], p_off)
    common_off = np.where(
        t_on >= off, np.minimum(common[:, Mark.QRS_OFF], t_on), common[:, Mark.QRS_OFF]
    )
    has_common = (common[:, Mark.QRS_ON] >= 0) & (on >= 0)
    marks[..., Mark.QRS_ON] = np.where(has_common, np.minimum(on, common_on), on)
    marks[..., Mark.QRS_OFF] = np.where(off >= 0, np.maximum(off, common_off), off)
    return marks


def drop_lone_p_waves(marks: IntArray, common: IntArray, fs: float) -> IntArray:
    """Drop P waves on which the leads disagree, and end the others at the QRS onset.

    At least half of the leads must have one at nearly the same time. Dropped are those
    far from this time, and those with the peak in the common QRS complex: otherwise the
    r wave of V1 is taken for a P wave.
    """
    marks = marks.copy()
    peak, off = marks[..., Mark.P_PEAK], marks[..., Mark.P_OFF]
    times = np.where(peak >= 0, peak, np.nan)
    distance = np.abs(times - median_of_rows(times.T))  # NaN compares as False
    near = (distance <= round(_P_TOLERANCE_S * fs)).sum(axis=0)
    far = distance > round(_P_FAR_S * fs)
    qrs_on = common[:, Mark.QRS_ON]
    inside = (qrs_on >= 0) & (peak >= qrs_on)
    marks[..., Mark.P_OFF] = np.where(qrs_on >= 0, np.minimum(off, qrs_on), off)
    dropped = far | inside | (near < (len(marks) + 1) // 2)
    marks[dropped, Mark.P_ON : Mark.P_OFF + 1] = -1
    return marks


def drop_out_of_order(marks: IntArray, n_samples: int) -> IntArray:
    """Drop marks at the ends of the record, and those that are out of order."""
    marks = np.where((marks <= 0) | (marks >= n_samples - 1), -1, marks)
    for outwards in (
        (Mark.QRS_ON, Mark.P_OFF, Mark.P_PEAK, Mark.P_ON),
        (Mark.QRS_OFF, Mark.T_ON, Mark.T_PEAK, Mark.T_OFF),
    ):
        inner = marks[..., Mark.R_PEAK]
        for mark in outwards:
            places = marks[..., mark]
            beyond = places <= inner if mark < Mark.R_PEAK else places >= inner
            kept = (places >= 0) & beyond
            marks[..., mark] = np.where(kept, places, -1)
            inner = np.where(kept, places, inner)
    for peak, boundaries in (
        (Mark.P_PEAK, (Mark.P_ON, Mark.P_OFF)),
        (Mark.T_PEAK, (Mark.T_ON, Mark.T_OFF)),
    ):
        for mark in boundaries:
            marks[marks[..., peak] < 0, mark] = -1
    return marks


def drop_narrow_waves(marks: IntArray, fs: float) -> IntArray:
    """Drop P waves that are too narrow, and the ends of T waves that are too narrow.

    The same holds for waves that begin or end at their peak. Without its ends, a T wave
    has no duration, but its peak is as good as those of other T waves.
    """
    marks = marks.copy()
    for on, off, shortest_s, dropped in (
        (Mark.P_ON, Mark.P_OFF, _MIN_P_S, [Mark.P_ON, Mark.P_PEAK, Mark.P_OFF]),
        (Mark.T_ON, Mark.T_OFF, _MIN_T_S, [Mark.T_ON, Mark.T_OFF]),
    ):
        wave = marks[..., on : off + 1]  # onset, peak, offset
        whole = (wave >= 0).all(axis=-1)
        wide = wave[..., 2] - wave[..., 0] >= shortest_s * fs
        kept = ~whole | (wide & (np.diff(wave) > 0).all(axis=-1))
        marks[..., dropped] = np.where(kept[..., None], marks[..., dropped], -1)
    return marks
