"""P waves, QRS complexes and T waves of several leads, by NeuroKit2."""

import warnings
from typing import Any, Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.record import Mark

MIN_BEATS: Final = 2
"""NeuroKit2 needs an RR interval."""

MAX_P_MS: Final = 120
"""Longest P wave for which NeuroKit2 searches.

A normal P wave lasts up to 120 ms. With NeuroKit2's default of 100 ms, on LUDB the
onsets in lead II are 10 ms late instead of 3.
"""

MAX_SAMPLES: Final = 150_000
"""Samples in one call; NeuroKit2's table takes 80 bytes for each of them."""

NEUROKIT_NAMES: Final = {
    Mark.P_ON: "ECG_P_Onsets",
    Mark.P_PEAK: "ECG_P_Peaks",
    Mark.P_OFF: "ECG_P_Offsets",
    Mark.QRS_ON: "ECG_R_Onsets",
    Mark.QRS_OFF: "ECG_R_Offsets",
    Mark.T_ON: "ECG_T_Onsets",
    Mark.T_PEAK: "ECG_T_Peaks",
    Mark.T_OFF: "ECG_T_Offsets",
}
"""NeuroKit2's names of the marks; the R-peaks are an argument."""


def delineate(signals: FloatArray, r_peaks: IntArray, fs: float) -> IntArray:
    """Find the waves around the R-peaks of every signal.

    The marks are those of ``neurokit2.ecg_delineate(method="prominence")`` (Emrich et
    al. 2024, EUSIPCO, 1402-1406) for each signal. But the signals are concatenated and
    passed to NeuroKit2 in one call, because a call spends most of its time on its table
    of marks. Before the first and behind the last beat of each signal an artificial
    beat is inserted, so placed that NeuroKit2 searches the same part of the signal
    around these beats as it does in a signal alone.

    Parameters
    ----------
    signals : ndarray of shape (n_signals, n_samples)
        Voltages in mV, finite; the R waves point up.
    r_peaks : ndarray of shape (n_signals, n_beats)
        Sample indices of the R-peaks of every signal, at least `MIN_BEATS`, strictly
        increasing, inside the signal but not at its ends.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of shape (n_signals, n_beats, 9)
        Sample indices of the marks in the order of `Mark`; -1 where absent. Signals for
        which NeuroKit2 fails have R-peaks only.
    """
    n_together = max(1, MAX_SAMPLES // signals.shape[1])
    return np.concatenate(
        [
            _delineate_some(
                signals[k : k + n_together], r_peaks[k : k + n_together], fs
            )
            for k in range(0, len(signals), n_together)
        ]
    )


def _delineate_some(signals: FloatArray, r_peaks: IntArray, fs: float) -> IntArray:
    """Delineate signals in one call, or one by one if NeuroKit2 raises."""
    try:
        return _delineate_together(signals, r_peaks, fs)
    except Exception:
        # Any error: NeuroKit2 does not document those it raises. One signal may have
        # caused it, and the others keep their marks.
        if len(signals) > 1:
            return np.concatenate(
                [
                    _delineate_some(signals[k : k + 1], r_peaks[k : k + 1], fs)
                    for k in range(len(signals))
                ]
            )
        marks = np.full((*r_peaks.shape, len(Mark)), -1, np.int64)
        marks[..., Mark.R_PEAK] = r_peaks
        return marks


def _delineate_together(signals: FloatArray, r_peaks: IntArray, fs: float) -> IntArray:
    """Concatenate the signals and find the waves of all of them in one call."""
    n_signals, n_samples = signals.shape
    n_beats = r_peaks.shape[1]
    # How far NeuroKit2 searches before the first and behind the last beat.
    before = np.minimum(r_peaks[:, 0], (r_peaks[:, 1] - r_peaks[:, 0]) // 2)
    behind = np.minimum(
        n_samples - r_peaks[:, -1], (r_peaks[:, -1] - r_peaks[:, -2]) // 2
    )
    # (n_signals, 1 + n_beats + 1): with an artificial beat on either side
    beats = np.column_stack(
        [r_peaks[:, 0] - 2 * before, r_peaks, r_peaks[:, -1] + 2 * behind]
    )
    starts = np.empty(n_signals, np.int64)
    end = 0  # everything before is in use
    for k in range(n_signals):
        # No beat may stand at 0, and no two side by side. `before` of the first beat
        # must not reach 0, because NeuroKit2 drops marks there from its lists.
        starts[k] = end + max(0, 2 + before[k] - beats[k, 0])
        end = starts[k] + max(n_samples, int(beats[k, -1]) + 2)
    line = np.zeros(end)
    for signal, start in zip(signals, starts, strict=True):
        line[start : start + n_samples] = signal
    lists = _neurokit((beats + starts[:, None]).ravel(), line, fs)
    shape = (n_signals, 1 + n_beats + 1)
    marks = np.empty((n_signals, n_beats, len(Mark)), np.int64)
    marks[..., Mark.R_PEAK] = r_peaks
    for mark, name in NEUROKIT_NAMES.items():
        positions = np.array(lists[name], np.float64).reshape(shape)
        positions = positions[:, 1:-1] - starts[:, None]
        marks[..., mark] = np.where(np.isnan(positions), -1, positions)
    return marks


def _neurokit(r_peaks: IntArray, line: FloatArray, fs: float) -> Any:
    """Return NeuroKit2's lists of marks, one entry per beat."""
    import neurokit2

    with warnings.catch_warnings():
        # SciPy warns of peaks without prominence; these have no boundaries.
        warnings.simplefilter("ignore")
        _, lists = neurokit2.ecg_delineate(
            line,
            r_peaks,
            sampling_rate=fs,
            method="prominence",
            max_p_basepoint_interval=MAX_P_MS,
        )
    return lists
