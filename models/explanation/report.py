"""An explanation as a figure and as a table."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ecgstore.features.normal_ranges import NORMAL_RANGES, NormalRange
from ecgstore.features.shown import SEXES, unit_of
from ecgstore.models.explanation.explain import Explanation
from ecgstore.plots import plot_explanation
from ecgstore.system.csv_files import write_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS: Final = (
    "part",
    "name",
    "begin_s",
    "end_s",
    "value",
    "unit",
    "normal_low",
    "normal_high",
    "normal_note",
    "contribution",
)
"""Columns of the table."""

_PIECE_S: Final = 0.1


def plot(explanation: Explanation, filter_text: str = "") -> "Figure":
    """Plot an explanation on ECG paper.

    Parameters
    ----------
    explanation : Explanation
        The explanation.
    filter_text : str
        Pass-band of the filter for the line below the grid.
    """
    parts = [("signal, all leads", explanation.from_signal)]
    sums = [f"base {explanation.base:+.2f}", f"signal {explanation.from_signal:+.2f}"]
    if explanation.features:
        parts.append((_features_name(explanation), explanation.from_features))
        sums.append(f"features {explanation.from_features:+.2f}")
    return plot_explanation(
        explanation.signal,
        explanation.fs,
        explanation.saliency,
        explanation.features,
        parts=parts,
        leads=explanation.leads,
        title=f"{explanation.record_id}: {explanation.label_name}, probability "
        f"{explanation.probability:.3f}{_decision(explanation)}",
        subtitle=f"log-odds {explanation.logit:+.2f} = {', '.join(sums)}",
        filter_text=filter_text,
        n_real_samples=explanation.n_real_samples,
    )


def _features_name(explanation: Explanation) -> str:
    """Return what the features are called together."""
    names = {one.name for one in explanation.features}
    return "all features, age and sex" if "age" in names else "all features"


def _decision(explanation: Explanation) -> str:
    """Return whether the class is predicted, and why; empty without a threshold."""
    if explanation.threshold is None:
        return ""
    verb = "predicted" if explanation.is_predicted else "not predicted"
    return f" ({verb}: the threshold is {explanation.threshold:.3f})"


def write_table(path: Path, explanation: Explanation) -> None:
    """Write an explanation as CSV, whose contributions sum to the log-odds.

    The first row is the base. A row for each lead and 0.1 s of the signal follows, with
    the sum over its samples, then a row for each feature.

    Parameters
    ----------
    path : Path
        The file; replaced if it exists.
    explanation : Explanation
        The explanation.
    """
    write_csv(path, COLUMNS, _rows(explanation), ".6g")


def _rows(explanation: Explanation) -> Iterator[list[Any]]:
    """Yield the rows of the table."""
    yield ["base", *[None] * 8, explanation.base]
    fs, n_samples = explanation.fs, explanation.n_real_samples
    n_pieces = int(np.ceil(n_samples / fs / _PIECE_S))
    edges = np.unique(np.round(np.arange(n_pieces + 1) * _PIECE_S * fs).astype(int))
    edges = np.unique([*edges[edges < n_samples], n_samples])
    for lead, values in zip(explanation.leads, explanation.saliency, strict=True):
        for begin, end in pairwise(edges.tolist()):
            added = values[begin:end].sum()
            yield ["signal", lead, begin / fs, end / fs, *[None] * 5, added]
    for name, value, contribution in explanation.features:
        range_ = NORMAL_RANGES.get(name)
        limits: list[float | str | None] = [None] * 3
        if range_ is not None:
            limits = [range_.low, range_.high, _note(range_)]
        shown = SEXES.get(value, value) if name == "sex" else value
        unit = unit_of(name)
        yield ["feature", name, None, None, shown, unit, *limits, contribution]


def _note(range_: NormalRange) -> str:
    """Return the source of a normal range, and for whom it differs."""
    return "; ".join(part for part in (range_.source, range_.note) if part)
