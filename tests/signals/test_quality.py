"""Laws of the quality measures, and every reason of the check."""

import dataclasses
import itertools
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.signals._quality_kernels import (
    N_COUNTS,
    N_MOMENTS,
    count_leads,
    sum_moments,
)
from ecgstore.signals.quality import QUALITY_COLUMNS, RAIL_MV, Quality, check, measure

FS = 500.0
ACCEPT_ALL: dict[str, Any] = {
    "min_duration_s": 0.0,
    "max_gap_s": 100.0,
    "reject_flat_leads": False,
    "max_clipped_fraction": 1.0,
}


def sines(*amplitudes_and_frequencies: tuple[float, float]) -> FloatArray:
    """Return 10 s of a sum of sines in all leads."""
    time = np.arange(5000) / FS
    lead = sum(a * np.sin(2 * np.pi * f * time) for a, f in amplitudes_and_frequencies)
    return np.tile(lead, (12, 1))


def plain_sums(lead: FloatArray, sizes: tuple[int, int, int]) -> list[float]:
    """Return the counts and sums of a lead by the definitions of the kernels."""
    n_flat, n_plateau, n_plateaus = sizes
    valid = lead[~np.isnan(lead)]
    if not valid.size:
        return [0.0, 0.0, 0.0, 0.0, math.inf, -math.inf, 0.0, 0.0]
    runs = [  # NaN differs from itself, so that every one is a run by itself
        (value, len(list(group)))
        for value, group in itertools.groupby(lead.tolist())
        if not math.isnan(value)
    ]
    flat = sum(length for _, length in runs if length >= n_flat)
    clipped = sum(length for value, length in runs if abs(value) >= RAIL_MV)
    for extreme in {valid.max(), valid.min()}:
        plateaus = [n for value, n in runs if value == extreme and n >= n_plateau]
        varies = valid.min() < valid.max()
        if varies and abs(extreme) < RAIL_MV and len(plateaus) >= n_plateaus:
            clipped += sum(plateaus)
    measures = [valid.mean(), valid.min(), valid.max()]
    if valid.min() == valid.max():
        return [valid.size, valid.size, clipped, *measures, 0.0, 0.0]
    deviation = valid - valid.mean()
    squares, fourth_powers = (deviation**2).sum(), (deviation**4).sum()
    return [valid.size, flat, clipped, *measures, squares, fourth_powers]


@settings(deadline=None, max_examples=300)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 3), st.integers(0, 40)),
        elements=st.sampled_from([math.nan, -1.0, 0.0, 0.1, 1.0, RAIL_MV, -40.0]),
        fill=st.nothing(),
    ),
    st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 4)),
)
def test_the_kernels_equal_their_definitions(
    signal: FloatArray, sizes: tuple[int, int, int]
) -> None:
    counts = np.full((len(signal), N_COUNTS), np.nan)
    count_leads(signal, *sizes, RAIL_MV, counts)
    moments = np.full((len(signal), N_MOMENTS), np.nan)
    sum_moments(signal, counts, moments)
    expected = [plain_sums(lead, sizes) for lead in signal]
    assert_allclose(np.hstack([counts, moments]), expected, rtol=1e-12, atol=1e-12)


def test_the_columns_are_the_attributes() -> None:
    names = [column.name for column in QUALITY_COLUMNS]
    assert names == [field.name for field in dataclasses.fields(Quality)]
    quality = measure(sines((1.0, 10.0)), FS)
    for column in QUALITY_COLUMNS:
        value = np.asarray(getattr(quality, column.name))
        assert value.shape == ((12,) if column.per_lead else ())
        assert column.per_lead is False or value.dtype == np.float32
        assert "\n" not in column.definition


def test_a_constant_lead_is_flat_and_has_no_shape() -> None:
    signal = sines((1.0, 10.0))
    signal[6] = 0.1
    signal[7, ::2] = np.nan
    signal[7, 1::2] = 0.1
    quality = measure(signal, FS)
    assert quality.flat_fraction[5:9].tolist() == [0.0, 1.0, 1.0, 0.0]
    assert not quality.clipped_fraction.any()
    for index in (quality.ksqi, quality.psqi, quality.bassqi):
        assert np.isnan(index).tolist() == [lead in (6, 7) for lead in range(12)]


def test_flat_runs_count_from_one_second_on() -> None:
    signal = sines((1.0, 10.0))
    signal[0, 1000:1500] = 0.3
    signal[1, 1000:1499] = 0.3
    flat_fraction = measure(signal, FS).flat_fraction
    assert_allclose(flat_fraction[:3], [0.1, 0.0, 0.0])


@pytest.mark.parametrize("side", [1, -1])
def test_cut_peaks_are_clipped(side: int) -> None:
    signal = side * sines((1.0, 1.0))
    cut = side * np.minimum(side * signal, 0.6)
    quality = measure(cut, FS)
    assert_allclose(quality.clipped_fraction, (side * signal >= 0.6).mean(axis=1))
    assert not measure(signal, FS).clipped_fraction.any()


def test_two_plateaus_are_not_clipped_and_three_are() -> None:
    signal = sines((1.0, 1.0))
    signal[:, 0:1000] = np.minimum(signal[:, 0:1000], 0.5)
    signal[:, 1000:] *= 0.4
    assert not measure(signal, FS).clipped_fraction.any()
    signal = sines((1.0, 1.0))
    signal[:, 0:1500] = np.minimum(signal[:, 0:1500], 0.5)
    signal[:, 1500:] *= 0.4
    assert measure(signal, FS).clipped_fraction.all()


def test_samples_at_the_rails_are_clipped() -> None:
    signal = sines((1.0, 10.0))
    signal[2, [10, 20]] = [32.767, -32.768]
    assert_allclose(measure(signal, FS).clipped_fraction[1:4], [0, 0.0004, 0])


def test_missing_samples_are_counted_and_do_not_count() -> None:
    signal = sines((1.0, 5.0))
    signal[3, 1000:2000] = np.nan
    quality = measure(signal, FS)
    assert_allclose(quality.missing_fraction[2:5], [0.0, 0.2, 0.0])
    assert_allclose(quality.ksqi, 1.5, rtol=1e-3)  # of any sine
    assert not quality.flat_fraction.any()


@given(st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_ksqi_is_the_kurtosis(seed: int) -> None:
    signal = np.random.default_rng(seed).standard_t(5, (12, 700)) + 3
    expected = scipy.stats.kurtosis(signal, axis=1, fisher=False)
    assert_allclose(measure(signal, FS).ksqi, expected, rtol=1e-5)


@given(st.floats(0.05, 3), st.floats(0.05, 3), st.floats(-10, 10), st.floats(0.1, 9))
@settings(deadline=None, max_examples=30)
def test_spectral_indices_are_ratios_of_power(
    wander: float, noise: float, offset: float, scale: float
) -> None:
    signal = scale * sines((wander, 0.5), (1.0, 10.0), (noise, 25.0)) + offset
    quality = measure(signal, FS)
    assert_allclose(quality.psqi, 1 / (1 + noise**2), atol=1e-3)
    power = wander**2 + 1 + noise**2
    assert_allclose(quality.bassqi, 1 - wander**2 / power, atol=1e-3)


def test_spectral_indices_need_the_band_up_to_40_hz() -> None:
    quality = measure(sines((1.0, 10.0)), 79.0)
    assert np.isnan(quality.psqi).all()
    assert np.isnan(quality.bassqi).all()
    assert np.isfinite(measure(sines((1.0, 10.0)), 80.0).psqi).all()


def test_einthoven_residual_is_a_root_mean_square() -> None:
    signal = sines((1.0, 10.0))
    signal[1] = 2 * signal[0]
    signal[2] = signal[1] - signal[0]
    assert measure(signal, FS).einthoven_residual_mv == pytest.approx(0.0, abs=1e-12)
    signal[2, ::4] += 0.2
    assert measure(signal, FS).einthoven_residual_mv == pytest.approx(0.1)
    signal[0, ::4] = np.nan
    assert measure(signal, FS).einthoven_residual_mv == pytest.approx(0.0, abs=1e-12)
    signal[1] = np.nan
    assert math.isnan(measure(signal, FS).einthoven_residual_mv)


@settings(deadline=None, max_examples=60)
@given(
    arrays(
        np.float64,
        st.tuples(st.just(12), st.integers(1, 60)),
        elements=st.sampled_from([math.nan, 0.0, 0.1, -2.0, 40.0, 1e-200]),
        fill=st.sampled_from([math.nan, 0.0]),
    ),
    st.sampled_from([50.0, 128.5, 500.0]),
)
def test_any_signal_can_be_measured(signal: FloatArray, fs: float) -> None:
    original = signal.copy()
    quality = measure(signal, fs)
    assert_array_equal(signal, original)
    no_sample = np.isnan(signal).all(axis=1)
    assert_array_equal(np.isnan(quality.flat_fraction), no_sample)
    assert_array_equal(np.isnan(quality.clipped_fraction), no_sample)
    for column in QUALITY_COLUMNS:
        value = np.asarray(getattr(quality, column.name))
        if column.name.endswith(("fraction", "psqi", "bassqi")):
            valid = value[~np.isnan(value)]
            assert ((valid > -1e-6) & (valid < 1 + 1e-6)).all()


def test_importing_the_module_loads_no_slow_library() -> None:
    code = (
        "import sys, ecgstore.signals.quality;"
        "print([m for m in ('numba', 'scipy', 'pandas', 'wfdb') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# The check


def flat_lead() -> FloatArray:
    """Return a signal with a constant aVL."""
    signal = sines((1.0, 10.0))
    signal[4] = -0.25
    return signal


def clipped_lead() -> FloatArray:
    """Return a signal of which V6 is clipped for about a third."""
    signal = sines((1.0, 1.0))
    signal[11] = np.minimum(signal[11], 0.5)
    return signal


def long_gap() -> FloatArray:
    """Return a signal of which V2 misses 0.3 s."""
    signal = sines((1.0, 10.0))
    signal[7, 100:250] = np.nan
    return signal


def lost_lead() -> FloatArray:
    """Return a signal without V1."""
    signal = sines((1.0, 10.0))
    signal[6] = np.nan
    return signal


@pytest.mark.parametrize(
    ("signal", "options", "reason", "detail"),
    [
        (
            sines((1.0, 10.0))[:, :999],
            {"min_duration_s": 2.0},
            Reason.TOO_SHORT,
            "the record has 999 samples (2 s); expected at least 2 s",
        ),
        (
            np.full((12, 5000), np.nan),
            {},
            Reason.ALL_SAMPLES_MISSING,
            "none of the 5000 samples of any lead is valid",
        ),
        (np.empty((12, 0)), {}, Reason.ALL_SAMPLES_MISSING, "none of the 0 samples"),
        (
            long_gap(),
            {"max_gap_s": 0.2},
            Reason.GAP_TOO_LONG,
            "lead V2 misses 150 samples in a row (0.3 s); at most 100 (0.2 s)",
        ),
        (lost_lead(), {}, Reason.GAP_TOO_LONG, "none of the 5000 samples of lead V1"),
        (
            flat_lead(),
            {"reject_flat_leads": True},
            Reason.FLAT_LEAD,
            "lead aVL is constant over all 5000 samples",
        ),
        (
            clipped_lead(),
            {"max_clipped_fraction": 0.2},
            Reason.CLIPPED,
            "33.4 % of lead V6 is clipped; expected at most 20 %",
        ),
    ],
    ids=["short", "no sample", "empty", "gap", "lost lead", "flat lead", "clipped"],
)
def test_every_problem_is_refused_with_its_reason(
    signal: FloatArray, options: dict[str, Any], reason: Reason, detail: str
) -> None:
    with pytest.raises(RecordError) as caught:
        check(signal, FS, **(ACCEPT_ALL | options))
    assert caught.value.reason == reason
    assert detail in caught.value.detail


def test_the_limits_themselves_are_accepted() -> None:
    check(sines((1.0, 10.0))[:, :1000], FS, **(ACCEPT_ALL | {"min_duration_s": 2.0}))
    check(long_gap(), FS, **(ACCEPT_ALL | {"max_gap_s": 0.3}))
    check(flat_lead(), FS, **ACCEPT_ALL)
    clipped = float((sines((1.0, 1.0))[0] >= 0.5).mean())
    check(clipped_lead(), FS, **(ACCEPT_ALL | {"max_clipped_fraction": clipped}))


def test_a_short_but_valid_gap_is_no_flat_lead() -> None:
    check(long_gap(), FS, **(ACCEPT_ALL | {"reject_flat_leads": True}))


# Real records


def read_window(header: Path) -> tuple[FloatArray, float]:
    """Read the first 10 s of a record with the wfdb library."""
    import wfdb

    name = str(header.with_suffix(""))
    fs = float(wfdb.rdheader(name).fs)
    record = wfdb.rdrecord(name, sampto=round(10 * fs))
    return record.p_signal.T.copy(), fs


def wfdb_reads(header: Path) -> bool:
    """Return whether wfdb accepts the record's name, which must not end in .mat."""
    return not header.read_text().split()[0].endswith(".mat")


def test_clean_real_records_are_accepted(shared_data: Path) -> None:
    training = shared_data / "challenge-2020" / "training"
    headers = [path for path in training.rglob("*.hea") if wfdb_reads(path)]
    assert len(headers) > 600
    kurtoses = []
    for header in headers:
        signal, fs = read_window(header)
        check(
            signal,
            fs,
            min_duration_s=10.0,
            max_gap_s=0.0,
            reject_flat_leads=True,
            max_clipped_fraction=0.0,
        )
        quality = measure(signal, fs)
        assert quality.einthoven_residual_mv < 0.0011  # one count of 1 uV
        assert not quality.flat_fraction.any(), header
        kurtoses.append(np.median(quality.ksqi))
    assert np.median(kurtoses) > 5


def test_other_real_records_are_not_clipped_either(shared_data: Path) -> None:
    headers = sorted((shared_data / "ludb").rglob("*.hea"))
    assert len(headers) == 100
    for header in headers:
        quality = measure(*read_window(header))
        assert not quality.clipped_fraction.any(), header
        assert not quality.flat_fraction.any(), header
        assert not quality.missing_fraction.any(), header


def test_a_mixed_up_record_has_a_residual(shared_data: Path) -> None:
    training = shared_data / "challenge-2020" / "training"
    signal, fs = read_window(sorted(training.glob("ptb-xl/g1/*.hea"))[0])
    mixed_up = signal[[2, 1, 0, *range(3, 12)]] * [[1], [1], [-1], *[[1]] * 9]
    assert measure(mixed_up, fs).einthoven_residual_mv > 0.05
