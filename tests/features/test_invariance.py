"""Changes of a record that must not change features, or only in a known way."""

import math

import numpy as np
import pytest

from ecgstore.arrays import FloatArray
from ecgstore.beats import Beats, BeatStatus
from ecgstore.features import FEATURES, compute
from ecgstore.features.waves.definitions import WAVES
from ecgstore.record import LEADS, Mark

FS = 500.0


def row_of(signal: FloatArray, beats: Beats, fs: float = FS) -> dict[str, float]:
    """Return all features by name."""
    names = (feature.name for feature in FEATURES)
    return dict(zip(names, compute(signal, beats, fs).tolist(), strict=True))


UNITS = {feature.name: feature.unit for feature in FEATURES}


def assert_same(
    got: dict[str, float], expected: dict[str, float], skip: tuple[str, ...] = ()
) -> None:
    for name, value in expected.items():
        if not name.endswith(skip) or not skip:
            assert got[name] == pytest.approx(value, rel=1e-4, abs=1e-5, nan_ok=True), (
                name
            )


def smooth_record(fs: float = FS) -> tuple[FloatArray, Beats]:
    """Return twelve leads of the same heart, with waves far above all thresholds.

    It is defined in continuous time; samples below are those of 500 Hz.
    """
    around_r = np.array([-100, -80, -55, -25, 0, 25, 90, 130, 170])
    r_peaks = np.array([300, 720, 1110, 1500, 1930, 2330, 2700, 3120, 3550, 3960, 4400])
    time = np.arange(int(10 * fs)) * (500 / fs)
    gains = np.linspace(0.8, 2.1, 12) * np.where(np.arange(12) == 3, -1, 1)
    wave = np.zeros(len(time))
    for delay, width, height in (
        (-80, 10, 0.3),
        (-14, 4, -0.9),
        (0, 5, 3.0),
        (14, 4, -1.2),
        (130, 18, 0.9),
    ):
        for peak in r_peaks:
            wave += height * np.exp(-(((time - peak - delay) / width) ** 2) / 2)
    drift = 0.02 * np.sin(2 * np.pi * time / 77)
    signal = gains[:, None] * (wave + drift)
    marks = np.rint((r_peaks[:, None] + around_r) * (fs / 500)).astype(np.int64)
    beats = np.rint(r_peaks * (fs / 500)).astype(np.int64)
    return signal, Beats(beats, np.tile(marks, (12, 1, 1)), BeatStatus.OK)


@pytest.mark.parametrize("scale", [1.5, 40.0])
def test_scaling_scales_what_is_in_mv_and_nothing_else(scale: float) -> None:
    signal, beats = smooth_record()
    expected = row_of(signal, beats)
    power = {"mV": 1, "mV ms": 1, "mV/s": 1, "mV^2": 2}
    for name, value in expected.items():
        expected[name] = value * scale ** power.get(UNITS[name], 0)
    assert_same(row_of(signal * scale, beats), expected)


def test_an_offset_changes_nothing() -> None:
    signal, beats = smooth_record()
    offset = np.linspace(-3, 4, 12)[:, None]
    assert_same(row_of(signal + offset, beats), row_of(signal, beats))


def test_a_shift_in_time_changes_nothing_but_spectra() -> None:
    signal, beats = smooth_record()
    signal = np.pad(signal, ((0, 0), (100, 100)), mode="edge")
    later = Beats(beats.r_peaks + 137, beats.fiducials + 137, BeatStatus.OK)
    here = Beats(beats.r_peaks + 100, beats.fiducials + 100, BeatStatus.OK)
    got, expected = row_of(np.roll(signal, 37, axis=1), later), row_of(signal, here)
    assert_same(got, expected, ("power", "_mv2", "_hz", "entropy", "concentration"))


@pytest.mark.parametrize("fs", [250.0, 500.0, 1000.0])
def test_values_are_those_of_the_heart_at_any_sampling_rate(fs: float) -> None:
    got = row_of(*smooth_record(fs), fs)
    gain = dict(zip(LEADS, np.linspace(0.8, 2.1, 12).tolist(), strict=True))
    axis = math.degrees(math.atan2(2 * gain["aVF"], math.sqrt(3) * gain["I"]))
    for name, value, tolerance in (
        ("mean_rr_ms", 820, 1e-3),
        ("p_duration_ms", 90, 1000 / fs),
        ("pr_interval_ms", 150, 1000 / fs),
        ("qrs_duration_ms", 100, 1000 / fs),
        ("qt_interval_ms", 390, 1000 / fs),
        ("tpeak_tend_ms", 80, 1000 / fs),
        ("V2_r_amplitude_mv", 3.0 * gain["V2"], 0.1),
        ("V2_t_amplitude_mv", 0.9 * gain["V2"], 0.06),
        ("V2_p_amplitude_mv", 0.3 * gain["V2"], 0.06),
        ("V2_j_level_mv", 0.0, 0.06),
        ("V2_t_area_mv_ms", 0.9 * gain["V2"] * 36 * math.sqrt(2 * math.pi), 6),
        ("qrs_axis_deg", axis, 0.1),
        ("t_axis_deg", axis, 0.1),
    ):
        assert got[name] == pytest.approx(value, abs=tolerance), name


@pytest.mark.parametrize("fs", [250.0, 1000.0])
def test_sampling_rate_changes_no_feature_by_more_than_a_sample(fs: float) -> None:
    """Marks are rounded to samples, and so are durations."""
    got, expected = row_of(*smooth_record(fs), fs), row_of(*smooth_record(), FS)
    a_sample_ms = 1.1 * 1000 / min(fs, FS)  # QTc is a little longer than QT
    for name, value in expected.items():
        if "pathological_q" in name or "q_waves" in name:
            continue  # the Q waves are hardly longer than 30 ms, or hardly shorter
        within = {"ms": a_sample_ms, "mV": 0.02, "mV/s": 0.2}.get(UNITS[name], 1e-3)
        relative = 0.05 if name == "cornell_product_mv_ms" else 0.01
        assert got[name] == pytest.approx(
            value, rel=relative, abs=within, nan_ok=True
        ), name


def test_order_of_the_leads_only_orders_the_leads() -> None:
    signal, beats = smooth_record()
    order = np.random.default_rng(1).permutation(12)
    mixed = Beats(beats.r_peaks, beats.fiducials[order], BeatStatus.OK)
    got, expected = row_of(signal[order], mixed), row_of(signal, beats)
    for k, lead in enumerate(LEADS):
        own = f"{LEADS[order[k]]}_"
        for name, value in expected.items():
            if name.startswith(own):
                moved = f"{lead}_{name.removeprefix(own)}"
                assert got[moved] == pytest.approx(value, rel=1e-5, nan_ok=True), name
    record = [feature.name for feature in WAVES.features[: len(WAVES.definitions)]]
    assert_same({n: got[n] for n in record}, {n: expected[n] for n in record})


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_a_missing_lead_is_nan_and_leaves_the_others_alone(bad: float) -> None:
    signal, beats = smooth_record()
    expected = row_of(signal, beats)
    k = LEADS.index("V4")
    signal[k], beats.fiducials[k] = bad, -1
    got = row_of(signal, beats)
    defined = {n for n in got if n.startswith("V4_") and not math.isnan(got[n])}
    flat = {"low_power_mv2", "middle_power_mv2", "high_power_mv2", "f_wave_power_mv2"}
    assert defined == ({f"V4_{name}" for name in flat} if bad == 0 else set())
    for name, value in expected.items():
        if name.split("_")[0] in {*LEADS} - {"V4"} or name.startswith("mean_rr"):
            assert got[name] == pytest.approx(value, rel=1e-6, nan_ok=True), name
    for name in ("qrs_axis_deg", "sokolow_lyon_mv", "cornell_mv", "qt_dispersion_ms"):
        assert got[name] == pytest.approx(expected[name], rel=1e-6)
    assert math.isnan(got["qrs_t_angle_spatial_deg"])


def test_a_missing_wave_leaves_the_others_alone() -> None:
    signal, beats = smooth_record()
    expected = row_of(signal, beats)
    beats.fiducials[..., Mark.T_ON :] = -1
    got = row_of(signal, beats)
    changed = {n for n in got if got[n] != expected[n] and not math.isnan(got[n])}
    assert changed == set()
    undefined = {n for n in got if math.isnan(got[n]) and not math.isnan(expected[n])}
    assert all("t" in name for name in undefined)
    assert not math.isnan(got["qrs_axis_deg"])
    assert math.isnan(got["t_axis_deg"])
