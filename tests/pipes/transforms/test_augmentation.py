"""Laws of every augmentation: seeds determine it, padding and store are unchanged."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import stats

import ecgstore
from ecgstore.pipes import (
    Augment,
    Augmentation,
    BaselineWander,
    Draws,
    Gain,
    LeadDropout,
    Powerline,
    TimeMask,
    TimeShift,
    WhiteNoise,
    WhiteNoiseAtSnr,
)
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.fusing.fused import Fused
from tests.pipes.transforms.random_batches import (
    ALL,
    TRANSFORMS,
    contents,
    copy,
    each_transform,
    make_batch,
    signals_of,
    take,
)


@each_transform
@settings(max_examples=10)
@given(data=st.data())
def test_result_does_not_depend_on_the_batch(transform: Any, data: Any) -> None:
    n_leads = data.draw(st.sampled_from([1, 3, 12]))
    n_samples = data.draw(st.sampled_from([1, 2, 7, 250, 1001]))
    pool = make_batch(7, n_leads, n_samples)
    alone = [transform(take(pool, [record])) for record in range(len(pool))]
    records = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=9))
    together = transform(take(pool, records, offset=data.draw(st.integers(0, 9))))
    assert together.seeds.tolist() == pool.seeds[records].tolist()
    for number, record in enumerate(records):
        assert contents(together, number) == contents(alone[record], 0)


@each_transform
@pytest.mark.parametrize("shape", [(6, 12, 5003), (1, 1, 100_003)])
@pytest.mark.usefixtures("threads")
def test_result_does_not_depend_on_threads(
    transform: Any, shape: tuple[int, int, int]
) -> None:
    pool = make_batch(*shape)
    results = []
    for n_threads in (1, 2, 3):
        torch.set_num_threads(n_threads)
        results.append(transform(copy(pool)))
    for record in range(len(pool)):
        first = contents(results[0], record)
        assert all(contents(result, record) == first for result in results)


@each_transform
def test_accelerators_get_the_same_numbers(
    transform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operations of PyTorch that other devices use, run on the CPU."""
    pool = make_batch(9)
    expected = transform(copy(pool))
    monkeypatch.setattr(Fused, "by_kernel", lambda self, batch: None)
    result = transform(copy(pool))
    np.testing.assert_allclose(signals_of(result), signals_of(expected), atol=2e-6)
    assert torch.equal(result.n_real_samples, expected.n_real_samples)
    assert torch.equal(result.r_peaks, expected.r_peaks)
    assert torch.equal(result.fiducials, expected.fiducials)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@each_transform
def test_gpu_gives_the_result_of_the_cpu(transform: Any) -> None:
    pool = make_batch(9, 12, 5000)
    expected = transform(copy(pool))
    result = transform(copy(pool).to("cuda")).to("cpu")
    np.testing.assert_allclose(signals_of(result), signals_of(expected), atol=2e-6)


@each_transform
def test_result_depends_on_the_seed(transform: Any) -> None:
    pool = make_batch(40, padded=False)
    seeds = pool.seeds[::-1].copy()
    first, second = transform(copy(pool)), transform(replace(copy(pool), seeds=seeds))
    n_equal = sum(
        contents(first, record) == contents(second, record) for record in range(40)
    )
    assert n_equal < 20


@each_transform
def test_padding_stays_zero(transform: Any) -> None:
    for seed in range(5):
        pool = make_batch(20)
        result = transform(replace(pool, seeds=pool.seeds + np.uint64(seed)))
        for signal, end in zip(signals_of(result), result.n_real_samples, strict=True):
            assert not signal[:, int(end) :].any()
            assert np.isfinite(signal).all()


@pytest.mark.parametrize(
    "augmentation", ALL, ids=lambda augmentation: type(augmentation).__name__
)
def test_probability_is_the_share_of_changed_records(
    augmentation: Augmentation,
) -> None:
    pool = make_batch(600, 2, 100, padded=False)
    before = [contents(pool, record) for record in range(len(pool))]

    def n_changed(probability: float) -> int:
        result = replace(augmentation, probability=probability)(copy(pool))
        return sum(contents(result, record) != old for record, old in enumerate(before))

    assert n_changed(0) == 0
    whole = n_changed(1)  # LeadDropout may keep both leads, TimeShift may move by 0
    assert whole > 400
    assert abs(n_changed(0.3) / whole - 0.3) < 0.09


def test_only_signals_are_changed_in_place() -> None:
    for transform in TRANSFORMS:
        pool = make_batch(20)
        before = copy(pool)
        result = transform(pool)
        assert result.signals is pool.signals
        assert torch.equal(pool.n_real_samples, before.n_real_samples)
        assert pool.fiducials is not None
        assert before.fiducials is not None
        assert torch.equal(pool.fiducials, before.fiducials)


def test_store_is_not_touched(sample_store: Path) -> None:
    digest = hashlib.sha256(sample_store.read_bytes()).hexdigest()
    with ecgstore.open(sample_store) as store:
        before = store.signals(slice(0, 12))
        batch = replace(
            make_batch(12, 12, 5000, padded=False),
            signals=torch.from_numpy(store.signals(slice(0, 12))),
        )
        Augment(*ALL)(batch)
        assert not np.array_equal(signals_of(batch), before)
        np.testing.assert_array_equal(store.signals(slice(0, 12)), before)
    assert hashlib.sha256(sample_store.read_bytes()).hexdigest() == digest


def test_an_empty_batch_stays_empty() -> None:
    for transform in TRANSFORMS:
        assert len(transform(take(make_batch(1), []))) == 0


def test_augmentations_are_independent_of_each_other() -> None:
    """Different augmentations of the same records choose different ones."""
    pool = make_batch(400, 4, 100, padded=False)
    before = [contents(pool, record) for record in range(len(pool))]
    changed = []
    for augmentation in ALL:
        result = replace(augmentation, probability=0.5)(copy(pool))
        changed.append([contents(result, n) != old for n, old in enumerate(before)])
    correlations = np.corrcoef(np.array(changed, float)) - np.eye(len(ALL))
    assert np.abs(correlations).max() < 5 / np.sqrt(len(pool))


def test_a_user_can_define_an_augmentation() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Inverted(Augmentation):
        def apply(self, batch: Batch, chosen: torch.Tensor, draws: Draws) -> Batch:
            assert batch.signals is not None
            batch.signals[chosen] *= -1
            return batch

    pool = make_batch(10)
    result = Augment(Inverted(probability=1))(copy(pool))
    np.testing.assert_array_equal(signals_of(result), -signals_of(pool))


def batch_of(seeds: Any) -> Batch:
    """Return a batch without signals."""
    n = len(seeds)
    names = np.array([b"r"] * n)
    return Batch(torch.arange(n), seeds, names, torch.zeros(n, dtype=torch.int64))


def test_draws_are_uniform() -> None:
    draws = Draws(batch_of(np.arange(5000, dtype=np.uint64)), 5)
    first, second = draws.uniform_array(2, 6, (3,)), draws.uniform_array()
    assert first.shape == (5000, 3)
    for values in (first.ravel() / 4 - 0.5, second):
        assert stats.kstest(values, "uniform").pvalue > 0.001
    assert np.abs(np.corrcoef([*first.T, second]) - np.eye(4)).max() < 0.06


def test_draws_are_tensors_beside_the_signals() -> None:
    seeds = np.arange(2000, dtype=np.uint64)
    batch = batch_of(seeds)
    arrays = Draws(batch, 5)
    uniform, whole = arrays.uniform_array(2, 6, (3, 1)), arrays.uniform_array(-2, 3)
    for device in ("cpu", "meta"):
        draws = Draws(batch.to(device), 5)
        factors, integers = draws.uniform(2, 6, (3, 1)), draws.integers(-2, 3)
        assert {factors.device.type, integers.device.type} == {device}
        assert (factors.dtype, integers.dtype) == (torch.float32, torch.int64)
        assert (factors.shape, integers.shape) == ((2000, 3, 1), (2000,))
    draws = Draws(batch, 5)
    np.testing.assert_array_equal(draws.uniform(2, 6, (3, 1)), np.float32(uniform))
    drawn = draws.integers(-2, 3)
    np.testing.assert_array_equal(drawn, np.floor(whole))
    assert set(drawn.tolist()) == {-2, -1, 0, 1, 2}


def test_draws_of_a_record_do_not_depend_on_its_batch() -> None:
    seeds = np.arange(50, dtype=np.uint64)
    draws = [Draws(batch_of(some), 3) for some in (seeds, seeds[[7, 3]])]
    for _ in range(2):
        whole, part = (one.uniform(shape=(2,)) for one in draws)
        assert torch.equal(whole[[7, 3]], part)
        whole, part = (one.integers(0, 1000) for one in draws)
        assert torch.equal(whole[[7, 3]], part)


@each_transform
def test_batches_without_float32_signals_are_refused(transform: Any) -> None:
    pool = make_batch(2)
    with pytest.raises(ValueError, match="add 'signals' to the fields"):
        transform(replace(pool, signals=None))
    counts = torch.zeros(2, 3, 400, dtype=torch.int16)
    with pytest.raises(TypeError, match=r"int16 signals; .* dtype='float32'.*in_mv"):
        transform(replace(pool, signals=counts, mv_per_count=0.001))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gain(probability=1.5), "probability is 1.5; expected .* 0 to 1"),
        (lambda: Gain(probability=float("nan")), "probability is nan"),
        (lambda: Gain(factor=(1.2, 0.8)), r"factor is \(1.2, 0.8\); expected \(lowest"),
        (lambda: Gain(factor=0.5), "factor is 0.5; expected"),  # type: ignore[arg-type]
        (lambda: Gain(factor=(0.0, float("nan"))), "factor is"),
        (lambda: WhiteNoise(sd_mv=(-0.1, 0.1)), "sd_mv is .* numbers from 0"),
        (lambda: WhiteNoiseAtSnr(snr_db=(300, 400)), "snr_db is .* -100 to 200"),
        (lambda: BaselineWander(frequency_hz=(-1, 1)), "frequency_hz is"),
        (lambda: Powerline(mains_hz=()), "mains_hz is empty"),
        (lambda: TimeShift(max_shift_s=-1), "max_shift_s is -1"),
        (lambda: LeadDropout(lead_probability=2), "lead_probability is 2"),
        (lambda: TimeMask(duration_s=(-1, 1)), "duration_s is"),
    ],
)
def test_wrong_settings_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
