"""Resampling as a layer equals the resampling of records, whatever their padding."""

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings, strategies as st

from ecgstore.arrays import FloatArray
from ecgstore.models.networks.masked import mask_of_samples, sample_mask
from ecgstore.models.networks.resample import Resample
from ecgstore.signals.resampling import low_pass, resample

N_LEADS = 2
RATES = [(500, 240), (500, 400), (500, 100), (100, 250), (257, 500), (500, 500)]


def records_of(n_real: list[int], padding: int, seed: int) -> FloatArray:
    """Slow noise with an offset, in mV, with zero padding at the end."""
    generator = np.random.default_rng(seed)
    signals = np.zeros((len(n_real), N_LEADS, max(n_real) + padding))
    for record, n in zip(signals, n_real, strict=True):
        record[:, :n] = generator.normal(1, 0.3, (N_LEADS, n)).cumsum(-1) / 20 + 1
    return signals


@settings(max_examples=60)
@given(
    rates=st.sampled_from(RATES),
    n_real=st.lists(st.integers(1, 300), min_size=1, max_size=3),
    padding=st.integers(0, 90),
    seed=st.integers(0, 999),
)
def test_padded_records_equal_records_resampled_alone(
    rates: tuple[int, int], n_real: list[int], padding: int, seed: int
) -> None:
    fs_in, fs_out = rates
    signals = records_of(n_real, padding, seed)
    tensor = torch.from_numpy(signals).float()
    mask = mask_of_samples(torch.tensor(n_real), tensor)
    actual, new_mask = Resample(fs_in, fs_out)(tensor, mask)
    n_samples = -(-signals.shape[-1] * fs_out // fs_in)
    assert actual.shape == (len(n_real), N_LEADS, n_samples)
    assert new_mask is not None
    assert new_mask.shape == (len(n_real), 1, n_samples)
    for number, n in enumerate(n_real):
        expected = resample(signals[number, :, :n], fs_in, fs_out)
        n_new = expected.shape[1]
        np.testing.assert_allclose(actual[number, :, :n_new], expected, atol=2e-5)
        assert not actual[number, :, n_new:].any()
        assert new_mask[number, 0].tolist() == [1] * n_new + [0] * (n_samples - n_new)
        alone, no_mask = Resample(fs_in, fs_out)(tensor[number, None, :, :n], None)
        assert no_mask is None
        np.testing.assert_allclose(alone[0], expected, atol=2e-5)


@pytest.mark.parametrize(("fs_in", "fs_out"), RATES[:-1])
def test_the_filter_is_that_of_scipy(fs_in: int, fs_out: int) -> None:
    """For signals that begin and end at 0, where no line is subtracted."""
    signals = records_of([400], 0, 1) * scipy.signal.windows.hann(400)
    divisor = np.gcd(fs_in, fs_out)
    up, down = fs_out // divisor, fs_in // divisor
    expected: FloatArray = scipy.signal.resample_poly(  # type: ignore[call-overload]
        signals, up, down, axis=-1, window=low_pass(max(up, down))
    )
    tensor = torch.from_numpy(signals).float()
    actual, _ = Resample(fs_in, fs_out)(tensor, None)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_a_record_without_samples_stays_finite() -> None:
    signals = torch.zeros(2, N_LEADS, 50)
    signals[0] = 1
    mask = sample_mask(torch.tensor([50, 0]), signals)
    actual, new_mask = Resample(500, 240)(signals, mask)
    assert new_mask is not None
    assert new_mask.sum(-1).flatten().tolist() == [24, 0]
    torch.testing.assert_close(actual[0], torch.ones(N_LEADS, 24))
    assert not actual[1].any()
