"""Durations, amplitudes and areas of the waves of each lead."""

from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats.types import Beats
from ecgstore.record import Mark

# The kernels are imported by the functions that call them: showing the table of
# features must be fast, and loading numba is slow.

BASELINE_S: Final = 0.02
"""The isoelectric level of a beat is the mean over this time before QRS onset.

The part that belongs to the P wave is left out; if nothing remains, the level is the
voltage at QRS onset.
"""

EARLY: Final = 0.1
LATE: Final = 0.9
"""Quantiles over the leads of the onsets and offsets that bound a record's waves.

By convention an interval lasts from the earliest onset to the latest offset of all
leads, but then a single bad mark decides it. On the 100 odd records of LUDB, the error
of QRS duration and QT against the cardiologists' earliest and latest marks scatters no
more with these quantiles than with the extremes (sd 10 and 23 ms with either), and with
NeuroKit2's marks it scatters less (15 and 28 ms instead of 16 and 33). Medians are far
worse: the mean errors are -21 and -38 ms instead of -12 and -26.
"""


def wave_features(signal: FloatArray, beats: Beats, fs: float) -> FloatArray:
    """Measure the waves of a record and of each of its leads.

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
    ndarray of shape (1 + 12, n_features)
        The features of `ecgstore.features.waves.definitions.WAVES` that are measured,
        in that order, float64, of the record and then of its leads; NaN where
        undefined.

    Raises
    ------
    ValueError
        If a mark lies behind the end of the signal, or the numbers of R-peaks and of
        marked beats differ.
    """
    from ecgstore.features.waves import _kernels as kernels

    signal = np.ascontiguousarray(signal, np.float64)
    marks = np.ascontiguousarray(beats.fiducials, np.int64)
    _check(signal, marks)
    n_leads, n_beats = marks.shape[:2]
    if len(beats.r_peaks) != n_beats:
        raise ValueError(
            f"there are {len(beats.r_peaks)} R-peaks and marks of {n_beats} beats; "
            "expected the same number"
        )
    out = np.empty((1 + n_leads, kernels.N_FEATURES))
    kernels.wave_features(
        signal,
        marks,
        fs,
        max(1, round(BASELINE_S * fs)),
        EARLY,
        LATE,
        np.empty((kernels.N_OF_BEATS, max(n_beats, n_leads))),
        np.empty((n_beats, 2), np.int64),
        out,
    )
    return out


def q_s_peaks(signal: FloatArray, fiducials: IntArray) -> IntArray:
    """Return where the Q and the S waves are deepest.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV.
    fiducials : ndarray of shape (n_leads, n_beats, 9)
        Marks in the order of `Mark`; -1 where absent.

    Returns
    -------
    ndarray of shape (n_leads, n_beats, 2)
        Sample indices of the Q and the S wave; -1 where there is none, or where one of
        the three marks of the QRS complex is missing.

    Raises
    ------
    ValueError
        If a mark lies behind the end of the signal.

    Notes
    -----
    A complex has up to two dips: the lowest sample from QRS onset to R-peak, and the
    lowest from there to QRS offset, each if it lies 0.03 mV or more below the voltage
    at QRS onset. All first dips of a lead are the same wave. They are S waves if an r
    wave comes before them: if the signal rises 0.03 mV or more above the voltage at QRS
    onset, in the median over the beats with the dip. Otherwise they are Q waves. The
    same rule holds for the second dips, which are also S waves if the first ones are.
    If both dips of a beat are the same wave, the lower one is taken.

    Examples
    --------
    >>> from ecgstore.record import Mark
    >>> signal = np.tile([0.0, 0.0, -0.1, 0.5, 1.0, 0.3, -0.2, 0.0, 0.0], (12, 1))
    >>> marks = np.full((12, 1, 9), -1)
    >>> marks[:, 0, [Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF]] = 1, 4, 7
    >>> q_s_peaks(signal, marks)[0].tolist()
    [[2, 6]]
    """
    from ecgstore.features.waves._kernels import q_s_of_leads

    signal = np.ascontiguousarray(signal, np.float64)
    marks = np.ascontiguousarray(fiducials, np.int64)
    _check(signal, marks)
    n_beats = marks.shape[1]
    places = np.empty((len(signal), n_beats, 2), np.int64)
    q_s_of_leads(signal, marks, np.empty(n_beats), places)
    return places


def _check(signal: FloatArray, marks: IntArray) -> None:
    """Raise if a mark lies outside the signal: kernels do not check."""
    last = int(marks.max(initial=-1))
    if last >= signal.shape[1] or len(marks) != len(signal):
        raise ValueError(
            f"marks of {len(marks)} leads up to sample {last} do not fit a signal of "
            f"the shape {signal.shape}"
        )
    if marks.shape[2:] != (len(Mark),):
        raise ValueError(
            f"marks have the shape {marks.shape}; expected {len(Mark)} for each beat"
        )
