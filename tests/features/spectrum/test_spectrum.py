"""Spectra and f waves: against SciPy, against plain definitions, of known signals."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import signal as scipy_signal

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features.spectrum import _kernels as kernels
from ecgstore.features.spectrum.compute import f_wave_features, spectral_features
from ecgstore.features.spectrum.definitions import F_WAVES, SPECTRUM
from ecgstore.record import LEADS

SPECTRAL_NAMES = [feature.name for feature in SPECTRUM.definitions]
F_NAMES = [feature.name for feature in F_WAVES.definitions]


def noise(seed: int, n_samples: int) -> FloatArray:
    return np.random.default_rng(seed).normal(0, 1, (12, n_samples)).cumsum(axis=1)


def welch(signal: FloatArray, fs: float) -> tuple[FloatArray, FloatArray]:
    """Return frequencies and power, not density, of each lead."""
    n = round(4 * fs)
    f, density = scipy_signal.welch(signal, fs, "hann", n, n // 2)
    return f, density * fs / n


def plain_spectral(signal: FloatArray, fs: float) -> FloatArray:
    f, power = welch(signal, fs)
    used = (f >= 0.5) & (f <= 40)
    total = power[:, used].sum(axis=1)
    bands = [
        power[:, (f >= low) & (f < high)].sum(axis=1)
        for low, high in ((0.5, 4), (4, 15), (15, 40.001))
    ]
    part = power[:, used] / total[:, None]
    entropy = -(part * np.log(part)).sum(axis=1) / np.log(used.sum())
    dominant = f[used][part.argmax(axis=1)]
    rows = np.stack([*bands, *(power / total for power in bands), entropy, dominant])
    return np.vstack([np.median(rows, axis=1), rows.T])


@pytest.mark.parametrize("fs", [81.0, 250.0, 500.0, 1000.0])
@pytest.mark.parametrize("duration_s", [4, 5.9, 10, 11.3])
def test_spectra_equal_their_plain_definition(fs: float, duration_s: float) -> None:
    signal = noise(1, round(duration_s * fs))
    got = spectral_features(signal, fs)
    np.testing.assert_allclose(got, plain_spectral(signal, fs), rtol=1e-9)


def plain_f_waves(signal: FloatArray, r_peaks: IntArray, fs: float) -> FloatArray:
    rr = np.sort(np.diff(r_peaks))
    n_average = rr[len(rr) // 2]  # half of the beats are as long, or more
    begins = r_peaks - round(min(0.25 * fs, 0.35 * n_average))
    begins = begins[begins >= 0]
    ends = [*begins[1:], signal.shape[1]]
    residual = signal[:, begins[0] :].copy()
    for lead, rest in zip(signal, residual, strict=True):
        beats = [lead[b:e] for b, e in zip(begins, ends, strict=True)]
        average = [
            np.mean([beat[i] for beat in beats if len(beat) > i])
            for i in range(min(n_average, max(map(len, beats))))
        ]
        for begin, beat in zip(begins, beats, strict=True):
            for i, value in enumerate(beat):
                average_here = average[min(i, len(average) - 1)]
                rest[begin - begins[0] + i] = value - average_here
    f, power = welch(residual, fs)
    total = power[:, (f >= 1) & (f <= 40)].sum(axis=1)
    band = (f >= 4) & (f < 9)
    f_power = power[:, band].sum(axis=1)
    peak = f[band][power[:, band].argmax(axis=1)]
    near = [
        p[(f >= 0.82 * at - 1e-9) & (f <= 1.17 * at + 1e-9)].sum()
        for p, at in zip(power, peak, strict=True)
    ]
    rows = np.stack([f_power, f_power / total, peak, near / total])
    return np.vstack([np.median(rows, axis=1), rows.T])


@given(st.integers(0, 2**32 - 1))
def test_f_waves_equal_their_plain_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fs = float(rng.choice([100, 250]))
    rr = rng.uniform(0.4, 1.3) * fs * rng.lognormal(0, rng.choice([0.01, 0.3]), 9)
    r_peaks = np.cumsum(np.r_[rng.integers(0, 50), np.ceil(rr)]).astype(int)
    n_samples = max(int(r_peaks[-1]), round(6 * fs)) + rng.integers(1, 200)
    signal = noise(seed, int(n_samples))
    got = f_wave_features(signal, r_peaks, fs)
    np.testing.assert_allclose(got, plain_f_waves(signal, r_peaks, fs), rtol=1e-8)


def named(names: list[str], row: FloatArray) -> dict[str, float]:
    return dict(zip(names, row.tolist(), strict=True))


def test_a_sine_has_its_power_at_its_frequency() -> None:
    time = np.arange(5000) / 500
    signal = np.tile(0.6 * np.sin(2 * np.pi * 7 * time), (12, 1))
    values = named(SPECTRAL_NAMES, spectral_features(signal, 500.0)[0])
    assert values["middle_power_mv2"] == pytest.approx(0.6**2 / 2)
    assert values["low_power_mv2"] == pytest.approx(0, abs=1e-12)
    assert values["relative_middle_power"] == pytest.approx(1)
    assert values["dominant_frequency_hz"] == 7
    assert values["spectral_entropy"] < 0.2


def test_white_noise_has_an_entropy_near_1() -> None:
    signal = np.random.default_rng(0).normal(0, 1, (12, 60_000))
    values = named(SPECTRAL_NAMES, spectral_features(signal, 500.0)[0])
    assert 0.99 < values["spectral_entropy"] <= 1
    assert values["relative_high_power"] == pytest.approx(25 / 39.5, rel=0.05)


def beats_with(f_wave_mv: float, p_wave_mv: float) -> tuple[FloatArray, IntArray]:
    """Return QRS complexes at irregular times, and f waves or P waves."""
    time = np.arange(5000)
    rr = np.random.default_rng(3).integers(300, 460, 12)
    r_peaks = 200 + np.cumsum(rr)
    r_peaks = r_peaks[r_peaks < 4900]
    lead = f_wave_mv * np.sin(2 * np.pi * 6.25 * time / 500)
    for peak in r_peaks:
        lead += np.exp(-(((time - peak) / 8) ** 2))
        lead += p_wave_mv * np.exp(-(((time - peak + 80) / 20) ** 2))
    return np.tile(lead, (12, 1)), r_peaks


def test_f_waves_are_left_and_p_waves_are_not() -> None:
    values = named(F_NAMES, f_wave_features(*beats_with(0.1, 0.0), 500.0)[0])
    assert values["f_wave_frequency_hz"] == 6.25
    # An average over 11 beats takes about an eleventh of what is bound to none.
    assert values["f_wave_power_mv2"] == pytest.approx(0.1**2 / 2, rel=0.2)
    assert values["f_wave_concentration"] > 0.8
    sinus = named(F_NAMES, f_wave_features(*beats_with(0.0, 0.1), 500.0)[0])
    assert sinus["f_wave_power_mv2"] < 1e-6


def test_signals_that_are_too_short_too_slow_or_flat_are_undefined() -> None:
    signal = noise(2, 5000)
    r_peaks = np.arange(200, 5000, 400)
    for spectrum in (
        spectral_features(signal[:, :1999], 500.0),
        spectral_features(signal, 80.0),
        spectral_features(signal[:, :0], 500.0),
        f_wave_features(signal, r_peaks[:3], 500.0),
        f_wave_features(signal, r_peaks[:0], 500.0),
        f_wave_features(signal[:, :2070], r_peaks[:5], 500.0),
        f_wave_features(signal, r_peaks, 80.0),
        f_wave_features(signal, np.array([5, 600, 1200, 1800]), 500.0),  # 3 are whole
    ):
        assert np.isnan(spectrum).all()
    signal[4] = 0.7
    spectrum = spectral_features(signal, 500.0)[1 + 4]
    assert spectrum[:3] == pytest.approx(0, abs=1e-25)
    assert np.isnan(spectrum[3:]).all()
    f_wave = f_wave_features(signal, r_peaks, 500.0)[1 + 4]
    assert f_wave[0] == pytest.approx(0, abs=1e-25)
    assert np.isnan(f_wave[1:]).all()


@pytest.mark.parametrize(
    "r_peaks", [[10, 5, 600, 900], [-1, 5, 60, 900], [1, 2, 3, 5000]]
)
def test_beats_outside_or_out_of_order_are_refused(r_peaks: list[int]) -> None:
    with pytest.raises(ValueError, match="r_peaks must be strictly increasing"):
        f_wave_features(noise(2, 5000), np.array(r_peaks), 500.0)


def test_a_lead_that_is_not_finite_is_undefined_alone() -> None:
    signal = noise(3, 5000)
    r_peaks = np.arange(200, 5000, 400)
    k = LEADS.index("aVL")
    expected = [
        np.delete(function, 1 + k, axis=0)[1:]
        for function in (
            spectral_features(signal, 500.0),
            f_wave_features(signal, r_peaks, 500.0),
        )
    ]
    for bad in (np.nan, np.inf, 1e30):  # and what is no voltage
        signal[k, 3000] = bad
        got = [
            spectral_features(signal, 500.0),
            f_wave_features(signal, r_peaks, 500.0),
        ]
        for values, others in zip(got, expected, strict=True):
            assert np.isnan(values[1 + k]).all()
            np.testing.assert_array_equal(np.delete(values, 1 + k, axis=0)[1:], others)


def test_kernels_equal_their_plain_python() -> None:
    signal = noise(4, 900)[:2]
    starts = np.array([3, 210, 390, 650, 700])
    window = np.hanning(400)
    outs = []
    for python in (False, True):

        def of(kernel: Any, python: bool = python) -> Any:
            return kernel.py_func if python else kernel

        residual = np.empty((2, 897))
        of(kernels.write_residual)(
            signal, starts, 190, np.empty(190), np.empty(190), residual
        )
        residual[1, 450] = 2e6
        segments, usable = np.empty((2, 3, 400)), np.empty(2, np.bool_)
        of(kernels.write_segments)(residual, window, 200, 1e6, segments, usable)
        assert usable.tolist() == [True, False]
        power = np.empty((2, 170))
        spectra = np.fft.rfft(segments, axis=2)
        of(kernels.write_power)(spectra, usable, 0.5, power)
        edges = np.array([2, 16, 60, 161])
        spectral, f_wave = np.empty((2, 8)), np.empty((2, 4))
        of(kernels.spectral_features)(power, edges, 0.25, spectral)
        of(kernels.f_wave_features)(power, edges, 0.25, f_wave)
        outs.append(np.concatenate([residual, spectral, f_wave], axis=None))
    np.testing.assert_allclose(outs[0], outs[1], rtol=1e-9, atol=1e-12)
    assert len(SPECTRAL_NAMES) == kernels.N_SPECTRAL
    assert len(F_NAMES) == kernels.N_F_WAVE
