"""Decimation equals SciPy's; padding stays zero, marks keep their positions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.signal import decimate
from torch import Tensor

from ecgstore import pipes
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.testing import assert_resumes_exactly
from ecgstore.pipes.transforms.decimate import Decimate
from ecgstore.storage import Store

factors = st.integers(2, 10)


def batch_of(signals: Tensor, n_real: list[int] | None = None) -> Batch:
    n_records, _, n_samples = signals.shape
    return Batch(
        rows=torch.arange(n_records),
        seeds=np.zeros(n_records, np.uint64),
        names=np.array([b"a"] * n_records),
        n_real_samples=torch.tensor(n_real or [n_samples] * n_records),
        signals=signals,
    )


def noise(n_records: int, n_samples: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_records, 2, n_samples, generator=generator)


def signals_of(batch: Batch) -> Tensor:
    assert batch.signals is not None
    return batch.signals


@settings(max_examples=25)
@given(
    factor=factors,
    n_samples=st.integers(1, 900),
    seed=st.integers(0, 99),
    by_kernel=st.booleans(),
)
def test_signals_are_those_of_scipy(
    factor: int, n_samples: int, seed: int, by_kernel: bool
) -> None:
    signals = noise(2, n_samples, seed)
    expected = decimate(signals.numpy().astype(np.float64), factor, ftype="fir")
    signals.requires_grad_(not by_kernel)
    slow = Decimate(factor).filtered(signals).detach()
    assert slow.dtype == torch.float32
    np.testing.assert_allclose(slow.numpy(), expected, atol=1e-5)


def test_a_record_has_the_same_bits_in_any_company() -> None:
    signals = noise(7, 500)
    together = Decimate(5).filtered(signals)
    for n in range(7):
        alone = Decimate(5).filtered(signals[n : n + 1])
        assert torch.equal(alone[0], together[n])


@settings(max_examples=25)
@given(
    factor=factors,
    n_real=st.lists(st.integers(1, 200), min_size=1, max_size=3),
    padding=st.integers(0, 60),
)
def test_padding_does_not_change_a_record(
    factor: int, n_real: list[int], padding: int
) -> None:
    signals = noise(len(n_real), max(n_real) + padding)
    for signal, n in zip(signals, n_real, strict=True):
        signal[:, n:] = 0
    slow = Decimate(factor)(batch_of(signals, n_real))
    for record, n in enumerate(n_real):
        alone = Decimate(factor)(batch_of(signals[record : record + 1, :, :n]))
        n_kept = int(slow.n_real_samples[record])
        assert n_kept == int(alone.n_real_samples[0]) == signals_of(alone).shape[-1]
        slow_record = signals_of(slow)[record]
        torch.testing.assert_close(slow_record[:, :n_kept], signals_of(alone)[0])
        assert not slow_record[:, n_kept:].any()


@settings(max_examples=25)
@given(factor=factors, n_real=st.integers(1, 300), padding=st.integers(0, 20))
def test_every_mark_moves_to_the_nearest_sample(
    factor: int, n_real: int, padding: int
) -> None:
    samples = torch.arange(-1, n_real, dtype=torch.int16)
    batch = replace(
        batch_of(noise(1, n_real + padding), [n_real]),
        r_peaks=samples[None],
        fiducials=samples[None, None, :, None].expand(1, 2, -1, 9),
    )
    slow = Decimate(factor)(batch)
    assert slow.r_peaks is not None
    assert slow.fiducials is not None
    assert slow.r_peaks.dtype == slow.fiducials.dtype == torch.int16
    moved = slow.r_peaks[0]
    assert moved[0] == -1
    last = int(slow.n_real_samples[0]) - 1
    for sample, mark in enumerate(moved[1:].tolist()):
        assert 0 <= mark <= last
        assert abs(mark * factor - sample) <= factor / 2 or mark == last
    assert torch.equal(slow.fiducials[0, 1, :, 8], moved)


def test_marks_of_long_records_do_not_overflow() -> None:
    peaks = torch.tensor([[32767]], dtype=torch.int16)
    batch = replace(batch_of(torch.zeros(1, 1, 40000)), r_peaks=peaks)
    slow = Decimate(5)(batch)
    assert slow.r_peaks is not None
    assert slow.r_peaks.tolist() == [[6553]]


def test_decimated_batches_have_the_new_sampling_rate() -> None:
    batch = batch_of(noise(1, 100))
    slow = Decimate(5)(batch)
    assert slow.fs == 100.0
    assert slow.mv_per_count == 1.0
    assert slow.leads == batch.leads
    assert torch.equal(slow.rows, batch.rows)
    assert slow.r_peaks is None
    assert Decimate(1)(batch) is batch


def test_one_sample_is_decimated_to_one() -> None:
    """It has the shape of before, and so is written to where it was."""
    signals = noise(3, 1)
    expected = Decimate(4).filtered(signals.clone())
    assert torch.equal(signals_of(Decimate(4)(batch_of(signals))), expected)


def test_counts_become_voltages() -> None:
    counts = (noise(2, 300) * 1000).to(torch.int16)
    batch = replace(batch_of(counts), mv_per_count=1e-3)
    slow = Decimate(4)(batch)
    expected = Decimate(4)(batch_of(counts.to(torch.float32) * 1e-3))
    assert torch.equal(signals_of(slow), signals_of(expected))
    assert slow.mv_per_count == 1.0
    assert counts.dtype == torch.int16


def test_low_frequencies_are_kept_and_high_ones_removed() -> None:
    times = torch.arange(5000) / 500
    waves = torch.stack([(2 * torch.pi * hz * times).sin() for hz in (5.0, 80.0)])
    slow = signals_of(Decimate(5)(batch_of(waves[None])))[0, :, 20:-20]
    assert float((slow[0] - waves[0, ::5][20:-20]).abs().max()) < 5e-3
    assert float(slow[1].abs().max()) < 5e-3


def test_gradients_flow_also_after_inference_mode() -> None:
    signals = noise(1, 50)
    with torch.inference_mode():
        Decimate(9)(batch_of(signals))
    signals.requires_grad_()
    loss = Decimate(9).filtered(signals).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert signals.grad is not None


def test_a_loader_decimates(store: Store) -> None:
    few = store.select(rows=range(5))
    options = {"fields": ("signals", "r_peaks"), "leads": ("II", "V1")}
    fast = next(iter(pipes.loader(few, 5, **options)))  # type: ignore[arg-type]
    slow = next(iter(pipes.loader(few, 5, transform=Decimate(5), **options)))  # type: ignore[arg-type]
    assert signals_of(slow).shape == (5, 2, 1000)
    assert slow.fs == 100.0
    assert slow.leads == ("II", "V1")
    expected = decimate(signals_of(fast).numpy().astype(np.float64), 5, ftype="fir")
    np.testing.assert_allclose(signals_of(slow).numpy(), expected, atol=1e-5)
    assert slow.r_peaks is not None
    assert int(slow.r_peaks.max()) < 1000
    assert_resumes_exactly(
        lambda: pipes.loader(few, 2, shuffle=True, transform=Decimate(5)), n_epochs=1
    )


def test_divisors_of_the_sampling_rate_are_factors() -> None:
    assert Decimate.to(500, 500.0) == Decimate(1)
    assert Decimate.to(250.0, 500.0) == Decimate(2)
    assert Decimate.to(62.5, 500.0) == Decimate(8)


@pytest.mark.parametrize("fs", [300.0, 1000.0, 0.0, -100.0])
def test_other_rates_are_refused(fs: float) -> None:
    with pytest.raises(ValueError, match=r"500 Hz; expected a rate that divides it"):
        Decimate.to(fs, 500.0)


@pytest.mark.parametrize("factor", [0, -2])
def test_factors_below_1_are_refused(factor: int) -> None:
    with pytest.raises(ValueError, match=f"factor is {factor}; expected"):
        Decimate(factor)


@pytest.mark.parametrize("factor", [2.5, 5.0, "5"])
def test_factors_that_are_not_integers_are_refused(factor: int) -> None:
    with pytest.raises(TypeError, match=f"factor is {factor!r}; expected an integer"):
        Decimate(factor)


def test_batches_without_signals_are_refused() -> None:
    batch = replace(batch_of(noise(1, 10)), signals=None)
    with pytest.raises(ValueError, match="read 'signals'"):
        Decimate(2)(batch)
