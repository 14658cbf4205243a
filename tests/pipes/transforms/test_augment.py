"""Augmentations: a record's seed alone determines them, padding and store stay."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import stats

import ecgstore
from ecgstore.arrays import BoolArray
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
from ecgstore.pipes.transforms import (
    augmentation as augment_base,
    white_noise as augment_noise,
)

ALL: list[Augmentation] = [
    Gain(probability=0.7),
    BaselineWander(probability=0.7),
    WhiteNoise(probability=0.7),
    WhiteNoiseAtSnr(probability=0.7),
    Powerline(probability=0.7, harmonics=(0.3, 0.1)),
    TimeShift(probability=0.7, max_shift_s=0.3),
    LeadDropout(probability=0.7),
    TimeMask(probability=0.7, duration_s=(0.05, 0.2)),
]
TRANSFORMS: list[Augmentation | Augment] = [
    *ALL,
    Augment(*ALL),
    Augment(Gain(), Gain()),
]
each_transform = pytest.mark.parametrize(
    "transform", TRANSFORMS, ids=[*(type(each).__name__ for each in ALL), "all", "two"]
)


def make_batch(
    n_records: int, n_leads: int = 3, n_samples: int = 400, *, padded: bool = True
) -> Batch:
    """Return records with marks, each different, the odd ones padded."""
    generator = np.random.default_rng(n_leads * 10_000 + n_samples)
    seeds = generator.integers(0, 2**64, n_records, np.uint64)
    signals = generator.normal(0, 0.5, (n_records, n_leads, n_samples)).astype("f4")
    n_real = np.full(n_records, n_samples)
    if padded:
        n_real[1::2] = generator.integers(0, n_samples + 1, len(n_real[1::2]))
    for signal, end in zip(signals, n_real, strict=True):
        signal[:, end:] = 0
    marks = generator.integers(-1, n_samples, (n_records, n_leads, 4, 9))
    return Batch(
        rows=torch.arange(n_records),
        seeds=seeds,
        names=np.array([f"r{row}".encode() for row in range(n_records)]),
        n_real_samples=torch.from_numpy(n_real),
        signals=torch.from_numpy(signals),
        fiducials=torch.from_numpy(marks.astype("i2")),
        r_peaks=torch.from_numpy(marks[:, 0, :, 4].astype("i2")),
    )


def take(batch: Batch, records: list[int], *, offset: int = 0) -> Batch:
    """Return a batch of its own with some records, its signals at an odd address."""
    assert batch.signals is not None
    chosen = batch.signals[records]
    memory = torch.empty(chosen.numel() + offset)
    signals = memory[offset:].view(chosen.shape).copy_(chosen)
    return Batch(
        rows=batch.rows[records],
        seeds=batch.seeds[records],
        names=batch.names[records],
        n_real_samples=batch.n_real_samples[records],
        signals=signals,
        fs=batch.fs,
        fiducials=None if batch.fiducials is None else batch.fiducials[records],
        r_peaks=None if batch.r_peaks is None else batch.r_peaks[records],
    )


def copy(batch: Batch) -> Batch:
    return take(batch, list(range(len(batch))))


def contents(batch: Batch, record: int) -> dict[str, bytes]:
    """Return every bit of a record."""
    tensors = {
        "signals": batch.signals,
        "n_real_samples": batch.n_real_samples,
        "fiducials": batch.fiducials,
        "r_peaks": batch.r_peaks,
    }
    return {
        name: each[record].numpy().tobytes()
        for name, each in tensors.items()
        if each is not None
    }


def signals_of(batch: Batch) -> Any:
    assert batch.signals is not None
    return batch.signals.numpy()


# -- a record's seed alone determines what happens to it ----------------------


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
    for place, record in enumerate(records):
        assert contents(together, place) == contents(alone[record], 0)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


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
        assert all(contents(each, record) == first for each in results)


@each_transform
def test_accelerators_get_the_same_numbers(
    transform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole-batch way of other devices, taken on the CPU."""
    pool = make_batch(9)
    expected = transform(copy(pool))
    monkeypatch.setattr(augment_base, "is_on_cpu", lambda values: False)
    found = transform(copy(pool))
    np.testing.assert_array_equal(signals_of(found), signals_of(expected))
    assert torch.equal(found.n_real_samples, expected.n_real_samples)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@each_transform
def test_gpu_gives_what_the_cpu_gives(transform: Any) -> None:
    pool = make_batch(9, 12, 5000)
    expected = transform(copy(pool))
    found = transform(copy(pool).to("cuda")).to("cpu")
    np.testing.assert_allclose(signals_of(found), signals_of(expected), atol=1e-6)


@each_transform
def test_result_depends_on_the_seed(transform: Any) -> None:
    pool = make_batch(40, padded=False)
    seeds = pool.seeds[::-1].copy()
    first, second = transform(copy(pool)), transform(replace(copy(pool), seeds=seeds))
    n_equal = sum(
        contents(first, record) == contents(second, record) for record in range(40)
    )
    assert n_equal < 20


# -- what stays ---------------------------------------------------------------


@each_transform
def test_padding_stays_zero(transform: Any) -> None:
    for seed in range(5):
        pool = make_batch(20)
        result = transform(replace(pool, seeds=pool.seeds + np.uint64(seed)))
        for signal, end in zip(signals_of(result), result.n_real_samples, strict=True):
            assert not signal[:, int(end) :].any()
            assert np.isfinite(signal).all()


@pytest.mark.parametrize("augmentation", ALL, ids=lambda each: type(each).__name__)
def test_probability_is_the_part_changed(augmentation: Augmentation) -> None:
    pool = make_batch(600, 2, 100, padded=False)
    before = [contents(pool, record) for record in range(len(pool))]

    def n_changed(probability: float) -> int:
        result = replace(augmentation, probability=probability)(copy(pool))
        return sum(contents(result, record) != old for record, old in enumerate(before))

    assert n_changed(0) == 0
    whole = n_changed(1)  # LeadDropout may keep both leads, TimeShift may move by 0
    assert whole > 400
    assert abs(n_changed(0.3) / whole - 0.3) < 0.09


def test_signals_are_changed_in_place_and_nothing_else_is() -> None:
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


def test_empty_batch() -> None:
    for transform in TRANSFORMS:
        assert len(transform(take(make_batch(1), []))) == 0


# -- each of them -------------------------------------------------------------


def test_gain_is_one_number_a_record() -> None:
    pool = make_batch(300, padded=False)
    result = Gain(factor=(0.5, 2.0), probability=1)(copy(pool))
    ratios = signals_of(result) / signals_of(pool)
    gains = ratios[:, 0, 0]
    np.testing.assert_allclose(
        ratios, np.broadcast_to(gains[:, None, None], ratios.shape), rtol=1e-6
    )
    assert stats.kstest(gains, stats.uniform(0.5, 1.5).cdf).pvalue > 0.001


def added(augmentation: Augmentation, pool: Batch) -> Any:
    """Return what an augmentation adds to every record."""
    zeros = replace(
        copy(pool), signals=torch.zeros_like(torch.tensor(signals_of(pool)))
    )
    return signals_of(replace(augmentation, probability=1.0)(zeros))


def test_wander_is_the_sum_of_sinusoids_it_is_defined_as() -> None:
    pool = make_batch(30, 4, 5000, padded=False)
    augmentation = BaselineWander(amplitude_mv=(0.2, 0.4), probability=1)
    found = added(augmentation, pool)
    draws = augmentation._draws(pool)
    draws.uniform()  # which records are changed
    hz = draws.uniform(0.05, 0.5, (3, 1))
    shares = draws.uniform(0, 1, (1, 3))
    sizes = draws.uniform(0.2, 0.4, (4, 1)) * shares / shares.sum(-1, keepdims=True)
    phases = draws.uniform(0, 2 * np.pi, (4, 3))
    seconds = np.arange(5000) / 500
    # (n_records, n_leads, n_sinusoids, n_samples)
    angles = 2 * np.pi * hz[:, None] * seconds + phases[..., None]
    expected = (sizes[..., None] * np.sin(angles)).sum(axis=2)
    np.testing.assert_allclose(found, expected, atol=0.005 * 0.4)
    slopes = np.diff(found), np.diff(expected)
    np.testing.assert_allclose(*slopes, atol=3e-4)  # of 1.3e-3 at most
    assert np.abs(found).max() <= 0.4


@pytest.mark.parametrize("fs", [100.0, 500.0, 977.0])
def test_wander_is_slow_at_every_rate(fs: float) -> None:
    n_samples = round(60 * fs)
    pool = make_batch(3, 2, n_samples, padded=False)
    found = added(BaselineWander(frequency_hz=(0.2, 0.4)), replace(pool, fs=fs))
    power = np.abs(np.fft.rfft(found * np.hanning(n_samples))) ** 2
    hz = np.fft.rfftfreq(n_samples, 1 / fs)
    within = power[..., (hz > 0.15) & (hz < 0.45)].sum(axis=-1)
    assert (within > 0.999 * power.sum(axis=-1)).all()


def test_powerline_hums_at_the_mains_and_its_harmonics() -> None:
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


def test_white_noise_is_white_gaussian_and_of_the_size_drawn() -> None:
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


def test_white_noise_has_the_ratio_drawn_over_real_samples() -> None:
    pool = make_batch(60, 3, 5000, padded=False)
    half = replace(pool, n_real_samples=torch.full((60,), 2000))
    assert half.signals is not None
    half.signals[..., 2000:] = 0
    half.signals[:, 1] *= 7
    half.signals[:, 2] = 0
    clean = signals_of(copy(half)).astype("f8")
    noise = signals_of(WhiteNoiseAtSnr(snr_db=(3, 20), probability=1)(half)) - clean
    powers = [(each[:, :2, :2000] ** 2).mean(axis=2) for each in (clean, noise)]
    snr_db = 10 * np.log10(powers[0] / powers[1])
    np.testing.assert_allclose(snr_db[:, 0], snr_db[:, 1], atol=0.9)
    assert 2.7 < snr_db.min() < 6
    assert 17 < snr_db.max() < 20.3
    assert not noise[:, 2].any()  # a lead of nothing gets none


def test_table_of_noise() -> None:
    small = augment_noise._gaussian_table(1 << 16, torch.device("cpu"))
    large = augment_noise._gaussian_table(1 << 17, torch.device("cpu"))
    assert torch.equal(small, large[: 1 << 16])
    assert torch.isfinite(large).all()
    assert stats.kstest(large[::7], "norm").pvalue > 0.001
    for n_values in (1, 60_000, 10**6, 2**20, 3 * 10**7):
        assert augment_noise._table_size(n_values) >= 2 * min(n_values, 2**19)
        assert augment_noise._table_size(n_values) > n_values


def test_shift_moves_marks_with_the_signal() -> None:
    n_samples = 300
    pool = make_batch(200, 3, n_samples)
    assert pool.signals is not None
    assert pool.fiducials is not None
    pool.signals.zero_()
    values = pool.signals.numpy()
    marks = pool.fiducials[..., 4].numpy()
    for record, end in enumerate(pool.n_real_samples.tolist()):
        marks[record][marks[record] >= end] = -1
        for lead in range(3):
            for beat, mark in enumerate(marks[record, lead]):
                if mark >= 0:
                    values[record, lead, mark] = beat + 1
    before = copy(pool)
    result = TimeShift(max_shift_s=0.4, probability=1)(replace(pool, fs=250.0))
    assert result.fiducials is not None
    assert result.r_peaks is not None
    assert result.fiducials.dtype == torch.int16
    shifts = set()
    for record in range(len(pool)):
        old = before.fiducials[record].numpy()  # type: ignore[index]
        new = result.fiducials[record].numpy()
        kept = (old >= 0) & (new >= 0)
        if not kept.any():
            continue
        (shift,) = {int(each) for each in (new - old)[kept]}
        shifts.add(shift)
        moved = old + shift
        outside = (old < 0) | (moved < 0) | (moved >= n_samples)
        np.testing.assert_array_equal(new, np.where(outside, -1, moved))
        real = int(before.n_real_samples[record])
        expected_real = min(max(real + shift, 0), n_samples)
        assert int(result.n_real_samples[record]) == expected_real
        was = signals_of(before)[record]
        expected = np.zeros_like(was)
        for sample in range(n_samples):
            if 0 <= sample - shift < n_samples:
                expected[:, sample] = was[:, sample - shift]
        np.testing.assert_array_equal(signals_of(result)[record], expected)
        peaks = before.r_peaks[record].numpy() + shift  # type: ignore[index]
        gone = (peaks - shift < 0) | (peaks < 0) | (peaks >= n_samples)
        np.testing.assert_array_equal(
            result.r_peaks[record].numpy(), np.where(gone, -1, peaks)
        )
    assert min(shifts) < -80
    assert max(shifts) > 80
    assert min(shifts) >= -100
    assert max(shifts) <= 100


def test_shift_needs_no_marks_and_can_empty_a_window() -> None:
    pool = replace(make_batch(300, 1, 5), r_peaks=None, fiducials=None)
    result = TimeShift(max_shift_s=9.0, probability=1)(pool)
    assert result.r_peaks is None
    assert result.fiducials is None
    assert (signals_of(result) == 0).all(axis=(1, 2)).any()
    assert result.n_real_samples.min() == 0
    assert result.n_real_samples.max() == 5


@pytest.mark.parametrize("part", [0.0, 0.25, 1.0])
def test_dropped_leads_are_whole_and_one_stays(part: float) -> None:
    pool = make_batch(500, 12, 20, padded=False)
    before = signals_of(copy(pool))
    after = signals_of(LeadDropout(lead_probability=part, probability=1)(pool))
    gone = (after == 0).all(axis=2)
    np.testing.assert_array_equal(after, np.where(gone[..., None], 0, before))
    assert (gone.sum(axis=1) < 12).all()
    assert abs(gone.mean() - min(part, 11 / 12)) < 0.02
    if part == 1.0:
        assert len(set(np.nonzero(~gone)[1].tolist())) == 12  # any of them


def test_mask_is_one_stretch_of_all_leads() -> None:
    pool = make_batch(300, 2, 1000, padded=False)
    before = signals_of(copy(pool))
    mask = TimeMask(duration_s=(0.1, 0.5), probability=1)
    after = signals_of(mask(pool))
    gone = (after == 0).all(axis=1)
    np.testing.assert_array_equal(after, np.where(gone[:, None], 0, before))
    lengths = gone.sum(axis=1)
    assert 50 <= lengths.min() < 60
    assert 240 < lengths.max() <= 250
    assert (np.abs(np.diff(gone.astype(int), axis=1)).sum(axis=1) <= 2).all()
    assert gone[:, :20].any()
    assert gone[:, -20:].any()


# -- several of them ----------------------------------------------------------


def test_two_of_a_kind_draw_independently() -> None:
    pool = make_batch(400, 1, 50, padded=False)

    def gains(transform: Any) -> Any:
        ratios = signals_of(transform(copy(pool))) / signals_of(pool)
        return np.log(ratios[:, 0, 0])

    always = Gain(probability=1)
    one, two = gains(Augment(always)), gains(Augment(always, always))
    assert abs(np.corrcoef(one, two - one)[0, 1]) < 0.15
    assert abs(np.corrcoef(one, gains(always))[0, 1]) < 0.15


def test_kinds_draw_independently_even_alone() -> None:
    pool = make_batch(1)
    first = [each._draws(pool).uniform()[0] for each in ALL]
    assert len(set(first)) == len(ALL)


def test_one_at_the_end_changes_nothing_before_it() -> None:
    pool = make_batch(30)
    few = Augment(*ALL[:3])(copy(pool))
    more = Augment(*ALL[:3], Gain(probability=0))(copy(pool))
    assert all(contents(few, record) == contents(more, record) for record in range(30))


def test_description_is_json_and_names_every_setting() -> None:
    described = json.loads(json.dumps(Augment(Gain(probability=0.25)).describe()))
    assert described == [{"name": "Gain", "probability": 0.25, "factor": [0.8, 1.2]}]


def test_own_augmentation() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Upside(Augmentation):
        def apply(self, batch: Batch, chosen: Any, draws: Draws) -> Batch:
            assert batch.signals is not None
            batch.signals[torch.from_numpy(chosen)] *= -1
            return batch

    pool = make_batch(10)
    result = Augment(Upside(probability=1))(copy(pool))
    np.testing.assert_array_equal(signals_of(result), -signals_of(pool))


def test_draws_are_even() -> None:
    seeds = np.arange(5000, dtype=np.uint64)
    draws = Draws(seeds, 5)
    first, second = draws.uniform(2, 6, (3,)), draws.uniform()
    assert first.shape == (5000, 3)
    for values in (first.ravel() / 4 - 0.5, second):
        assert stats.kstest(values, "uniform").pvalue > 0.001
    assert np.abs(np.corrcoef([*first.T, second]) - np.eye(4)).max() < 0.06


# -- errors -------------------------------------------------------------------


@each_transform
def test_wrong_batches(transform: Any) -> None:
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
def test_wrong_settings(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("augmentation", "fs", "message"),
    [
        (BaselineWander(frequency_hz=(0.1, 90)), 500.0, "frequency_hz is .* to 15.6"),
        (Powerline(), 100.0, "at 60 Hz; expected one below .* .50 Hz"),
        (Powerline(mains_hz=(60,), harmonics=(1, 1, 1, 1)), 500.0, "at 300 Hz"),
    ],
)
def test_what_a_sampling_rate_cannot_hold(
    augmentation: Any, fs: float, message: str
) -> None:
    pool = replace(make_batch(9), fs=fs)
    with pytest.raises(ValueError, match=message):
        augmentation(pool)


@dataclass(frozen=True, kw_only=True)
class Forgets(Augmentation):
    """An augmentation that changes a batch in place and returns nothing."""

    def apply(self, batch: Batch, chosen: BoolArray, draws: Draws) -> Any:
        """Forget."""


def test_an_augmentation_that_returns_nothing_is_named() -> None:
    augment = Augment(Gain(), Forgets(probability=1.0))
    with pytest.raises(TypeError, match=r"Forgets\(.*\) returned None; expected a ba"):
        augment(make_batch(3))


def test_augment_takes_augmentations_only() -> None:
    with pytest.raises(TypeError, match="is not an augmentation; expected instances"):
        Augment(Gain)  # type: ignore[arg-type]
