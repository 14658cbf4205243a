"""Measure how well `p_presence` separates atrial fibrillation from sinus rhythm."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.beats.auroc import auroc
from bench.beats.record_features import features_of
from bench.common.tables import print_table
from ecgstore.arrays import FloatArray
from ecgstore.config import Config

AF: Final = "164889003"
SINUS: Final = "426783006"


def measure_p_presence(folder: Path, engines: Sequence[str]) -> dict[str, Any]:
    """Print and return the AUROC on the Challenge records of a folder, by engine.

    Records with AF are compared with those with sinus rhythm and without AF. A record
    without beats counts as one without P waves.
    """
    results = {
        engine: _measure(folder, dataclasses.replace(Config(), beats=engine))
        for engine in engines
    }
    rows = {}
    for engine, result in results.items():
        area, margin = result["auroc"], result["margin"]
        quantiles = (*result["af_quartiles"], *result["sinus_5_50"])
        rows[engine] = (
            str(result["af"]),
            str(result["sinus"]),
            "" if area is None else f"{area:.4f} (+-{margin:.4f})",
            *(f"{value:.2f}" for value in quantiles),
        )
    columns = ("AF", "sinus", "AUROC", "AF 25 %", "50 %", "75 %", "sinus 5 %", "50 %")
    print_table("p_presence of Challenge records", columns, rows)
    return results


def _measure(folder: Path, config: Config) -> dict[str, Any]:
    """Return the AUROC, half of its 95 % interval, and quantiles of both groups."""
    values, diagnoses = features_of(folder, config)
    presence = np.nan_to_num(values["p_presence"], nan=0.0)
    with_af = np.array([AF in codes for codes in diagnoses])
    sinus = np.array([SINUS in codes for codes in diagnoses]) & ~with_af
    area, margin = None, None
    if with_af.any() and sinus.any():
        area, margin = auroc(-presence[with_af], -presence[sinus])
    return {
        "af": int(with_af.sum()),
        "sinus": int(sinus.sum()),
        "auroc": area,
        "margin": margin,
        "af_quartiles": _quantiles(presence[with_af], (25, 50, 75)),
        "sinus_5_50": _quantiles(presence[sinus], (5, 50)),
    }


def _quantiles(values: FloatArray, percents: tuple[int, ...]) -> list[float]:
    """Return quantiles, an empty list if there are no values."""
    return np.percentile(values, percents).tolist() if len(values) else []
