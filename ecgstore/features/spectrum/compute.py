"""Spectra of the leads, and of what is left of them without the beats."""

import functools
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats.types import MAX_VOLTAGE_MV

# The kernels are imported where they are called: the table of features must be quick
# to show, and numba is not quick to load.

SEGMENT_S: Final = 4.0
"""Length of a segment of the spectrum, which is resolved to a quarter of a hertz."""

BANDS_HZ: Final = (0.5, 4.0, 15.0, 40.0)
"""Edges of the bands: below the T wave's main power, T and P waves, QRS complex."""

F_WAVE_HZ: Final = (4.0, 9.0)
"""The band of fibrillatory waves (Slocum et al. 1992, J. Electrocardiol. 25:1)."""

RESIDUAL_HZ: Final = (1.0, 40.0)
"""The band that the power of the f waves is compared with."""

MIN_BEATS: Final = 4
"""Beats that an average beat needs: of fewer, too much of it is each beat itself."""

BEFORE_R_S: Final = 0.25
"""How long before its R-peak a beat begins: with its P wave.

It is less where beats are fast: `BEFORE_R` of the median RR interval.
"""
BEFORE_R: Final = 0.35


def spectral_features(signal: FloatArray, fs: float) -> FloatArray:
    """Return the spectral features of a record and of each of its leads.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of shape (1 + 12, n_features)
        The features that `ecgstore.features.spectrum.definitions.SPECTRUM` names and
        defines, in that order, float64: the medians over the leads, then the leads; NaN
        where undefined.

    Notes
    -----
    The spectrum is that of Welch 1967 (IEEE Trans. Audio Electroacoust. 15:70): the
    mean over Hann-windowed segments of 4 s, each without its mean, that overlap by
    half, equal to `scipy.signal.welch`. What is left at the end, less than 2 s, does
    not count.
    """
    from ecgstore.features._order_kernels import write_medians
    from ecgstore.features.spectrum import _kernels as kernels

    signal = np.ascontiguousarray(signal, np.float64)
    out = np.full((1 + len(signal), kernels.N_SPECTRAL), np.nan)
    if _is_long_enough(signal, fs):
        edges = _edges(BANDS_HZ, fs)
        kernels.spectral_features(
            _power(signal, fs, edges[-1]), edges, _df(fs), out[1:]
        )
        write_medians(out, np.empty(len(signal)))
    return out


def f_wave_features(signal: FloatArray, r_peaks: IntArray, fs: float) -> FloatArray:
    """Return the features of f waves of a record and of each of its leads.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV.
    r_peaks : ndarray of shape (n_beats,)
        Sample indices of the record's beats, strictly increasing.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of shape (1 + 12, n_features)
        The features that `ecgstore.features.spectrum.definitions.F_WAVES` names and
        defines, in that order, float64: the medians over the leads, then the leads; NaN
        where undefined.

    Raises
    ------
    ValueError
        If `r_peaks` is not strictly increasing inside the signal.

    Notes
    -----
    The average beat of a lead is taken off every beat (Slocum et al. 1992, J.
    Electrocardiol. 25:1): f waves are not bound to the beats and stay. Deviation: a
    beat lasts from before its P wave to before that of the next one, so that P waves,
    which are bound to the beats, go as well. The average covers the samples that half
    of the beats reach. The spectrum of the rest, from the first beat to the end of the
    record, is that of `spectral_features`.
    """
    from ecgstore.features._order_kernels import write_medians
    from ecgstore.features.spectrum import _kernels as kernels

    signal = np.ascontiguousarray(signal, np.float64)
    r_peaks = np.ascontiguousarray(r_peaks, np.int64)
    out = np.full((1 + len(signal), kernels.N_F_WAVE), np.nan)
    if len(r_peaks) < MIN_BEATS:
        return out
    rising = r_peaks[0] >= 0 and (np.diff(r_peaks) > 0).all()
    if not rising or r_peaks[-1] >= signal.shape[1]:
        raise ValueError(
            f"r_peaks must rise from 0 on and stay below {signal.shape[1]}, the number "
            "of samples"
        )
    # The middle one, so that half of the beats are as long as the average beat or more.
    n_template = int(np.sort(np.diff(r_peaks))[(len(r_peaks) - 1) // 2])
    n_before = round(min(BEFORE_R_S * fs, BEFORE_R * n_template))
    starts = r_peaks - n_before
    starts = starts[starts >= 0]
    if len(starts) < MIN_BEATS:
        return out
    n_samples = signal.shape[1] - int(starts[0])
    residual = np.empty((len(signal), n_samples))
    if _is_long_enough(residual, fs):
        kernels.write_residual(
            signal,
            starts,
            n_template,
            np.empty(n_template),
            np.empty(n_template),
            residual,
        )
        low, high = RESIDUAL_HZ
        edges = _edges((low, *F_WAVE_HZ, high), fs)
        kernels.f_wave_features(
            _power(residual, fs, edges[-1]), edges, _df(fs), out[1:]
        )
        write_medians(out, np.empty(len(signal)))
    return out


def _is_long_enough(signal: FloatArray, fs: float) -> bool:
    """Return whether there is a segment, and its spectrum goes beyond all bands."""
    return signal.shape[1] >= round(SEGMENT_S * fs) and fs > 2 * BANDS_HZ[-1]


def _df(fs: float) -> float:
    """Return the distance of the frequencies in Hz."""
    return fs / round(SEGMENT_S * fs)


@functools.lru_cache(maxsize=16)
def _edges(bands_hz: tuple[float, ...], fs: float) -> IntArray:
    """Return the first frequency of each band, and the first one behind the last."""
    places = np.asarray(bands_hz) / _df(fs)
    edges = np.ceil(places - 1e-9).astype(np.int64)
    edges[-1] = np.floor(places[-1] + 1e-9) + 1  # the last band includes its end
    edges.flags.writeable = False  # shared by all callers
    return edges


@functools.lru_cache(maxsize=16)
def _window(fs: float) -> FloatArray:
    """Return the window of a segment, the Hann window as for a Fourier transform."""
    n = round(SEGMENT_S * fs)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    window.flags.writeable = False  # shared by all callers
    return window


def _power(signal: FloatArray, fs: float, n_frequencies: int) -> FloatArray:
    """Return the power in mV^2 of each lead at the first frequencies."""
    from ecgstore.features.spectrum import _kernels as kernels

    window = _window(fs)
    step = len(window) // 2
    n_segments = 1 + (signal.shape[1] - len(window)) // step
    segments = np.empty((n_segments, len(window)))
    power = np.empty((len(signal), n_frequencies))
    # Two for the negative frequencies, which all of the bands have.
    scale = 2 / (len(window) * (window**2).sum())
    for k in range(len(signal)):  # one after the other, they stay in the cache
        if kernels.write_segments(signal[k], window, step, MAX_VOLTAGE_MV, segments):
            kernels.write_power(np.fft.rfft(segments, axis=1), scale, power[k])
        else:
            power[k] = np.nan
    return power
