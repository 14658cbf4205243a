"""Laws of the preprocessing steps."""

import contextlib
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import example, given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.signals.gaps import interpolate_gaps
from ecgstore.signals.preprocess import (
    bandpass,
    cut_or_pad,
    first_seconds,
    preprocess,
    to_int16,
    to_mv,
)
from ecgstore.signals.quality import check
from ecgstore.signals.resampling import aligned, lead_in, ratio_of, resample

OPTIONS: dict[str, Any] = {
    "fs_out": 500.0,
    "duration_s": 10.0,
    "margin_s": 3.0,
    "low_hz": 0.5,
    "high_hz": 40.0,
    "order": 3,
    "max_gap_s": 0.2,
}

RATE_PAIRS = [
    (1000.0, 500.0),
    (257.0, 500.0),
    (360.0, 500.0),
    (128.5, 500.0),
    (257.3, 500.0),
    (250.0, 500.0),
    (976.5625, 500.0),
    (1024.0, 500.0),
    (100.0, 250.0),
    (500.0, 360.0),
    (500.0, 100.0),
    (500.0, 257.0),
]


def noise(n_leads: int, n_samples: int, seed: int = 0) -> FloatArray:
    """Return a random walk per lead: baseline wander and noise."""
    generator = np.random.default_rng(seed)
    return np.cumsum(0.02 * generator.standard_normal((n_leads, n_samples)), axis=1)


def read_record(path: Path, seconds: float) -> tuple[FloatArray, float]:
    """Read the beginning of a record with the wfdb library."""
    import wfdb

    name = str(path.with_suffix(""))
    header = wfdb.rdheader(name)
    n_samples = min(header.sig_len, math.ceil(seconds * header.fs))
    signal = wfdb.rdrecord(name, sampto=n_samples).p_signal.T.copy()
    return signal, float(header.fs)


# Cutting


def test_first_seconds_rounds_up_to_whole_samples() -> None:
    signal = np.zeros((2, 1000))
    assert first_seconds(signal, 128.5, 2.0).shape == (2, 257)
    assert first_seconds(signal, 128.5, 2.001).shape == (2, 258)
    assert first_seconds(signal, 500.0, 0.0).shape == (2, 0)
    assert first_seconds(signal, 500.0, 10.0).shape == (2, 1000)


# Resampling


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(RATE_PAIRS), st.floats(0.02, 0.8), st.floats(0, 6.3))
def test_a_resampled_sine_is_the_same_sine(
    rates: tuple[float, float], share: float, phase: float
) -> None:
    fs_in, fs_out = rates
    frequency = share * min(rates) / 2

    def sine(fs: float, n: int) -> FloatArray:
        wave: FloatArray = np.sin(2 * np.pi * frequency * np.arange(n) / fs + phase)
        return wave[None]

    resampled = resample(sine(fs_in, round(4 * fs_in)), fs_in, fs_out)
    expected = sine(fs_out, resampled.shape[1])
    edge = math.ceil(20 / min(rates) * fs_out)  # longer than the low-pass filter
    assert np.abs(resampled - expected)[:, edge:-edge].max() < 1e-3


@pytest.mark.parametrize("fs_in", [128.0, 250.0, 257.0, 360.5, 1000.0])
@pytest.mark.parametrize("fs_out", [100.0, 500.0])
@pytest.mark.parametrize("n_samples", [1, 7, 5000])
def test_resampling_gives_the_bits_of_scipy(
    fs_in: float, fs_out: float, n_samples: int
) -> None:
    signal = np.random.default_rng(n_samples).normal(size=(12, n_samples)).cumsum(1)
    up, down = Fraction(fs_out / fs_in).limit_denominator(10_000).as_integer_ratio()
    taps = scipy.signal.firwin(
        32 * max(up, down) + 1, 1 / max(up, down), window=("kaiser", 8.0)
    )
    first, last = signal[:, :1], signal[:, -1:]
    slope = (last - first) / max(n_samples - 1, 1)
    line = first + slope * np.arange(n_samples)
    expected: FloatArray = scipy.signal.resample_poly(  # type: ignore[call-overload]
        signal - line, up, down, axis=1, window=taps
    )
    expected += first + slope * (np.arange(expected.shape[1]) * (down / up))
    assert_array_equal(resample(signal, fs_in, fs_out), expected)


@settings(deadline=None)
@given(
    st.integers(1, 700),
    st.sampled_from([100, 128, 250, 257, 360, 500, 1000]),
    st.sampled_from([100, 250, 257, 500]),
)
def test_the_resampled_length_is_rounded_up(
    n_samples: int, fs_in: int, fs_out: int
) -> None:
    resampled = resample(np.zeros((1, n_samples)), float(fs_in), float(fs_out))
    assert resampled.shape == (1, math.ceil(n_samples * Fraction(fs_out, fs_in)))


@settings(deadline=None)
@given(
    st.sampled_from(RATE_PAIRS),
    st.integers(2, 3000),
    st.floats(-9, 9),
    st.floats(-9, 9),
)
def test_resampling_keeps_offset_and_slope_up_to_the_edges(
    rates: tuple[float, float], n_samples: int, offset: float, slope: float
) -> None:
    fs_in, fs_out = rates
    time = np.arange(n_samples, dtype=np.float64)[None] / fs_in
    line = offset + slope * time
    resampled = resample(line, fs_in, fs_out)
    expected = offset + slope * np.arange(resampled.shape[1]) / fs_out
    assert_allclose(resampled[0], expected, atol=1e-9)


def test_resampling_to_the_same_rate_returns_the_signal() -> None:
    signal = noise(12, 100)
    assert resample(signal, 360.0, 360.0) is signal


def test_resampling_an_odd_rate_does_not_drift() -> None:
    fs_in = 257.31  # 50000 / 25731: not a ratio of small numbers
    time = np.arange(round(60 * fs_in)) / fs_in
    resampled = resample(np.sin(2 * np.pi * 10 * time)[None], fs_in, 500.0)
    expected = np.sin(2 * np.pi * 10 * np.arange(resampled.shape[1]) / 500)
    assert np.abs(resampled[0] - expected)[100:-100].max() < 1e-3


def test_resampling_changes_neither_its_input_nor_its_cached_filter() -> None:
    signal = noise(3, 1000)
    original = signal.copy()
    first = resample(signal, 257.0, 500.0)
    assert_array_equal(resample(signal, 257.0, 500.0), first)
    assert_array_equal(signal, original)


# Band-pass


@settings(deadline=None, max_examples=50)
@given(
    st.integers(1, 3000),
    st.integers(1, 13),
    st.integers(1, 5),
    st.sampled_from([(0.5, 40.0, 500.0), (0.5, 24.0, 100.0), (0.05, 150.0, 1000.0)]),
)
@example(1, 12, 2, (0.5, 40.0, 500.0))
@example(2, 12, 2, (0.5, 40.0, 500.0))
@example(1001, 12, 3, (0.5, 40.0, 500.0))
def test_bandpass_equals_scipy_bit_by_bit(
    n_samples: int, n_leads: int, order: int, band: tuple[float, float, float]
) -> None:
    low_hz, high_hz, fs = band
    signal = noise(n_leads, n_samples)
    sections = scipy.signal.butter(
        order, [low_hz, high_hz], "bandpass", fs=fs, output="sos"
    )
    expected = scipy.signal.sosfiltfilt(
        sections,
        signal,
        padtype="even",
        padlen=min(round(fs / low_hz), n_samples - 1),
    )
    assert_array_equal(bandpass(signal, fs, low_hz, high_hz, order), expected)


def test_bandpass_of_an_empty_signal_is_empty() -> None:
    assert bandpass(np.empty((12, 0)), 500.0, 0.5, 40.0, 2).shape == (12, 0)


@settings(deadline=None)
@given(st.integers(1, 2000), st.floats(-30, 30))
def test_bandpass_removes_an_offset(n_samples: int, offset: float) -> None:
    filtered = bandpass(np.full((1, n_samples), offset), 500.0, 0.5, 40.0, 2)
    assert_allclose(filtered, 0.0, atol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("frequency", [0.5, 40.0])
def test_both_passes_together_halve_the_corner_frequencies(
    order: int, frequency: float
) -> None:
    time = np.arange(60 * 500) / 500
    signal = np.sin(2 * np.pi * frequency * time)[None]
    middle = slice(10_000, 20_000)
    filtered = bandpass(signal, 500.0, 0.5, 40.0, order)[:, middle]
    assert_allclose(filtered, 0.5 * signal[:, middle], atol=2e-3)


@settings(deadline=None)
@given(st.integers(5000, 6000), st.integers(5, 100))
def test_bandpass_does_not_move_a_peak(center: int, width: int) -> None:
    pulse = np.exp(-0.5 * ((np.arange(11_000) - center) / width) ** 2)[None]
    filtered = bandpass(pulse, 500.0, 0.5, 40.0, 2)[0]
    assert filtered.argmax() == center
    around = np.arange(1, 500)
    assert_allclose(filtered[center + around], filtered[center - around], atol=1e-9)


def test_bandpass_of_the_reversed_signal_is_the_reverse() -> None:
    signal = np.zeros((2, 15_000))
    signal[:, 5000:10_000] = noise(2, 5000)
    forwards = bandpass(signal, 500.0, 0.5, 40.0, 2)
    backwards = bandpass(signal[:, ::-1], 500.0, 0.5, 40.0, 2)
    assert_allclose(backwards[:, ::-1], forwards, atol=1e-9)


@pytest.mark.parametrize(
    ("low_hz", "high_hz", "order"),
    [
        (0.0, 40.0, 2),
        (-1.0, 40.0, 2),
        (40.0, 40.0, 2),
        (0.5, 250.0, 2),
        (0.5, math.nan, 2),
        (0.5, 40.0, 0),
    ],
)
def test_impossible_filters_are_refused(
    low_hz: float, high_hz: float, order: int
) -> None:
    with pytest.raises(ValueError, match="expected"):
        bandpass(noise(1, 100), 500.0, low_hz, high_hz, order)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 11), st.sampled_from([257.0, 500.0, 1000.0]))
def test_no_step_mixes_leads(changed: int, fs: float) -> None:
    signal = noise(12, 4000)
    signal[3, 100:110] = np.nan
    other = signal.copy()
    other[changed] = 5 * noise(1, 4000, seed=1)[0]
    before = preprocess(signal, fs, **OPTIONS).signal
    after = preprocess(other, fs, **OPTIONS).signal
    untouched = np.arange(12) != changed
    assert_array_equal(after[untouched], before[untouched])
    assert not np.array_equal(after[changed], before[changed])


# Padding and rounding


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(0, 50))
def test_cut_or_pad_copies_the_beginning_and_pads_with_zeros(
    n_in: int, n_out: int
) -> None:
    signal = noise(12, n_in) + 1
    result, n_real_samples = cut_or_pad(signal, n_out)
    assert n_real_samples == min(n_in, n_out)
    assert result.shape == (12, n_out)
    assert not np.shares_memory(result, signal)
    assert_array_equal(result[:, :n_real_samples], signal[:, :n_real_samples])
    assert not result[:, n_real_samples:].any()


@settings(deadline=None)
@given(
    arrays(np.float64, (3, 40), elements=st.floats(-40, 40), fill=st.nothing()),
)
def test_int16_round_trip(signal: FloatArray) -> None:
    counts, saturated = to_int16(signal)
    beyond = np.abs(np.rint(signal * 1000)) > 32767
    assert counts.dtype == np.int16
    assert counts.min() >= -32767
    assert_array_equal(saturated, beyond.mean(axis=1, dtype=np.float32))
    assert_array_equal(np.sign(counts[beyond]), np.sign(signal[beyond]))
    back = to_mv(counts)
    assert back.dtype == np.float32
    # Half a count, and float32's own rounding of up to 32.767 mV.
    assert_allclose(back[~beyond], signal[~beyond], rtol=0, atol=0.5e-3 + 4e-6)
    assert_allclose(np.abs(back[beyond]), 32.767, atol=4e-6)
    assert_array_equal(to_int16(back.astype(np.float64))[0], counts)


def test_halves_round_to_even() -> None:
    counts, _ = to_int16(np.array([[0.0005, 0.0015, 0.0025, -0.0005, -0.0015]]))
    assert counts.tolist() == [[0, 2, 2, 0, -2]]


def test_the_largest_count_is_not_saturated_and_the_next_is() -> None:
    counts, saturated = to_int16(np.array([[32.767, -32.767], [32.768, 0.0]]))
    assert counts.tolist() == [[32767, -32767], [32767, 0]]
    assert saturated.tolist() == [0.0, 0.5]


def test_a_missing_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="missing"):
        to_int16(np.array([[0.0, np.nan]]))


# All steps


def test_preprocess_is_its_steps_in_order() -> None:
    signal = noise(12, 14_000)
    signal[5, 700:750] = np.nan
    result = preprocess(signal, 1000.0, **OPTIONS)
    kept = interpolate_gaps(signal[:, :13_000], 200)
    filtered = bandpass(resample(kept, 1000.0, 500.0), 500.0, 0.5, 40.0, 3)
    assert_array_equal(result.signal, filtered[:, :5000])
    assert result.n_real_samples == 5000


@pytest.mark.parametrize(("fs", "n_samples"), [(500.0, 3500), (257.0, 1799)])
def test_a_short_record_is_padded_at_the_end(fs: float, n_samples: int) -> None:
    result = preprocess(noise(12, n_samples), fs, **OPTIONS)
    assert result.signal.shape == (12, 5000)
    assert result.n_real_samples == 3500
    assert not result.signal[:, 3500:].any()
    assert result.signal[:, :3500].any(axis=1).all()


@given(st.integers(1000, 4000), st.floats(8.0, 30.0))
@settings(deadline=None, max_examples=20)
def test_padding_never_touches_real_samples(n_samples: int, duration_s: float) -> None:
    signal = noise(12, n_samples)
    short = preprocess(signal, 500.0, **OPTIONS)
    long = preprocess(signal, 500.0, **(OPTIONS | {"duration_s": duration_s}))
    real = slice(0, n_samples)
    assert short.n_real_samples == long.n_real_samples == n_samples
    assert_array_equal(short.signal[:, real], long.signal[:, real])


def test_samples_after_the_margin_are_ignored() -> None:
    signal = noise(12, 10_000)
    other = signal.copy()
    other[:, 6500:] = np.nan
    expected = preprocess(signal, 500.0, **OPTIONS).signal
    assert_array_equal(preprocess(other, 500.0, **OPTIONS).signal, expected)


@pytest.mark.parametrize("gap", [slice(5000, 6500), slice(5700, 5702)])
def test_the_margin_ends_at_its_first_missing_sample(gap: slice) -> None:
    signal = noise(12, 7000)
    signal[4, gap] = np.nan
    result = preprocess(signal, 500.0, **OPTIONS)
    expected = preprocess(signal[:, : gap.start], 500.0, **OPTIONS)
    assert_array_equal(result.signal, expected.signal)
    assert np.isfinite(result.signal).all()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 11), st.integers(0, 1600), st.integers(1, 400)),
        max_size=3,
    ),
    st.integers(1, 1600),
    st.sampled_from([100.0, 128.5]),
)
@example([(0, 1000, 400)], 1600, 100.0)  # after the stored 10 s
@example([(0, 990, 400)], 1600, 100.0)  # begins shortly before 10 s
@example([(0, 900, 400)], 1600, 100.0)  # too long within 10 s
def test_preprocess_accepts_what_check_accepts(
    gaps: list[tuple[int, int, int]], n_samples: int, fs: float
) -> None:
    signal = noise(12, n_samples)
    for lead, start, length in gaps:
        signal[lead, start : start + length] = np.nan
    window = first_seconds(signal, fs, OPTIONS["duration_s"])
    accepted = False
    with contextlib.suppress(RecordError):
        check(
            window,
            fs,
            min_duration_s=0.0,
            max_gap_s=OPTIONS["max_gap_s"],
            reject_flat_leads=False,
            max_clipped_fraction=1.0,
        )
        accepted = True
    if accepted:
        assert np.isfinite(preprocess(signal, fs, **OPTIONS).signal).all()
    else:
        with pytest.raises(RecordError):
            preprocess(signal, fs, **OPTIONS)


def tail_error_mv(signal: FloatArray, fs: float, margin_s: float) -> float:
    """Return the largest difference of the last second from the whole record, in mV."""
    options = OPTIONS | {"margin_s": margin_s}
    tail = preprocess(signal, fs, **options).signal[:, 4500:]
    whole = bandpass(resample(signal, fs, 500.0), 500.0, 0.5, 40.0, 3)
    return float(np.abs(tail - whole[:, 4500:5000]).max())


def test_the_margin_keeps_the_edge_effect_away() -> None:
    signal = noise(12, 30_000)
    assert tail_error_mv(signal, 1000.0, margin_s=3.0) < 0.005
    assert tail_error_mv(signal, 1000.0, margin_s=0.0) > 0.05


def test_the_margin_keeps_the_edge_effect_away_from_real_records(
    shared_data: Path,
) -> None:
    training = shared_data / "challenge-2020" / "training"
    headers = sorted(training.glob("ptb/g1/*.hea"))
    headers += sorted(training.glob("cpsc_2018*/g1/*.hea"))
    with_margin, without = [], []
    for header in headers:
        signal, fs = read_record(header, seconds=24)
        if signal.shape[1] >= 20 * fs:
            with_margin.append(tail_error_mv(signal, fs, margin_s=3.0))
            without.append(tail_error_mv(signal, fs, margin_s=0.0))
    assert len(with_margin) >= 15
    assert max(with_margin) < 0.002
    assert np.median(without) > 0.02


def test_real_records_keep_einthoven(shared_data: Path) -> None:
    training = shared_data / "challenge-2020" / "training"
    for header in sorted(training.glob("pt*/g1/*.hea"))[::40]:
        signal, fs = read_record(header, seconds=15)
        filtered = preprocess(signal, fs, **OPTIONS).signal
        residual = filtered[2] - (filtered[1] - filtered[0])
        assert np.abs(residual).max() < 0.003


@pytest.mark.parametrize("fs", [250.0, 257.0, 257.3, 360.0, 500.0, 999.7, 249.99])
def test_a_window_within_a_record_is_filtered_with_what_precedes_it(fs: float) -> None:
    """Also at rates without a small ratio, as of a drifting clock."""
    times = np.arange(round(40 * fs)) / fs
    record = np.array([np.sin(2 * np.pi * (1 + k / 6) * times + k) for k in range(12)])
    begin = round(15 * fs)
    n_before = lead_in(begin, fs, 500.0, 3.0)
    assert 2.5 * fs < n_before <= 3 * fs
    n_resampled = n_before * ratio_of(fs, 500.0)
    assert abs(n_resampled - round(n_resampled)) < 0.1  # 0.2 ms
    assert aligned(n_before, fs, 500.0) > 0.8 * n_before
    part = record[:, begin - n_before : begin + round(13 * fs)]
    window = preprocess(part, fs, n_before=n_before, **OPTIONS).signal
    whole = preprocess(record, fs, **OPTIONS | {"duration_s": 30.0}).signal
    in_whole = np.array(
        [
            np.interp(begin / fs * 500 + np.arange(5000), np.arange(15_000), row)
            for row in whole
        ]
    )
    assert np.abs(window - in_whole)[:, :2500].max() < 0.02  # mV
