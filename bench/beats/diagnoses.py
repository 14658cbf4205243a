"""Measure how well single features tell the records of a diagnosis from the others.

::

    python -m bench.beats.diagnoses CHALLENGE [--json PATH]

CHALLENGE is a folder with records of the Challenge. Two tables are printed: the AUROC
of the features that claim to measure what a diagnosis is about, with half of its 95 %
interval (Hanley and McNeil 1982, Radiology 143:29), and where the features of normal
records lie (diagnosis "sinus rhythm" alone). No feature is fitted to these records; the
labels are those of the Challenge, with their errors.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.common.measuring import print_table, write_json
from bench.common.records import accepted, headers_in, options_of
from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.beats import find_beats
from ecgstore.config import Config
from ecgstore.features import FEATURES, compute
from ecgstore.signals.preprocess import preprocess

NORMAL: Final = ("426783006",)

CLAIMS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "atrial fibrillation": (
        ("164889003",),
        (
            "-p_presence",
            "cvsd",
            "median_abs_diff_ratio",
            "diff_histogram_entropy",
            "f_wave_power_mv2",
            "V1_f_wave_power_mv2",
            "V1_f_wave_concentration",
        ),
    ),
    "atrial flutter": (("164890007",), ("-p_presence", "f_wave_concentration")),
    "left bundle branch block": (
        ("164909002",),
        ("qrs_duration_ms", "V6_r_peak_time_ms", "-relative_high_power"),
    ),
    "right bundle branch block": (
        ("59118001", "713427006"),
        ("qrs_duration_ms", "V1_qrs_area_mv_ms", "V1_r_to_rs_ratio"),
    ),
    "left axis or anterior fascicular block": (
        ("39732003", "445118002"),
        ("-qrs_axis_deg",),
    ),
    "right axis deviation": (("47665007",), ("qrs_axis_deg",)),
    "left ventricular hypertrophy": (
        ("164873001",),
        ("sokolow_lyon_mv", "cornell_mv", "cornell_product_mv_ms"),
    ),
    "low QRS voltages": (("251146004",), ("-qrs_range_mv", "low_voltage_limb")),
    "sinus bradycardia": (("426177001",), ("-mean_hr",)),
    "sinus tachycardia": (("427084000",), ("mean_hr",)),
    "first degree AV block": (("270492004",), ("pr_interval_ms",)),
    "prolonged QT interval": (
        ("111975006",),
        ("qtc_bazett_ms", "qtc_fridericia_ms", "qtc_framingham_ms", "qtc_hodges_ms"),
    ),
    "premature atrial contraction": (("284470004",), ("cvsd", "n_ectopic")),
    "myocardial infarction": (
        ("164865005",),
        ("pathological_q", "qrs_t_angle_spatial_deg"),
    ),
    "T wave inversion": (("59931005",), ("-V5_t_to_r_ratio", "-t_sign")),
    "ST depression": (("429622005",), ("-V5_st80_level_mv", "-V5_j_level_mv")),
    "abnormal Q wave": (("164917005",), ("pathological_q", "q_waves_inferior")),
}
"""SNOMED CT codes of each diagnosis, and features; one with a minus sign is low."""

SHOWN_NORMAL: Final = (
    "mean_hr",
    "p_duration_ms",
    "pr_interval_ms",
    "qrs_duration_ms",
    "qt_interval_ms",
    "qtc_fridericia_ms",
    "p_axis_deg",
    "qrs_axis_deg",
    "t_axis_deg",
    "qrs_t_angle_frontal_deg",
    "qrs_t_angle_spatial_deg",
    "sokolow_lyon_mv",
    "cornell_mv",
    "transition_lead",
    "p_presence",
    "f_wave_power_mv2",
    "relative_middle_power",
    "spectral_entropy",
)

MIN_RECORDS: Final = 2
"""A diagnosis with fewer records, or fewer others, is left out."""


def main() -> None:
    """Measure, print tables, and write JSON if asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder with Challenge records")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write results here")
    options = parser.parse_args()
    values, dx = features_of(options.folder, Config())
    claims = measure_claims(values, dx)
    normal = measure_normal(values, dx)
    write_json(options.json, {"records": len(dx), "auroc": claims, "normal": normal})


def features_of(
    folder: Path, config: Config
) -> tuple[dict[str, FloatArray], list[set[str]]]:
    """Return the features of a folder's records by name, and their diagnoses."""
    rows, dx = [], []
    for _, record in accepted(headers_in(folder), config):
        prepared = preprocess(
            record.signal, record.fs, **options_of(preprocess, config)
        )
        signal = prepared.signal[:, : prepared.n_real_samples]
        beats = find_beats(signal, config.fs, **options_of(find_beats, config))
        rows.append(compute(signal, beats, config.fs, config.rr_convention))
        dx.append({*record.dx})
    columns = np.array(rows, np.float64).T
    names = (each.name for each in FEATURES)
    return dict(zip(names, columns, strict=True)), dx


def measure_claims(
    values: dict[str, FloatArray], dx: list[set[str]]
) -> list[dict[str, Any]]:
    """Print the AUROC of every claim, and return them."""
    results = []
    for diagnosis, (codes, features) in CLAIMS.items():
        positive = np.array([not each.isdisjoint(codes) for each in dx])
        for feature in features:
            name = feature.removeprefix("-")
            sign = -1 if feature.startswith("-") else 1
            defined = ~np.isnan(values[name])
            high = sign * values[name][defined & positive]
            low = sign * values[name][defined & ~positive]
            if min(len(high), len(low)) < MIN_RECORDS:
                continue
            area, margin = auroc(high, low)
            results.append(
                {
                    "diagnosis": diagnosis,
                    "feature": feature,
                    "records": int(positive.sum()),
                    "undefined": int((positive & ~defined).sum()),
                    "auroc": area,
                    "margin": margin,
                }
            )
    rows = {
        f"{each['diagnosis']}: {each['feature']}": (
            str(each["records"]),
            str(each["undefined"]),
            f"{each['auroc']:.3f} (+-{each['margin']:.3f})",
        )
        for each in results
    }
    print_table("diagnosis: feature", ("records", "undefined", "AUROC"), rows)
    return results


def auroc(high: FloatArray, low: FloatArray) -> tuple[float, float]:
    """Return the AUROC and half of its 95 % interval (Hanley and McNeil 1982)."""
    above = (high[:, None] > low).mean() + (high[:, None] == low).mean() / 2
    area = float(above)
    two_high, two_low = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area)
    variance += (len(high) - 1) * (two_high - area**2)
    variance += (len(low) - 1) * (two_low - area**2)
    return area, 1.96 * float(np.sqrt(max(variance, 0) / (len(high) * len(low))))


def measure_normal(
    values: dict[str, FloatArray], dx: list[set[str]]
) -> dict[str, list[float]]:
    """Print quantiles of the features of normal records, and return them."""
    normal: BoolArray = np.array([each == {*NORMAL} for each in dx])
    parts = (5, 25, 50, 75, 95)
    results = {}
    for name in SHOWN_NORMAL:
        defined = values[name][normal & ~np.isnan(values[name])]
        if len(defined):
            results[name] = np.percentile(defined, parts).tolist()
    print_table(
        f"{normal.sum()} normal records",
        [f"{part} %" for part in parts],
        {k: [f"{value:.4g}" for value in row] for k, row in results.items()},
    )
    return results


if __name__ == "__main__":
    main()
