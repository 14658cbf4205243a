"""Measure how well single features separate a diagnosis from all other records.

Example::

    python -m bench.beats.diagnoses data/challenge-2020/training

The folder holds Challenge records. Two tables are printed: the AUROC of the features
that are meant to measure a diagnosis, with half of its 95 % interval, and quantiles of
the features of normal records (diagnosis "sinus rhythm" alone). No feature is fitted to
these records; the labels are those of the Challenge, with their errors.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from bench.beats.auroc import auroc
from bench.beats.record_features import features_of
from bench.common.command_line import benchmark_parser
from bench.common.report import write_json
from bench.common.tables import print_table
from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.config import Config

NORMAL: Final = ("426783006",)

FEATURES_OF: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
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
"""SNOMED CT codes of each diagnosis, and its features; a minus sign: low values."""

NORMAL_FEATURES: Final = (
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
"""A diagnosis with fewer records, or without which there are fewer, is left out."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print tables, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.beats.diagnoses", __doc__, folder="folder with Challenge records"
    )
    options = parser.parse_args(arguments)
    values, diagnoses = features_of(options.folder, Config())
    areas = measure_auroc(values, diagnoses)
    normal = measure_normal(values, diagnoses)
    write_json(
        options.json, {"records": len(diagnoses), "auroc": areas, "normal": normal}
    )


def measure_auroc(
    values: dict[str, FloatArray], diagnoses: list[set[str]]
) -> list[dict[str, Any]]:
    """Print and return the AUROC of the features of every diagnosis."""
    results = []
    for diagnosis, (codes, features) in FEATURES_OF.items():
        present = np.array([not record.isdisjoint(codes) for record in diagnoses])
        for feature in features:
            name = feature.removeprefix("-")
            sign = -1 if feature.startswith("-") else 1
            defined = ~np.isnan(values[name])
            positive = sign * values[name][defined & present]
            negative = sign * values[name][defined & ~present]
            if min(len(positive), len(negative)) < MIN_RECORDS:
                continue
            area, margin = auroc(positive, negative)
            results.append(
                {
                    "diagnosis": diagnosis,
                    "feature": feature,
                    "records": int(present.sum()),
                    "undefined": int((present & ~defined).sum()),
                    "auroc": area,
                    "margin": margin,
                }
            )
    rows = {
        f"{row['diagnosis']}: {row['feature']}": (
            str(row["records"]),
            str(row["undefined"]),
            f"{row['auroc']:.3f} (+-{row['margin']:.3f})",
        )
        for row in results
    }
    print_table("diagnosis: feature", ("records", "undefined", "AUROC"), rows)
    return results


def measure_normal(
    values: dict[str, FloatArray], diagnoses: list[set[str]]
) -> dict[str, list[float]]:
    """Print and return quantiles of the features of normal records."""
    normal: BoolArray = np.array([record == {*NORMAL} for record in diagnoses])
    percents = (5, 25, 50, 75, 95)
    results = {}
    for name in NORMAL_FEATURES:
        defined = values[name][normal & ~np.isnan(values[name])]
        if len(defined):
            results[name] = np.percentile(defined, percents).tolist()
    print_table(
        f"{normal.sum()} normal records",
        [f"{percent} %" for percent in percents],
        {name: [f"{value:.4g}" for value in row] for name, row in results.items()},
    )
    return results


if __name__ == "__main__":
    main()
