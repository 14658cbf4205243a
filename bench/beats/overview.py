"""One line per task and mark: ecgstore beside the best of the other detectors."""

from collections.abc import Mapping
from typing import Any, Final

from bench.beats.detectors import ECGSTORE, SLEEPECG, XQRS
from bench.common.tables import print_table

NEUROKIT: Final = "NeuroKit2"
"""Begins the names of its configurations."""


def best_configuration(
    by_detector: Mapping[str, Mapping[str, Any]],
) -> str | None:
    """Return the configuration of NeuroKit2 with the highest F1; None without one.

    Examples
    --------
    >>> best_configuration({"NeuroKit2 dwt": {"f1": 0.8}, "sleepecg": {"f1": 0.9}})
    'NeuroKit2 dwt'
    """
    names = [name for name in by_detector if name.startswith(NEUROKIT)]
    return max(names, key=lambda name: by_detector[name]["f1"] or 0.0, default=None)


def print_overview(summaries: Mapping[str, Mapping[str, Any]], setting: str) -> None:
    """Print F1 and the mean sd of a record of a setting's marks, by detector.

    NeuroKit2 is shown in its best configuration for each mark.
    """
    rows = {}
    for mark, by_detector in summaries[setting].items():
        best = best_configuration(by_detector)
        shown = [ECGSTORE, best, SLEEPECG, XQRS]
        cells = [_cell(by_detector.get(name or "")) for name in shown]
        rows[mark] = [*cells, (best or "").removeprefix(f"{NEUROKIT} ")]
    columns = (ECGSTORE, f"{NEUROKIT}, best", SLEEPECG, XQRS, "which is")
    print_table(f"{setting}: F1, sd of a record in ms", columns, rows)


def _cell(row: Mapping[str, Any] | None) -> str:
    """Return F1 and the mean sd of a record as text."""
    if row is None or row["f1"] is None:
        return ""
    sd = row["record_sd_ms"]
    return f"{row['f1']:.4f}" + ("" if sd is None else f", {sd:.1f}")
