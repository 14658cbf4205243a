"""Features of real records: plausible ranges, and agreement with the diagnoses."""

import math
from pathlib import Path

import numpy as np
import pytest

import ecgstore
from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.beats import find_beats
from ecgstore.config import Config
from ecgstore.features import FEATURES, compute
from ecgstore.signals.preprocess import preprocess
from ecgstore.sources import read_record

NAMES = [feature.name for feature in FEATURES]
DX = {
    "normal": {"426783006"},
    "fibrillation": {"164889003"},
    "left block": {"164909002"},
    "right block": {"59118001", "713427006"},
    "left axis": {"39732003", "445118002"},  # and left anterior fascicular block
    "hypertrophy": {"164873001"},
    "bradycardia": {"426177001"},
    "tachycardia": {"427084000"},
    "slow conduction": {"270492004"},
}

IN_RANGE = {"1", "deg", "Hz"}
"""Units of features that cannot leave their range, whatever the marks."""

NEVER_OUTSIDE = {
    feature.name
    for feature in FEATURES
    if feature.unit in IN_RANGE
    and feature.valid_range in ((0, 1), (-1, 1), (-180, 180), (0, 180), (1, 7), (4, 9))
}


def outside(values: FloatArray) -> BoolArray:
    """Return which values are defined and implausible; they are float32."""
    low, high = np.array([feature.valid_range for feature in FEATURES]).T
    margin = 1e-6 * (high - low)
    implausible: BoolArray = (values < low - margin) | (values > high + margin)
    return implausible


def test_the_sample_lies_in_the_valid_ranges(sample_store: Path) -> None:
    with ecgstore.open(sample_store) as store:
        values = store.features().reindex(columns=NAMES).to_numpy(np.float64)
    assert not np.isinf(values).any()
    implausible = outside(values)
    for name, column in zip(NAMES, implausible.T, strict=True):
        assert not (name in NEVER_OUTSIDE and column.any()), name
    assert implausible.mean() < 0.01
    undefined = np.isnan(values).mean(axis=0)
    always = {name for name, part in zip(NAMES, undefined, strict=True) if part == 1}
    assert always == {"hti", "tinn_ms"}  # 20 min are needed
    assert not always & {*store.feature_names}


def test_normal_records_of_the_sample_are_normal(sample_store: Path) -> None:
    with ecgstore.open(sample_store) as store:
        normal = store.records["dx"].to_numpy() == "426783006"  # and nothing else
        rows = store.features()[normal]
    assert len(rows) >= 5
    medians = rows.median()
    for name, low, high in (
        ("mean_hr", 50, 100),
        ("pr_interval_ms", 120, 200),
        ("qrs_duration_ms", 70, 120),
        ("qtc_fridericia_ms", 360, 450),
        ("qrs_axis_deg", -30, 100),
        ("t_axis_deg", -10, 90),
        ("p_axis_deg", 0, 85),
        ("qrs_t_angle_frontal_deg", 0, 60),
        ("sokolow_lyon_mv", 0.8, 3.5),
        ("transition_lead", 1.5, 5),
        ("p_presence", 0.8, 1),
        ("II_t_amplitude_mv", 0.1, 0.6),
        ("V5_st60_level_mv", -0.05, 0.2),
        ("pathological_q", 0, 0.2),
        ("f_wave_power_mv2", 0, 5e-4),
    ):
        assert low <= medians[name] <= high, name
    assert medians["aVR_t_sign"] == -1
    assert medians["V5_t_sign"] == 1


def auroc(values: FloatArray, positive: BoolArray) -> float:
    """Return the area under the ROC curve, without undefined values."""
    defined = ~np.isnan(values)
    high, low = values[defined & positive], values[defined & ~positive]
    return float(np.mean(high[:, None] > low) + np.mean(high[:, None] == low) / 2)


def test_auroc_counts_ties_as_half() -> None:
    values = np.array([1.0, 2.0, 2.0, 3.0, math.nan])
    positive = np.array([False, True, False, True, True])
    assert auroc(values, positive) == pytest.approx(3.5 / 4)


@pytest.mark.slow
def test_features_separate_the_diagnoses_they_describe(shared_data: Path) -> None:
    """Features separate the diagnoses that they describe, in Challenge records.

    Only a sixth of the records without any of the diagnoses is used.
    """
    config = Config()
    known = set().union(*DX.values()) - DX["normal"]
    rows, dx = [], []
    for k, path in enumerate(sorted((shared_data / "challenge-2020").rglob("*.hea"))):
        record = read_record(path, max_samples=11_000)
        if not known & {*record.dx} and k % 6:
            continue
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
        rows.append(compute(signal, beats, config.fs))
        dx.append({*record.dx})
    values = np.array(rows, np.float64)
    assert not np.isinf(values).any()
    for diagnosis, name, sign, least in (
        ("fibrillation", "cvsd", 1, 0.9),
        ("fibrillation", "median_abs_diff_ratio", 1, 0.85),
        ("fibrillation", "diff_histogram_entropy", 1, 0.85),
        ("fibrillation", "f_wave_power_mv2", 1, 0.85),
        ("fibrillation", "V1_f_wave_power_mv2", 1, 0.85),
        ("fibrillation", "V1_f_wave_concentration", 1, 0.8),
        ("fibrillation", "p_presence", -1, 0.9),
        ("left block", "qrs_duration_ms", 1, 0.9),
        ("left block", "V6_r_peak_time_ms", 1, 0.7),
        ("right block", "V1_qrs_area_mv_ms", 1, 0.9),
        ("right block", "V1_r_to_rs_ratio", 1, 0.85),
        ("left axis", "qrs_axis_deg", -1, 0.85),
        ("hypertrophy", "sokolow_lyon_mv", 1, 0.7),
        ("hypertrophy", "cornell_mv", 1, 0.7),
        ("bradycardia", "mean_hr", -1, 0.9),
        ("tachycardia", "mean_hr", 1, 0.9),
        ("slow conduction", "pr_interval_ms", 1, 0.9),
    ):
        positive = np.array([bool(codes & DX[diagnosis]) for codes in dx])
        got = auroc(sign * values[:, NAMES.index(name)], positive)
        assert got >= least, (diagnosis, name)
