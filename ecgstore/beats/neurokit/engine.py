"""The engine "neurokit": NeuroKit2 in every lead, and a vote of the leads."""

import warnings
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats.medians import median_of_rows
from ecgstore.beats.neurokit.agreement import TOLERANCE_S, agreed_beats, nearest
from ecgstore.beats.neurokit.delineation import MIN_BEATS, delineate
from ecgstore.beats.types import MIN_RR_S, Beats, BeatStatus, usable_leads
from ecgstore.record import LEADS, N_LEADS, Mark

_PADDING_S: Final = 0.5
_R_WINDOW_S: Final = 0.06
_P_TOLERANCE_S: Final = 0.04
_P_FAR_S: Final = 0.06
"""Largest distance of a P wave from the median of the leads.

On the 100 odd records of LUDB, the F1 of the P peaks (within 60 ms of the
cardiologists') is the same for 50 ms and falls from 80 ms on.
"""
_MIN_P_S: Final = 0.04
_MIN_T_S: Final = 0.06

_AVR: Final = LEADS.index("aVR")


def find_beats(signal: FloatArray, fs: float, max_beats: int) -> Beats:
    """Find beats and waves with NeuroKit2, and correct its known errors.

    Parameters and results are those of `ecgstore.beats.find_beats`, which checks the
    parameters.

    Notes
    -----
    NeuroKit2 detects QRS complexes in each lead alone (`neurokit2.ecg_findpeaks`,
    without `ecg_clean`, which lowers the recall on signals that are band-passed
    already). The record's beats are those that half of the usable leads have detected,
    see `ecgstore.beats.neurokit.agreement`. NeuroKit2 then delineates them in each lead
    around the lead's own R-peak. There are three corrections, each of which improves
    the marks on LUDB (``bench/beats/delineation.py`` compares all marks with
    NeuroKit2's own):

    * aVR is delineated upside down, because all of its waves point down in a normal
      heart and the method searches for positive P waves and R waves.
    * A QRS complex begins in no lead later, and ends in no lead earlier, than in the
      root mean square of all leads (but not within the P or the T wave): the method
      takes the bottom of an S wave for the end of the complex.
    * A beat has P waves only if at least half of the leads have one at the same time.
      P waves in the common QRS complex or more than 60 ms from the leads' median are
      dropped: the method marks one nearly everywhere, also on the r wave of V1.

    Wide QRS complexes (120 ms and more) are marked about 30 ms too short, because the
    method searches 50 ms on either side of an R-peak. Some beats without a P wave
    (atrial fibrillation) are still marked with one.
    """
    usable = np.flatnonzero(usable_leads(signal))
    if not len(usable):
        return Beats.none(BeatStatus.NO_BEATS)
    results = {int(lead): _lead_peaks(signal[lead], fs) for lead in usable}
    lead_peaks = {lead: peaks for lead, peaks in results.items() if peaks is not None}
    if not lead_peaks:
        return Beats.none(BeatStatus.DETECTOR_FAILED)
    leads = np.array([*lead_peaks])
    voltages = signal[leads]
    beats = agreed_beats([*lead_peaks.values()], voltages, fs)
    if not len(beats):
        return Beats.none(BeatStatus.NO_BEATS)
    # One beat more, because the search for the last T wave ends at the next beat.
    beats = beats[: max_beats + 1]
    r_peaks = np.stack(
        [
            _lead_r_peaks(peaks, beats, signal[lead], fs)
            for lead, peaks in lead_peaks.items()
        ]
    )
    fiducials = np.full((N_LEADS, len(beats), len(Mark)), -1, np.int64)
    if len(beats) < MIN_BEATS:
        fiducials[leads, :, Mark.R_PEAK] = r_peaks
        return Beats(beats, fiducials, BeatStatus.TOO_FEW_BEATS)
    fiducials[leads] = _waves(voltages, leads, r_peaks, beats, fs)
    status = BeatStatus.OK
    if not (np.delete(fiducials, Mark.R_PEAK, axis=2) >= 0).any():
        status = BeatStatus.DETECTOR_FAILED
    elif len(beats) > max_beats:
        status = BeatStatus.TOO_MANY_BEATS
    return Beats(beats[:max_beats], fiducials[:, :max_beats], status)


def _lead_peaks(lead: FloatArray, fs: float) -> IntArray | None:
    """Return the QRS complexes that NeuroKit2 detects in a lead; None if it fails."""
    import neurokit2

    # NeuroKit2 detects nothing in the first `mindelay` seconds, and no complex that is
    # cut off by an end. Ramps as steep as the lead is on average move both ends away
    # and are taken neither for a QRS complex nor for a pause.
    n_padding = round(_PADDING_S * fs)
    ramp = np.abs(np.diff(lead)).mean() * np.arange(1, n_padding + 1)
    padded = np.concatenate([lead[0] - ramp[::-1], lead, lead[-1] + ramp])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = neurokit2.ecg_findpeaks(
                padded, sampling_rate=fs, method="neurokit", mindelay=MIN_RR_S
            )
    except Exception:
        # Any error: NeuroKit2 does not document those it raises, and the record's beats
        # must not depend on a lead for which it fails.
        return None
    peaks = np.asarray(result["ECG_R_Peaks"], np.int64) - n_padding
    inside: IntArray = peaks[(peaks >= 0) & (peaks < len(lead))]
    return inside


def _lead_r_peaks(
    peaks: IntArray, beats: IntArray, lead: FloatArray, fs: float
) -> IntArray:
    """Return a lead's own R-peak for every beat of the record.

    It is the peak that is the lead's vote, or else the maximum near the beat.
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
        reach = np.array([-1, 1]) * round(_R_WINDOW_S * fs) + offset
        own[b] = _highest(lead, beats[b], *np.clip(reach, -furthest, furthest))
    r_peaks: IntArray = np.clip(own, 1, len(lead) - 2)
    return r_peaks


def _highest(lead: FloatArray, beat: int, first: int, last: int) -> int:
    """Return the index of the maximum from `first` to `last` samples after a beat."""
    begin = max(beat + first, 0)
    return int(begin + lead[begin : beat + last + 1].argmax())


def _waves(
    signal: FloatArray, leads: IntArray, r_peaks: IntArray, beats: IntArray, fs: float
) -> IntArray:
    """Delineate all leads; return the marks of shape (n_leads, n_beats, 9)."""
    centred = signal - np.median(signal, axis=1, keepdims=True)
    together = np.sqrt((centred**2).mean(axis=0))
    upright = np.vstack([signal, together])
    tops = np.vstack([r_peaks, _tops(together, beats, fs)])
    for k in np.flatnonzero(leads == _AVR):
        upright[k] = -signal[k]
        tops[k] = _tops(upright[k], beats, fs)
    marks = delineate(upright, tops, fs)
    marks[:-1, :, Mark.R_PEAK] = r_peaks
    lead_marks = _widened(_agreed_p(marks[:-1], marks[-1], fs), marks[-1])
    return _wide_enough(_in_order(lead_marks, signal.shape[1]), fs)


def _tops(lead: FloatArray, beats: IntArray, fs: float) -> IntArray:
    """Return the index of the maximum around every beat."""
    reach = round(_R_WINDOW_S * fs)
    highest = [_highest(lead, beat, -reach, reach) for beat in beats]
    tops: IntArray = np.clip(highest, 1, len(lead) - 2)
    return tops


def _widened(marks: IntArray, common: IntArray) -> IntArray:
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


def _agreed_p(marks: IntArray, common: IntArray, fs: float) -> IntArray:
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


def _in_order(marks: IntArray, n_samples: int) -> IntArray:
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


def _wide_enough(marks: IntArray, fs: float) -> IntArray:
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
