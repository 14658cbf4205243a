"""Durations and amplitudes of the waves of each lead."""

from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features.beats import Beats
from ecgstore.features.medians import median_of_rows
from ecgstore.record import Mark

BASELINE_S: Final = 0.02
"""The isoelectric level of a beat is the mean over this time before QRS onset."""


def wave_features(signal: FloatArray, beats: Beats, fs: float) -> FloatArray:
    """Return the wave features of each lead of a record.

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
    ndarray of shape (12, n_features)
        The features that `ecgstore.features.table.WAVES` names and defines, in that
        order, float64; NaN where undefined.

    Notes
    -----
    A lead's value is the median over the beats that have the marks it needs. QTc takes
    a lead's median QT and the median RR interval of the record, in s:
    Bazett 1920 (Heart 7:353-370) QT / sqrt(RR), Fridericia 1920 (Acta Med. Scand.
    53:469-486) QT / RR^(1/3). Amplitudes are relative to the isoelectric level of
    their beat, the mean of the `BASELINE_S` before QRS onset: the PR segment, where
    there is one.
    """
    signal = np.asarray(signal, np.float64)
    marks = beats.fiducials
    n_beats = len(beats.r_peaks)
    times = np.where(marks >= 0, marks, np.nan) / fs * 1000
    durations = [
        median_of_rows(times[..., end] - times[..., begin])
        for begin, end in (
            (Mark.P_ON, Mark.P_OFF),
            (Mark.P_ON, Mark.QRS_ON),
            (Mark.QRS_ON, Mark.QRS_OFF),
            (Mark.QRS_ON, Mark.T_OFF),
        )
    ]
    qt = durations[-1]
    rr_s = float(np.median(np.diff(beats.r_peaks))) / fs if n_beats > 1 else np.nan
    q_s = q_s_peaks(signal, marks)
    peaks = (
        marks[..., Mark.P_PEAK],
        q_s[..., 0],
        marks[..., Mark.R_PEAK],
        q_s[..., 1],
        marks[..., Mark.T_PEAK],
    )
    level = _isoelectric_level(signal, marks[..., Mark.QRS_ON], fs)
    has_marks = (marks[..., Mark.R_PEAK] >= 0).any(axis=1)
    n_p_waves = (marks[..., Mark.P_PEAK] >= 0).sum(axis=1)
    presence = np.where(has_marks, n_p_waves / max(n_beats, 1), np.nan)
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


def q_s_peaks(signal: FloatArray, fiducials: IntArray) -> IntArray:
    """Return where the Q and the S waves are deepest.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV.
    fiducials : ndarray of shape (12, n_beats, 9)
        Marks in the order of `Mark`; -1 where absent.

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
    >>> marks[:, 0, [Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF]] = 1, 4, 7
    >>> q_s_peaks(signal, marks)[0].tolist()
    [[2, 6]]
    """
    signal = np.asarray(signal)
    on, r_peak, off = (
        fiducials[..., mark] for mark in (Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF)
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
