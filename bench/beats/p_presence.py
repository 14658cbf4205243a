"""How well `p_presence` tells atrial fibrillation from sinus rhythm."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.beats.diagnoses import auroc, features_of
from bench.common.measuring import print_table
from ecgstore.config import Config

AF: Final = "164889003"
SINUS: Final = "426783006"


def measure_p_presence(folder: Path, engines: Sequence[str]) -> dict[str, Any]:
    """Print and return the AUROC on the Challenge records of a folder, by engine.

    Records with AF count against those with sinus rhythm and without AF. A record
    without beats has no P wave either.
    """
    results = {
        engine: _measure(folder, dataclasses.replace(Config(), beats=engine))
        for engine in engines
    }
    rows = {}
    for engine, each in results.items():
        area, margin = each["auroc"], each["margin"]
        rows[engine] = (
            str(each["af"]),
            str(each["sinus"]),
            "" if area is None else f"{area:.4f} (+-{margin:.4f})",
            *(f"{part:.2f}" for part in (*each["af_quartiles"], *each["sinus_5_50"])),
        )
    columns = ("AF", "sinus", "AUROC", "AF 25 %", "50 %", "75 %", "sinus 5 %", "50 %")
    print_table("p_presence of Challenge records", columns, rows)
    return results


def _measure(folder: Path, config: Config) -> dict[str, Any]:
    """Return the AUROC, half of its 95 % interval, and what it is made of."""
    values, dx = features_of(folder, config)
    presence = np.nan_to_num(values["p_presence"], nan=0.0)
    with_af = np.array([AF in each for each in dx])
    sinus = np.array([SINUS in each for each in dx]) & ~with_af
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


def _quantiles(values: Any, percents: tuple[int, ...]) -> list[float]:
    """Return quantiles, or nothing of nothing."""
    found: list[float] = np.percentile(values, percents).tolist() if len(values) else []
    return found
