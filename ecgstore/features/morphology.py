"""Durations and amplitudes of the waves, per lead and over the leads."""

from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features.beats import Beats
from ecgstore.features.medians import median_of_rows
from ecgstore.record import MARKS, N_LEADS

BASELINE_S: Final = 0.02
"""The isoelectric level of a beat is the mean over this time before QRS onset."""

WAVE_FEATURES: Final = (
    "p_presence",
    "p_duration_ms",
    "pr_interval_ms",
    "qrs_duration_ms",
    "qt_interval_ms",
    "qtc_bazett_ms",
    "qtc_fridericia_ms",
    "p_amplitude_mv",
    "q_amplitude_mv",
    "r_amplitude_mv",
    "s_amplitude_mv",
    "t_amplitude_mv",
)
"""Names of the features that every lead has, in the order of the columns."""

_P_ON, _P_PEAK, _P_OFF, _QRS_ON, _R_PEAK, _QRS_OFF, _T_ON, _T_PEAK, _T_OFF = range(
    len(MARKS)
)


def wave_features(signal: FloatArray, beats: Beats, fs: float) -> FloatArray:
    """Return the wave features of a record, over all leads and per lead.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV, the signal in which `beats` were found.
    beats : Beats
        The record's beats and their marks.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of shape (13 * n_wave_features,)
        The features of `WAVE_FEATURES`, first the medians over the leads, then those
        of each lead in the order of `LEADS`; NaN where undefined.

    Notes
    -----
    A lead's value is the median over the beats that have the marks it needs. QTc takes
    a lead's median QT and the median RR interval of the record, in s:
    Bazett 1920 (Heart 7:353-370) QT / sqrt(RR), Fridericia 1920 (Acta Med. Scand.
    53:469-486) QT / RR^(1/3). Amplitudes are relative to the isoelectric level of
    their beat, the mean of the `BASELINE_S` before QRS onset: the PR segment, where
    there is one.
    """
    per_lead = _of_leads(np.asarray(signal, np.float64), beats, fs)
    return np.concatenate([median_of_rows(per_lead.T), per_lead.ravel()])


def q_s_peaks(signal: FloatArray, fiducials: IntArray) -> IntArray:
    """Return where the Q and the S waves are deepest.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV.
    fiducials : ndarray of shape (12, n_beats, 9)
        Marks in the order of `MARKS`; -1 where absent.

    Returns
    -------
    ndarray of shape (12, n_beats, 2)
        Sample indices of Q, the minimum between QRS onset and R-peak, and S, the
        minimum between R-peak and QRS offset; -1 where the signal only rises to the
        R-peak, or only falls from it, or a mark is missing.

    Examples
    --------
    >>> signal = np.tile([0.0, 0.0, -0.1, 0.5, 1.0, 0.3, -0.2, 0.0, 0.0], (12, 1))
    >>> marks = np.full((12, 1, 9), -1)
    >>> marks[:, 0, 3:6] = 1, 4, 7
    >>> q_s_peaks(signal, marks)[0].tolist()
    [[2, 6]]
    """
    signal = np.asarray(signal)
    on, r_peak, off = (
        fiducials[..., column] for column in (_QRS_ON, _R_PEAK, _QRS_OFF)
    )
    return np.stack([_lowest(signal, on, r_peak), _lowest(signal, r_peak, off)], axis=2)


def _lowest(signal: FloatArray, begin: IntArray, end: IntArray) -> IntArray:
    """Return the minimum strictly between two marks, if it is below both of them."""
    defined = (begin >= 0) & (end >= 0)
    n_longest = int(np.where(defined, end - begin + 1, 0).max(initial=0))
    if not n_longest:
        return np.full(begin.shape, -1, np.int64)
    # (n_leads, n_beats, n_longest): every stretch, with its end repeated at the end
    places = np.minimum(begin[..., None] + np.arange(n_longest), end[..., None])
    places = np.where(defined[..., None], places, 0)
    lead = np.arange(len(signal))[:, None]
    stretch = signal[lead[..., None], places]
    lowest = np.take_along_axis(places, stretch.argmin(axis=2)[..., None], axis=2)
    lowest = lowest[..., 0]
    inside = defined & (lowest > begin) & (lowest < end)
    return np.where(inside, lowest, -1)


def _of_leads(signal: FloatArray, beats: Beats, fs: float) -> FloatArray:
    """Return the features of every lead, of shape (12, n_wave_features)."""
    marks = beats.fiducials
    n_beats = len(beats.r_peaks)
    if not n_beats:
        return np.full((N_LEADS, len(WAVE_FEATURES)), np.nan)
    times = np.where(marks >= 0, marks, np.nan) / fs * 1000
    durations = [
        median_of_rows(times[..., end] - times[..., begin])
        for begin, end in (
            (_P_ON, _P_OFF),
            (_P_ON, _QRS_ON),
            (_QRS_ON, _QRS_OFF),
            (_QRS_ON, _T_OFF),
        )
    ]
    qt = durations[-1]
    rr_s = float(np.median(np.diff(beats.r_peaks))) / fs if n_beats > 1 else np.nan
    q_s = q_s_peaks(signal, marks)
    peaks = (
        marks[..., _P_PEAK],
        q_s[..., 0],
        marks[..., _R_PEAK],
        q_s[..., 1],
        marks[..., _T_PEAK],
    )
    level = _isoelectric_level(signal, marks[..., _QRS_ON], fs)
    has_marks = (marks[..., _R_PEAK] >= 0).any(axis=1)
    presence = np.where(has_marks, (marks[..., _P_PEAK] >= 0).mean(axis=1), np.nan)
    return np.stack(
        [
            presence,
            *durations,
            qt / rr_s**0.5,
            qt / rr_s ** (1 / 3),
            *(median_of_rows(_values(signal, each) - level) for each in peaks),
        ],
        axis=1,
    )


def _isoelectric_level(signal: FloatArray, qrs_on: IntArray, fs: float) -> FloatArray:
    """Return the mean of the signal before each QRS onset; NaN without one."""
    n_window = max(1, round(BASELINE_S * fs))
    window = qrs_on[..., None] - np.arange(1, n_window + 1)
    window = np.where(qrs_on[..., None] >= 0, window, -1)
    level: FloatArray = _values(signal, window).mean(axis=2)
    return level


def _values(signal: FloatArray, places: IntArray) -> FloatArray:
    """Return each lead's voltages at its places; NaN where a place is negative."""
    lead = np.arange(len(signal)).reshape(-1, *[1] * (places.ndim - 1))
    return np.where(places >= 0, signal[lead, np.maximum(places, 0)], np.nan)
