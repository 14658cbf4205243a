"""Baseline wander, powerline interference and white noise."""

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from ecgstore.pipes import (
    BaselineWander,
    Draws,
    ElectrodeNoise,
    Powerline,
    WhiteNoise,
    WhiteNoiseAtSnr,
)
from ecgstore.pipes.fusing.counter_noise import gaussian_noise
from tests.pipes.transforms.random_batches import added, copy, make_batch, signals_of


def test_wander_is_the_sum_of_sinusoids_of_its_definition() -> None:
    pool = make_batch(30, 4, 5000, padded=False)
    augmentation = BaselineWander(amplitude_mv=(0.2, 0.4), probability=1)
    wander = added(augmentation, pool)
    draws = Draws(pool, zlib.crc32(b"BaselineWander"))
    draws.uniform_array()  # whether each record is changed
    hz = draws.uniform_array(0.05, 0.5, (3, 1))
    shares = draws.uniform_array(0, 1, (1, 3))
    sizes = (
        draws.uniform_array(0.2, 0.4, (4, 1)) * shares / shares.sum(-1, keepdims=True)
    )
    phases = draws.uniform_array(0, 2 * np.pi, (4, 3))
    seconds = np.arange(5000) / 500
    # (n_records, n_leads, n_sinusoids, n_samples)
    angles = 2 * np.pi * hz[:, None] * seconds + phases[..., None]
    expected = (sizes[..., None] * np.sin(angles)).sum(axis=2)
    np.testing.assert_allclose(wander, expected, atol=0.005 * 0.4)
    slopes = np.diff(wander), np.diff(expected)
    np.testing.assert_allclose(*slopes, atol=3e-4)  # of 1.3e-3 at most
    assert np.abs(wander).max() <= 0.4


@pytest.mark.parametrize("fs", [100.0, 500.0, 977.0])
def test_wander_is_slow_at_every_rate(fs: float) -> None:
    n_samples = round(60 * fs)
    pool = make_batch(3, 2, n_samples, padded=False)
    wander = added(BaselineWander(frequency_hz=(0.2, 0.4)), replace(pool, fs=fs))
    power = np.abs(np.fft.rfft(wander * np.hanning(n_samples))) ** 2
    hz = np.fft.rfftfreq(n_samples, 1 / fs)
    within = power[..., (hz > 0.15) & (hz < 0.45)].sum(axis=-1)
    assert (within > 0.999 * power.sum(axis=-1)).all()


def test_powerline_has_the_mains_frequency_and_harmonics() -> None:
    pool = make_batch(60, 3, 5000, padded=False)
    augmentation = Powerline(amplitude_mv=(0.02, 0.06), harmonics=(0.0, 0.5))
    spectra = np.fft.rfft(added(augmentation, pool)) / 2500  # bins of 0.1 Hz
    sizes = np.abs(spectra)
    is_60 = sizes[:, 0, 600] > 0.01
    assert 15 < is_60.sum() < 45
    n_opposite = 0
    for record in range(len(pool)):
        mains = 600 if is_60[record] else 500
        fundamental = sizes[record, :, mains]
        assert ((fundamental > 0.0199) & (fundamental < 0.0601)).all()
        assert len(np.unique(fundamental)) == 3
        np.testing.assert_allclose(sizes[record, :, 3 * mains], fundamental / 2, 1e-3)
        others = np.delete(sizes[record], [mains, 3 * mains], axis=1)
        assert others.max() < 1e-5
        lines = spectra[record, :, mains] / spectra[record, 0, mains]
        np.testing.assert_allclose(lines.imag, 0, atol=1e-4)  # one phase, or opposite
        n_opposite += int((lines.real < 0).sum())
    assert 40 < n_opposite < 80  # of the 120 other leads


def test_white_noise_is_white_and_gaussian() -> None:
    pool = make_batch(40, 12, 5000, padded=False)
    noise = added(WhiteNoise(sd_mv=(0.03, 0.2)), pool).astype("f8")
    sd_mv = noise.std(axis=(1, 2))
    assert 0.029 < sd_mv.min() < 0.05
    assert 0.17 < sd_mv.max() < 0.21
    noise /= sd_mv[:, None, None]
    assert np.abs(noise.std(axis=2) - 1).max() < 0.06
    assert stats.kstest(noise[::7].ravel()[::50], "norm").pvalue > 0.001
    for lag in (1, 2, 17):
        product = (noise[..., lag:] * noise[..., :-lag]).mean(axis=2)
        assert np.abs(product).max() < 0.08
    between_leads = noise[3] @ noise[3].T / 5000 - np.eye(12)
    assert np.abs(between_leads).max() < 0.08
    between_records = noise[:, 0] @ noise[:, 0].T / 5000 - np.eye(40)
    assert np.abs(between_records).max() < 0.1


def test_white_noise_has_the_given_ratio_over_real_samples() -> None:
    pool = make_batch(60, 3, 5000, padded=False)
    half = replace(pool, n_real_samples=torch.full((60,), 2000))
    assert half.signals is not None
    half.signals[..., 2000:] = 0
    half.signals[:, 1] *= 7
    half.signals[:, 2] = 0
    clean = signals_of(copy(half)).astype("f8")
    noise = signals_of(WhiteNoiseAtSnr(snr_db=(3, 20), probability=1)(half)) - clean
    powers = [(part[:, :2, :2000] ** 2).mean(axis=2) for part in (clean, noise)]
    snr_db = 10 * np.log10(powers[0] / powers[1])
    np.testing.assert_allclose(snr_db[:, 0], snr_db[:, 1], atol=0.9)
    assert 2.7 < snr_db.min() < 6
    assert 17 < snr_db.max() < 20.3
    assert not noise[:, 2].any()  # a lead that is zero stays zero


@pytest.mark.parametrize("n_samples", [1, 90_000, 350_000])
def test_white_noise_is_gaussian_in_records_of_any_length(n_samples: int) -> None:
    """Also of records longer than the table of noise usually is (2**20 numbers)."""
    n_records = max(3, 3000 // n_samples)
    pool = make_batch(n_records, 3, n_samples, padded=False)
    noise = added(WhiteNoise(sd_mv=(1.0, 1.0)), pool).reshape(n_records, -1)
    assert np.isfinite(noise).all()
    assert (
        stats.kstest(noise.ravel()[:: 1 + noise.size // 50_000], "norm").pvalue > 1e-3
    )
    assert np.abs(np.corrcoef(noise)[0, 1:3]).max() < 5 / np.sqrt(noise.shape[1])
    if n_samples > 1:  # no number is used twice in a record
        between_leads = np.corrcoef(noise[0].reshape(3, -1)) - np.eye(3)
        assert np.abs(between_leads).max() < 5 / np.sqrt(n_samples)


@pytest.mark.parametrize(
    ("augmentation", "fs", "message"),
    [
        (BaselineWander(frequency_hz=(0.1, 90)), 500.0, "frequency_hz is .* to 16.1"),
        (Powerline(), 100.0, "at 60 Hz; expected one below .* .50 Hz"),
        (Powerline(mains_hz=(60,), harmonics=(1, 1, 1, 1)), 500.0, "at 300 Hz"),
    ],
)
def test_frequencies_above_the_sampling_rate_are_refused(
    augmentation: Any, fs: float, message: str
) -> None:
    pool = replace(make_batch(9), fs=fs)
    with pytest.raises(ValueError, match=message):
        augmentation(pool)


def test_electrode_noise_keeps_the_relations_of_the_leads() -> None:
    pool = make_batch(20, 12, 5000, padded=False)
    noise = added(ElectrodeNoise(sd_mv=(0.05, 0.05)), pool).astype("f8")
    one, two, three, avr, avl, avf = (noise[:, number] for number in range(6))
    np.testing.assert_allclose(three, two - one, atol=1e-7)
    np.testing.assert_allclose(avr + avl + avf, 0, atol=1e-7)
    np.testing.assert_allclose(avf, (two + three) / 2, atol=1e-7)
    sd = noise.std(axis=(0, 2)) / 0.05
    expected = np.sqrt([2, 2, 2, 1.5, 1.5, 1.5, *[4 / 3] * 6])
    np.testing.assert_allclose(sd, expected, rtol=0.02)
    # What chest leads have in common is the share of the limbs' electrodes.
    chest = np.corrcoef(noise[:, 6:].swapaxes(0, 1).reshape(6, -1))
    np.testing.assert_allclose(chest[~np.eye(6, dtype=bool)], 0.25, atol=0.02)


def test_leads_without_known_electrodes_are_refused() -> None:
    pool = replace(make_batch(5, 2), leads=("II", "MLII"))
    with pytest.raises(ValueError, match=r"lead 'MLII' are not known; .* WhiteNoise"):
        ElectrodeNoise(probability=1.0)(pool)
    right = replace(make_batch(5, 2), leads=("V3", "V3R"))
    assert np.isfinite(added(ElectrodeNoise(), right)).all()


def test_noise_of_a_record_depends_on_its_keys_and_positions_alone() -> None:
    """Neighbouring keys, as of neighbouring seeds, give independent noise."""
    keys = torch.arange(400).reshape(200, 2)
    noise = gaussian_noise(keys, 2, 2000).reshape(200, -1)
    correlations = np.corrcoef(noise.numpy()) - np.eye(200)
    assert np.abs(correlations).max() < 5.5 / np.sqrt(noise.shape[1])
    assert stats.kstest(noise[::10].ravel().numpy(), "norm").pvalue > 1e-3
    power = np.abs(np.fft.rfft(noise[:, :2000].numpy())) ** 2
    flat = power[:, 1:-1].mean(axis=0) / 2000
    assert np.abs(flat - 1).max() < 5.5 / np.sqrt(200)
    largest = float(noise.abs().max())
    assert 4.5 < largest < 6  # of 800,000 numbers
    fourth = float((noise.double() ** 4).mean())
    assert abs(fourth - 3) < 0.05
