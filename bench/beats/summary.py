"""Sensitivity, precision and errors of detected marks, with bootstrap intervals."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from bench.beats.counts import Counts
from bench.common.tables import print_table
from ecgstore.arrays import FloatArray
from ecgstore.record import MARKS, Mark

N_RESAMPLES: Final = 1000
SEED: Final = 0

INTERVALS_OF: Final = ("se", "ppv", "f1", "sd_ms", "record_sd_ms")
"""The values that have an interval."""

Scores = dict[str, dict[Mark, dict[str, list[Counts]]]]
"""By setting, mark and detector, the counts of every record."""


def summarize(counts: Sequence[Counts]) -> dict[str, Any]:
    """Return the scores of a detector for one kind of mark.

    Returns
    -------
    dict
        ``records`` with marks that count, ``annotated`` marks, ``se``, ``ppv``, ``f1``,
        ``f1_tight``, ``mean_ms`` and ``sd_ms`` of all errors, ``record_sd_ms`` (mean
        over the records of the sd of each, as Martinez et al. 2004 report it); None
        where undefined. ``intervals`` holds the ends of the 95 % intervals of some:
        percentiles over resamples of the records.
    """
    counts = [c for c in counts if c.n_annotated or c.n_detected]
    table = np.array([_numbers(c) for c in counts], np.float64).reshape(-1, 8)
    n = len(counts)
    weights = np.zeros((N_RESAMPLES, n))  # how often each record is drawn
    if n:
        rng = np.random.default_rng(SEED)
        weights[:] = rng.multinomial(n, np.full(n, 1 / n), N_RESAMPLES)
    values = _values(table.sum(axis=0))
    resampled = _values((weights @ table).T)
    intervals = {}
    for name in INTERVALS_OF:
        drawn = resampled[name][np.isfinite(resampled[name])]
        if len(drawn):
            intervals[name] = np.percentile(drawn, [2.5, 97.5]).tolist()
    return {
        "records": len(counts),
        "annotated": int(table[:, 0].sum()),
        **{
            name: float(value) if np.isfinite(value) else None
            for name, value in values.items()
        },
        "intervals": intervals,
    }


def _numbers(counts: Counts) -> list[float]:
    """Return the numbers of a record that are summed over the records."""
    errors = counts.errors_ms
    several = len(errors) > 1
    return [
        counts.n_annotated,
        counts.n_detected,
        len(errors),
        counts.n_tight,
        float(errors.sum()),
        float((errors**2).sum()),
        float(several),
        float(errors.std()) if several else 0.0,
    ]


def _values(sums: FloatArray) -> dict[str, FloatArray]:
    """Return the scores of sums of `_numbers`, along the first axis."""
    annotated, detected, hits, tight, errors, squares, n_sds, sds = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = errors / hits
        return {
            "se": hits / annotated,
            "ppv": hits / detected,
            "f1": 2 * hits / (annotated + detected),
            "f1_tight": 2 * tight / (annotated + detected),
            "mean_ms": mean,
            "sd_ms": np.sqrt(np.maximum(squares / hits - mean**2, 0)),
            "record_sd_ms": sds / n_sds,
        }


def as_json(scores: Scores) -> dict[str, Any]:
    """Return the summaries by setting, mark and detector."""
    return {
        setting: {
            MARKS[mark]: {
                detector: summarize(counts) for detector, counts in by_detector.items()
            }
            for mark, by_detector in sorted(by_mark.items())
        }
        for setting, by_mark in scores.items()
    }


_COLUMNS: Final = {
    "records": "records",
    "annotated": "marks",
    "se": "Se",
    "ppv": "PPV",
    "f1": "F1 (95 %)",
    "f1_tight": "tight",
    "mean_ms": "error, ms: mean",
    "sd_ms": "sd",
    "record_sd_ms": "sd of a record (95 %)",
}


def print_summaries(summaries: Mapping[str, Mapping[str, Any]], setting: str) -> None:
    """Print a row for every mark and detector of a setting of `as_json`."""
    rows = {
        f"{mark:9}{detector}": [_cell(row, key) for key in _COLUMNS]
        for mark, by_detector in summaries[setting].items()
        for detector, row in by_detector.items()
    }
    print_table(setting, [*_COLUMNS.values()], rows)


def _cell(row: Mapping[str, Any], key: str) -> str:
    """Return one value as text, with its interval where there is space for it."""
    value = row[key]
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    digits = 1 if key.endswith("_ms") else 4
    text = f"{value:.{digits}f}"
    if key in ("f1", "record_sd_ms") and key in row["intervals"]:
        low, high = row["intervals"][key]
        text += f" ({low:.{digits}f}-{high:.{digits}f})"
    return text
