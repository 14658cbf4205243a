"""Spectra of the leads, and of their residuals without the average beat."""

import functools
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats.types import MAX_VOLTAGE_MV

# The kernels are imported by the functions that call them: showing the table of
# features must be fast, and loading numba is slow.

SEGMENT_S: Final = 4.0
"""Length of a segment of the spectrum; its resolution is a quarter of a hertz."""

BANDS_HZ: Final = (0.5, 4.0, 15.0, 40.0)
"""Edges of the bands of the baseline, of T and P waves, and of the QRS complex."""

F_WAVE_HZ: Final = (4.0, 9.0)
"""The band of fibrillatory waves (Slocum et al. 1992, J. Electrocardiol. 25:1)."""

RESIDUAL_HZ: Final = (1.0, 40.0)
"""Band of the total power of the residual, the divisor of relative powers."""

MIN_BEATS: Final = 4
"""Minimum number of beats for an average; of fewer, one beat is too large a part."""

_SAMPLES_AT_ONCE: Final = 1 << 17
"""Samples of segments whose spectra are computed at once: 1 MB stays cached."""

BEFORE_R_S: Final = 0.25
BEFORE_R: Final = 0.35
"""A beat begins before its P wave: 0.25 s before its R-peak, or 0.35 of the median RR
interval where that is less."""


def spectral_features(signal: FloatArray, fs: float) -> FloatArray:
    """Measure the spectra of a record and of each of its leads.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of shape (1 + 12, n_features)
        The features of `ecgstore.features.spectrum.definitions.SPECTRUM`, in that
        order, float64: the medians over the leads, then the leads; NaN where undefined.

    Notes
    -----
    The spectrum is that of Welch 1967 (IEEE Trans. Audio Electroacoust. 15:70): the
    mean over Hann-windowed segments of 4 s, each without its mean, that overlap by
    half, equal to `scipy.signal.welch`. A rest of less than 2 s at the end is not used.
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
    """Measure the f waves of a record and of each of its leads.

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
        The features of `ecgstore.features.spectrum.definitions.F_WAVES`, in that
        order, float64: the medians over the leads, then the leads; NaN where undefined.

    Raises
    ------
    ValueError
        If `r_peaks` is not strictly increasing inside the signal.

    Notes
    -----
    The average beat of a lead is subtracted from every beat (Slocum et al. 1992, J.
    Electrocardiol. 25:1): f waves are not locked to the beats and remain. Deviation: a
    beat lasts from before its P wave to before that of the next one, so that P waves,
    which are locked to the beats, are removed as well. The average beat is as long as
    the median RR interval. The spectrum of the residual, from the first beat to the end
    of the record, is computed as in `spectral_features`.
    """
    from ecgstore.features._order_kernels import write_medians
    from ecgstore.features.spectrum import _kernels as kernels

    signal = np.ascontiguousarray(signal, np.float64)
    r_peaks = np.ascontiguousarray(r_peaks, np.int64)
    out = np.full((1 + len(signal), kernels.N_F_WAVE), np.nan)
    if len(r_peaks) < MIN_BEATS:
        return out
    intervals = np.diff(r_peaks)
    rising = r_peaks[0] >= 0 and (intervals > 0).all()
    if not rising or r_peaks[-1] >= signal.shape[1]:
        raise ValueError(
            "r_peaks must be strictly increasing sample indices from 0 to "
            f"{signal.shape[1] - 1}"
        )
    # The upper median: half of the beats are as long as the average beat, or longer.
    n_template = int(np.sort(intervals)[(len(r_peaks) - 1) // 2])
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
    """Return whether there is a segment, and whether its spectrum covers all bands."""
    return signal.shape[1] >= round(SEGMENT_S * fs) and fs > 2 * BANDS_HZ[-1]


def _df(fs: float) -> float:
    """Return the distance between frequencies in Hz."""
    return fs / round(SEGMENT_S * fs)


@functools.lru_cache(maxsize=16)
def _edges(bands_hz: tuple[float, ...], fs: float) -> IntArray:
    """Return the index of each band's first frequency, and of that behind the last."""
    places = np.asarray(bands_hz) / _df(fs)
    edges = np.ceil(places - 1e-9).astype(np.int64)
    edges[-1] = np.floor(places[-1] + 1e-9) + 1  # the last band includes its end
    edges.flags.writeable = False  # shared by all callers
    return edges


@functools.lru_cache(maxsize=16)
def _window(fs: float) -> FloatArray:
    """Return the Hann window of a segment, periodic as for a Fourier transform."""
    n = round(SEGMENT_S * fs)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    window.flags.writeable = False  # shared by all callers
    return window


def _power(signal: FloatArray, fs: float, n_frequencies: int) -> FloatArray:
    """Return each lead's power in mV^2, of shape (n_leads, n_frequencies)."""
    from ecgstore.features.spectrum import _kernels as kernels

    window = _window(fs)
    step = len(window) // 2
    n_leads = len(signal)
    n_segments = 1 + (signal.shape[1] - len(window)) // step
    power = np.empty((n_leads, n_frequencies))
    # Twice, for the negative frequencies: no band holds 0 Hz or fs / 2.
    scale = 2 / (len(window) * (window**2).sum())
    at_once = max(1, _SAMPLES_AT_ONCE // (n_segments * len(window)))
    for begin in range(0, n_leads, at_once):
        leads = slice(begin, min(begin + at_once, n_leads))
        segments = np.empty((leads.stop - begin, n_segments, len(window)))
        usable = np.empty(len(segments), np.bool_)
        kernels.write_segments(
            signal[leads], window, step, MAX_VOLTAGE_MV, segments, usable
        )
        spectra = np.fft.rfft(segments, axis=2)
        kernels.write_power(spectra, usable, scale, power[leads])
    return power
