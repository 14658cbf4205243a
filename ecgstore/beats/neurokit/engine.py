"""The engine "neurokit": NeuroKit2 in every lead, and a vote of the leads."""

import warnings
from collections.abc import Sequence
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats.neurokit.agreement import agreed_beats
from ecgstore.beats.neurokit.corrections import (
    drop_lone_p_waves,
    drop_narrow_waves,
    drop_out_of_order,
    widen_qrs,
)
from ecgstore.beats.neurokit.delineation import MIN_BEATS, delineate
from ecgstore.beats.neurokit.r_peaks import lead_r_peaks, maxima_near
from ecgstore.beats.types import MIN_RR_S, Beats, BeatStatus, usable_leads
from ecgstore.record import Mark

_PADDING_S: Final = 0.5


def find_beats(
    signal: FloatArray, fs: float, max_beats: int | None, leads: Sequence[str]
) -> Beats:
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
    signal = np.asarray(signal, np.float64)
    usable = np.flatnonzero(usable_leads(signal))
    if not len(usable):
        return Beats.none(BeatStatus.NO_BEATS, len(signal))
    results = {int(lead): _lead_peaks(signal[lead], fs) for lead in usable}
    lead_peaks = {lead: peaks for lead, peaks in results.items() if peaks is not None}
    if not lead_peaks:
        return Beats.none(BeatStatus.DETECTOR_FAILED, len(signal))
    rows = np.array([*lead_peaks])
    voltages = signal[rows]
    beats = agreed_beats([*lead_peaks.values()], voltages, fs)
    if not len(beats):
        return Beats.none(BeatStatus.NO_BEATS, len(signal))
    if max_beats is None:
        max_beats = len(beats)
    # One beat more, because the search for the last T wave ends at the next beat.
    beats = beats[: max_beats + 1]
    r_peaks = np.stack(
        [
            lead_r_peaks(peaks, beats, signal[lead], fs)
            for lead, peaks in lead_peaks.items()
        ]
    )
    fiducials = np.full((len(signal), len(beats), len(Mark)), -1, np.int64)
    if len(beats) < MIN_BEATS:
        fiducials[rows, :, Mark.R_PEAK] = r_peaks
        return Beats(beats, fiducials, BeatStatus.TOO_FEW_BEATS)
    upside_down = [k for k, row in enumerate(rows) if leads[row] == "aVR"]
    fiducials[rows] = _waves(voltages, upside_down, r_peaks, beats, fs)
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


def _waves(
    signal: FloatArray,
    upside_down: list[int],
    r_peaks: IntArray,
    beats: IntArray,
    fs: float,
) -> IntArray:
    """Delineate all leads; return the marks of shape (n_leads, n_beats, 9)."""
    centred = signal - np.median(signal, axis=1, keepdims=True)
    together = np.sqrt((centred**2).mean(axis=0))
    upright = np.vstack([signal, together])
    tops = np.vstack([r_peaks, maxima_near(beats, together, fs)])
    for k in upside_down:
        upright[k] = -signal[k]
        tops[k] = maxima_near(beats, upright[k], fs)
    marks = delineate(upright, tops, fs)
    marks[:-1, :, Mark.R_PEAK] = r_peaks
    lead_marks, common = marks[:-1], marks[-1]
    lead_marks = widen_qrs(drop_lone_p_waves(lead_marks, common, fs), common)
    return drop_narrow_waves(drop_out_of_order(lead_marks, signal.shape[1]), fs)
