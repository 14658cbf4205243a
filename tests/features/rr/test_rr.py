"""RR-interval features: plain definitions, NeuroKit2, and values by hand."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from bench.builds.rr_features import HRV_TIME_NAMES
from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats import find_beats
from ecgstore.config import Config
from ecgstore.features.rr import _kernels as kernels
from ecgstore.features.rr.compute import CONVENTIONS, rr_features
from ecgstore.features.rr.definitions import RR
from ecgstore.signals.preprocess import preprocess
from ecgstore.sources import read_record

NAMES = [definition.name for definition in RR.definitions]


def named(values: FloatArray) -> dict[str, float]:
    return dict(zip(NAMES, values.tolist(), strict=True))


def peaks_of(rr_ms: Sequence[float], fs: float = 1000.0) -> IntArray:
    return np.cumsum([100, *(round(interval * fs / 1000) for interval in rr_ms)])


def plain(r_peaks: IntArray, fs: float, ddof: int, pnn_ddof: int) -> dict[str, float]:
    """Compute the definitions in the table with NumPy."""
    rr = np.diff(r_peaks) / fs * 1000
    n = len(rr)
    values = dict.fromkeys(NAMES, np.nan) | {"n_beats": len(r_peaks), "n_rr": n}
    if n:
        median = np.median(rr)
        values |= {
            "mean_rr_ms": rr.mean(),
            "median_rr_ms": median,
            "mad_rr_ms": 1.4826 * np.median(np.abs(rr - median)),
            "prc20_rr_ms": np.percentile(rr, 20),
            "prc80_rr_ms": np.percentile(rr, 80),
            "min_rr_ms": rr.min(),
            "max_rr_ms": rr.max(),
            "mean_hr": (60000 / rr).mean(),
            "min_hr": 60000 / rr.max(),
            "max_hr": 60000 / rr.min(),
        }
    if n >= 2:
        d = np.diff(rr)
        values |= {
            "sdnn_ms": rr.std(ddof=ddof),
            "rmssd_ms": np.sqrt((d**2).mean()),
            "cvnn": rr.std(ddof=ddof) / rr.mean(),
            "cvsd": np.sqrt((d**2).mean()) / rr.mean(),
            "mcvnn": values["mad_rr_ms"] / median,
            "iqr_rr_ms": np.percentile(rr, 75) - np.percentile(rr, 25),
            "pnn20": (abs(d) > 20).sum() / (n - pnn_ddof),
            "pnn50": (abs(d) > 50).sum() / (n - pnn_ddof),
            "pnn60": (abs(d) > 60).sum() / (n - pnn_ddof),
            "sd_hr": (60000 / rr).std(ddof=ddof),
            "median_abs_diff_ratio": np.median(abs(d)) / median,
            "n_ectopic": ((rr[:-1] < 0.8 * median) & (rr[1:] > 1.15 * median)).sum(),
        }
        if d.any():
            values["sdrmssd"] = values["sdnn_ms"] / values["rmssd_ms"]
    if n >= 3:
        values |= {
            "sdsd_ms": d.std(ddof=ddof),
            "sd1_ms": (d / np.sqrt(2)).std(ddof=ddof),
            "sd2_ms": ((rr[1:] + rr[:-1]) / np.sqrt(2)).std(ddof=ddof),
            "turning_point_ratio": (d[:-1] * d[1:] < 0).mean(),
        }
        counts = np.unique(np.floor(d / (0.05 * median) + 0.5), return_counts=True)[1]
        part = counts / len(d)
        values["diff_histogram_entropy"] = -(part * np.log(part)).sum() / np.log(len(d))
        if values["sd2_ms"] > 1e-9:
            values["sd1_sd2_ratio"] = values["sd1_ms"] / values["sd2_ms"]
    return values


def assert_close(got: FloatArray, expected: dict[str, float]) -> None:
    """Compare within 1e-9 of the value, or absolutely where it is below 1."""
    for name, value in named(got).items():
        assert value == pytest.approx(expected[name], rel=1e-9, abs=1e-9, nan_ok=True)


def random_series(seed: int, n_series: int, min_beats: int) -> list[IntArray]:
    """Return beats of regular, irregular and ectopic rhythms."""
    rng = np.random.default_rng(seed)
    series = []
    for _ in range(n_series):
        n_rr = rng.integers(min_beats - 1, 40)
        rr = rng.uniform(150, 900) * rng.lognormal(0, rng.uniform(0.001, 0.4), n_rr)
        series.append(np.cumsum(np.r_[rng.integers(0, 500), np.ceil(rr)]).astype(int))
    return series


@given(
    st.lists(st.integers(1, 2000), max_size=60),
    st.sampled_from([250.0, 257.0, 500.0, 1000.0]),
    st.sampled_from(sorted(CONVENTIONS)),
)
def test_equal_to_the_plain_definitions(
    intervals: list[int], fs: float, convention: str
) -> None:
    r_peaks = np.cumsum([7, *intervals])
    ddof, pnn_ddof = CONVENTIONS[convention]
    expected = plain(r_peaks, fs, ddof, pnn_ddof)
    assert_close(rr_features(r_peaks, fs, convention), expected)


def neurokit(r_peaks: IntArray, fs: float) -> dict[str, float]:
    import neurokit2

    # One wide bin: the search for TINN, which is not compared here, takes most of the
    # time otherwise.
    table = neurokit2.hrv_time(r_peaks, sampling_rate=fs, binsize=10_000)
    values: dict[str, float] = table.iloc[0].to_dict()
    return values


def assert_neurokit(r_peaks: IntArray, fs: float) -> None:
    """Compare within 1e-9 of the value, or absolutely where it is below 1."""
    features = named(rr_features(r_peaks, fs))
    reference = neurokit(r_peaks, fs)
    for name, reference_name in HRV_TIME_NAMES.items():
        value = features[name] * (100 if name.startswith("pnn") else 1)
        expected = reference[f"HRV_{reference_name}"]
        close = abs(value - expected) <= 1e-9 * max(1, abs(expected))
        assert close, (name, value, expected, r_peaks.tolist())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_equal_to_neurokit_on_10_000_random_series(seed: int) -> None:
    for r_peaks in random_series(seed, n_series=5000, min_beats=4):
        assert_neurokit(r_peaks, 500.0)


@pytest.mark.slow
@pytest.mark.parametrize("half", [0, 1])
def test_equal_to_neurokit_on_every_challenge_record(
    shared_data: Path, half: int
) -> None:
    config = Config()
    headers = sorted((shared_data / "challenge-2020" / "training").rglob("*.hea"))
    assert len(headers) == 667
    for header in headers[half::2]:
        record = read_record(header)
        prepared = preprocess(
            record.signal,
            record.fs,
            fs_out=config.fs,
            duration_s=config.duration_s,
            margin_s=config.margin_s,
            low_hz=config.low_hz,
            high_hz=config.high_hz,
            order=config.filter_order,
            max_gap_s=config.max_gap_s,
        )
        signal = prepared.signal[:, : prepared.n_real_samples]
        beats = find_beats(signal, config.fs, max_beats=config.max_beats)
        assert_neurokit(beats.r_peaks, config.fs)


def test_equal_to_neurokit_on_the_annotated_beats_of_ludb(shared_data: Path) -> None:
    import wfdb

    folder = shared_data / "ludb" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    n_records = 0
    for header in sorted(folder.glob("*.hea")):
        marks = wfdb.rdann(str(header.with_suffix("")), "ii")
        r_peaks = marks.sample[np.array(marks.symbol) == "N"]
        if len(r_peaks) >= 4:
            assert_neurokit(r_peaks, 500.0)
            n_records += 1
    assert n_records > 90


@pytest.mark.parametrize("fs", [360.0, 500.0, 1000.0])
def test_differences_on_a_threshold_round_like_neurokit(fs: float) -> None:
    """At 1000 Hz some differences of 50 samples are a rounding error above 50 ms."""
    step = round(fs * 0.05)
    for shortest in range(300, 420):
        intervals = [shortest, shortest + step] * 5
        assert_neurokit(np.cumsum([0, *intervals]), fs)


# NeuroKit2 warns that the series is too short for its fractal features.
@pytest.mark.filterwarnings("ignore")
def test_poincare_features_equal_neurokit() -> None:
    import neurokit2

    r_peaks = random_series(seed=2, n_series=1, min_beats=39)[0]
    reference = neurokit2.hrv_nonlinear(r_peaks, sampling_rate=500)
    features = named(rr_features(r_peaks, 500.0))
    assert features["sd1_ms"] == pytest.approx(reference["HRV_SD1"].iloc[0], rel=1e-9)
    assert features["sd2_ms"] == pytest.approx(reference["HRV_SD2"].iloc[0], rel=1e-9)
    ratio = reference["HRV_SD1SD2"].iloc[0]
    assert features["sd1_sd2_ratio"] == pytest.approx(ratio, rel=1e-9)


def test_features_equal_values_computed_by_hand() -> None:
    rr = [800, 810, 790, 900, 700, 805, 795, 860, 750, 800]
    values = named(rr_features(peaks_of(rr), 1000.0))
    expected = {
        "n_beats": 11,
        "n_rr": 10,
        "mean_rr_ms": 801.0,
        "sdnn_ms": 54.099,
        "rmssd_ms": 95.772,
        "sdsd_ms": 101.581,
        "median_rr_ms": 800,
        "mad_rr_ms": 14.826,
        "iqr_rr_ms": 17.5,
        "prc20_rr_ms": 782,
        "prc80_rr_ms": 820,
        "pnn50": 0.5,
        "pnn20": 0.6,
        "pnn60": 0.5,
        "min_rr_ms": 700,
        "max_rr_ms": 900,
        "cvnn": 0.068,
        "cvsd": 0.120,
        "sdrmssd": 0.565,
        "n_ectopic": 0,
    }
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, abs=6e-4), name
    assert kernels.triangular_index(np.sort(rr).astype(float)) == 5.0


def test_no_interval_leaves_the_counts() -> None:
    for n_beats in (0, 1):
        values = named(rr_features(np.arange(n_beats) * 400, 500.0))
        assert values.pop("n_beats") == n_beats
        assert values.pop("n_rr") == 0
        assert np.isnan([*values.values()]).all()


def test_one_interval_has_location_but_no_spread() -> None:
    values = named(rr_features(peaks_of([800]), 1000.0))
    finite = {name: value for name, value in values.items() if np.isfinite(value)}
    assert finite == {
        "n_beats": 2,
        "n_rr": 1,
        "mean_rr_ms": 800,
        "median_rr_ms": 800,
        "mad_rr_ms": 0,
        "prc20_rr_ms": 800,
        "prc80_rr_ms": 800,
        "min_rr_ms": 800,
        "max_rr_ms": 800,
        "mean_hr": 75,
        "min_hr": 75,
        "max_hr": 75,
    }


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_two_intervals_have_one_difference_only(convention: str) -> None:
    values = named(rr_features(peaks_of([800, 900]), 1000.0, convention))
    undefined = {name for name, value in values.items() if np.isnan(value)}
    assert undefined == {
        "sdsd_ms",
        "sd1_ms",
        "sd2_ms",
        "sd1_sd2_ratio",
        "turning_point_ratio",
        "diff_histogram_entropy",
        "hti",
        "tinn_ms",
    }
    assert values["rmssd_ms"] == 100


def test_a_constant_rhythm_has_no_ratios_of_spreads() -> None:
    values = named(rr_features(np.arange(20) * 37, 360.0))
    assert values["rmssd_ms"] == values["sdsd_ms"] == 0
    assert np.isnan([values["sdrmssd"], values["sd1_sd2_ratio"]]).all()


def test_a_steady_trend_has_no_sdsd() -> None:
    values = named(rr_features(peaks_of([700, 704, 708, 712, 716]), 1000.0))
    assert values["sdsd_ms"] == values["sd1_ms"] == 0
    assert values["rmssd_ms"] == 4


def test_conventions_differ_in_divisors_only() -> None:
    r_peaks = peaks_of([800, 900, 700, 810])
    nk, mietus, prototype = (
        named(rr_features(r_peaks, 1000.0, convention)) for convention in CONVENTIONS
    )
    assert nk["pnn60"] == 3 / 4
    assert mietus["pnn60"] == prototype["pnn60"] == 1
    assert mietus["sdnn_ms"] == nk["sdnn_ms"]
    assert prototype["sdnn_ms"] == pytest.approx(nk["sdnn_ms"] * np.sqrt(3 / 4))
    assert prototype["rmssd_ms"] == nk["rmssd_ms"]


def test_ectopic_beats_are_counted() -> None:
    rhythm = [800, 800, 500, 1100, 800, 800, 800, 520, 1000, 800]
    assert named(rr_features(peaks_of(rhythm), 1000.0))["n_ectopic"] == 2
    interpolated = [800, 800, 400, 400, 800, 800]  # no pause: missed
    assert named(rr_features(peaks_of(interpolated), 1000.0))["n_ectopic"] == 0


def test_entropy_of_the_histogram_of_differences_is_normalised() -> None:
    name = "diff_histogram_entropy"
    assert named(rr_features(peaks_of([800] * 9), 1000.0))[name] == 0
    no_two_alike = [800, 850, 750, 900, 700, 950, 650, 1000]
    assert named(rr_features(peaks_of(no_two_alike), 1000.0))[name] == pytest.approx(1)
    # differences of +-100 ms in turn, three of each: two bins with a half each
    values = named(rr_features(peaks_of([800, 900] * 3 + [800]), 1000.0))
    assert values[name] == pytest.approx(np.log(2) / np.log(6))


def test_the_turning_point_ratio_is_1_if_intervals_alternate_and_0_if_they_rise() -> (
    None
):
    assert named(rr_features(peaks_of([8, 9] * 9), 1e6))["turning_point_ratio"] == 1
    rising = [*range(700, 900, 10)]
    assert named(rr_features(peaks_of(rising), 1000.0))["turning_point_ratio"] == 0


def histogram_of(rr: FloatArray) -> tuple[IntArray, FloatArray]:
    counts, edges = np.histogram(
        rr, np.arange(0, rr.max() + kernels.BIN_MS, kernels.BIN_MS)
    )
    return counts, edges


def plain_triangle_width(rr: FloatArray) -> float:
    """Try every triangle on the highest bin."""
    counts, _ = histogram_of(rr)
    n_bins = len(counts)
    apex = int(counts.argmax())
    places = np.arange(n_bins)
    best = (np.inf, 0)
    for left, right in itertools.product(
        range(1, apex + 2), range(1, n_bins - apex + 1)
    ):
        width = np.where(places <= apex, left, right)
        flank = np.maximum(0, 1 - np.abs(places - apex) / width) * counts[apex]
        best = min(best, (((counts - flank) ** 2).sum(), left + right))
    return best[1] * kernels.BIN_MS


@settings(max_examples=50)
@given(st.lists(st.integers(200, 400), min_size=3, max_size=80))
def test_geometric_features_equal_their_definitions(intervals: list[int]) -> None:
    rr = np.sort(np.array(intervals) * 2.0)
    counts, _ = histogram_of(rr)
    assert kernels.triangular_index(rr) == len(rr) / counts.max()
    scratch = np.empty(int(rr[-1] / kernels.BIN_MS) + 2, int)
    width = kernels.triangle_width(rr, scratch)
    # Of triangles with the same error, both take the narrowest one.
    assert width == pytest.approx(plain_triangle_width(rr), abs=1e-9)


def test_geometric_features_need_20_minutes() -> None:
    import neurokit2

    rng = np.random.default_rng(3)
    r_peaks = np.cumsum(rng.normal(400, 25, 1510).astype(int))
    r_peaks = r_peaks[r_peaks < r_peaks[0] + 20 * 60 * 500 + 1]
    assert (r_peaks[-1] - r_peaks[0]) / 500 < 20 * 60
    values = named(rr_features(r_peaks, 500.0))
    assert np.isnan([values["hti"], values["tinn_ms"]]).all()
    longer = np.append(r_peaks, [r_peaks[-1] + 400, r_peaks[-1] + 790])
    values = named(rr_features(longer, 500.0))
    reference = neurokit2.hrv_time(longer, sampling_rate=500)
    assert values["hti"] == pytest.approx(reference["HRV_HTI"].iloc[0], rel=1e-9)
    rr = np.diff(longer) * 2.0
    assert values["tinn_ms"] == pytest.approx(plain_triangle_width(rr))
    assert 4 * rr.std() < values["tinn_ms"] < 8 * rr.std()


def test_hti_counts_like_neurokit_at_the_edges_of_bins() -> None:
    on_edges: FloatArray = np.arange(90, 110, dtype=np.float64) * kernels.BIN_MS
    for rr in (on_edges, np.repeat(on_edges, 3), np.r_[on_edges, on_edges[-1]]):
        counts, _ = histogram_of(rr)
        assert kernels.triangular_index(np.sort(rr)) == len(rr) / counts.max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"r_peaks": [0, 400, 400]}, "strictly increasing"),
        ({"r_peaks": [0, 400, 300]}, "strictly increasing"),
        ({"fs": 0.0}, "sampling rate"),
        ({"fs": np.nan}, "sampling rate"),
        ({"convention": "sleepecg"}, "neurokit, mietus, prototype"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    valid: dict[str, Any] = {"r_peaks": [0, 400, 800], "fs": 500.0}
    with pytest.raises(ValueError, match=message):
        rr_features(**(valid | arguments))


def test_the_columns_of_the_kernel_are_those_of_the_table() -> None:
    assert len(NAMES) == kernels.N_FEATURES
    constants = [
        name.lower()
        for name, value in vars(kernels).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, int)
    ]
    columns = [name.removesuffix("_ms").lower() for name in NAMES]
    assert constants[: len(columns)] == columns
