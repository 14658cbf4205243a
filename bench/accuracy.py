"""Score found marks against the cardiologists' on LUDB, ecgstore next to NeuroKit2."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from ludb import FS, MATCH_S, Annotation, LudbRecord
from measuring import print_table
from neurokit_alone import neurokit_marks

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.config import Config
from ecgstore.features import Beats, find_beats
from ecgstore.features.delineator import find_beats_with
from ecgstore.record import LEADS, MARKS, Mark
from ecgstore.signals.preprocess import bandpass

TIGHT_S: Final = {
    Mark.P_ON: 0.05,
    Mark.P_PEAK: 0.05,
    Mark.P_OFF: 0.05,
    Mark.QRS_ON: 0.04,
    Mark.R_PEAK: 0.04,
    Mark.QRS_OFF: 0.04,
    Mark.T_ON: 0.05,
    Mark.T_PEAK: 0.05,
    Mark.T_OFF: 0.1,
}
"""Tolerances of Martinez et al. 2004, IEEE Trans Biomed Eng 51:570-581, in s."""

_LEADS_SHOWN: Final = ("record", "II", "all")

Key = tuple[str, Mark, str]
"""Leads, mark, and who found it."""


@dataclass
class Score:
    """Agreement of found marks with annotated ones."""

    errors_ms: list[float] = field(default_factory=list)
    n_annotated: int = 0
    n_found: int = 0
    n_hits_inside: int = 0
    n_found_inside: int = 0
    n_tight_hits: int = 0

    def add(self, mark: Mark, annotation: Annotation, found: FloatArray) -> None:
        """Match the marks of one lead, nearest pairs first.

        A mark that matches no annotation is an error only between the lead's first and
        last annotation. The figures "inside" leave out all found marks before and
        after, also those that match: the first annotated onset is then lost if it is
        found a moment early.
        """
        annotated = annotation.marks[mark]
        found = np.sort(found[found >= 0])  # absent: -1 or NaN, which compares as False
        inside = (found >= annotation.first) & (found <= annotation.last)
        matched = _match(annotated, found)
        self.errors_ms += [1000 * (found[j] - annotated[i]) / FS for i, j in matched]
        self.n_annotated += len(annotated)
        hit = np.zeros(len(found), bool)
        hit[[j for _, j in matched]] = True
        self.n_found += int((hit | inside).sum())
        self.n_found_inside += int(inside.sum())
        self.n_hits_inside += len(_match(annotated, found[inside]))
        self.n_tight_hits += len(_match(annotated, found, TIGHT_S[mark]))

    def summary(self) -> dict[str, float | None]:
        """Return sensitivity, precision, F1, and mean and sd of the error in ms."""
        hits = len(self.errors_ms)
        n_inside = self.n_annotated + self.n_found_inside
        return {
            "se": _ratio(hits, self.n_annotated),
            "ppv": _ratio(hits, self.n_found),
            "f1": _ratio(2 * hits, self.n_annotated + self.n_found),
            "f1_inside": _ratio(2 * self.n_hits_inside, n_inside),
            "f1_tight": _ratio(2 * self.n_tight_hits, self.n_annotated + self.n_found),
            "mean_ms": statistics.fmean(self.errors_ms) if hits else None,
            "sd_ms": statistics.pstdev(self.errors_ms) if hits else None,
        }


def _ratio(part: int, whole: int) -> float | None:
    """Return a fraction, or None of nothing."""
    return part / whole if whole else None


def _match(
    annotated: FloatArray, found: FloatArray, within_s: float = MATCH_S
) -> list[tuple[int, int]]:
    """Return pairs of places within the tolerance, each mark once, nearest first."""
    distance = np.abs(np.subtract.outer(annotated, found))
    near = np.argwhere(distance <= within_s * FS)
    order = np.argsort(distance[near[:, 0], near[:, 1]], kind="stable")
    pairs: list[tuple[int, int]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for i, j in near[order].tolist():
        if i not in taken[0] and j not in taken[1]:
            pairs.append((i, j))
            taken[0].add(i)
            taken[1].add(j)
    return pairs


def score_marks(
    records: Sequence[LudbRecord],
    config: Config,
    weights: Sequence[Float32Array] | None = None,
) -> dict[str, Any]:
    """Score ecgstore and NeuroKit2 alone on records, print a table, return it.

    With the weights of networks that were trained on a part of the records, record k
    is shown to network k modulo their number.
    """
    scores: dict[Key, Score] = {}
    for k, record in enumerate(records):
        _score(record, config, scores, weights[k % len(weights)] if weights else None)
    print(
        f"Marks of {len(records)} LUDB records within {1000 * MATCH_S:.0f} ms of the "
        "cardiologists', by leads"
    )
    columns = ["Se", "PPV", "F1", "F1 inside", "F1 tight", "error, ms: mean", "sd"]
    rows: dict[str, list[str]] = {}
    result: dict[str, Any] = {"records": len(records), "within_ms": 1000 * MATCH_S}
    for leads, mark, who in sorted(scores, key=_table_order):
        values = scores[leads, mark, who].summary()
        result.setdefault(leads, {}).setdefault(MARKS[mark], {})[who] = values
        rows[f"{leads:7}{MARKS[mark]:9}{who}"] = [
            "" if value is None else f"{value:.{1 if name.endswith('_ms') else 4}f}"
            for name, value in values.items()
        ]
    print_table("", columns, rows)
    return result


def _score(
    record: LudbRecord,
    config: Config,
    scores: dict[Key, Score],
    weights: Float32Array | None,
) -> None:
    """Add the marks of one record."""
    band = config.low_hz, config.high_hz, config.filter_order
    signal = bandpass(record.signal, FS, *band)
    if weights is None:
        beats: Beats = find_beats(signal, FS, max_beats=config.max_beats)
    else:
        beats = find_beats_with(weights, signal, FS, config.max_beats)

    def add(
        leads: str, mark: Mark, who: str, to: Annotation, found: FloatArray
    ) -> None:
        scores.setdefault((leads, mark, who), Score()).add(mark, to, found)

    r_peaks = beats.r_peaks.astype(float)
    add("record", Mark.R_PEAK, "ecgstore", record.beats(), r_peaks)
    for lead, annotation in enumerate(record.annotations):
        of_ours = beats.fiducials[lead].astype(float).T
        found = {
            "ecgstore": dict(zip(Mark, of_ours, strict=True)),
            "NeuroKit2": neurokit_marks(signal[lead], FS, cleaned=False),
            "NeuroKit2, cleaning": neurokit_marks(
                record.signal[lead], FS, cleaned=True
            ),
        }
        for who, marks in found.items():
            for mark in Mark:
                places = marks.get(mark, np.empty(0))
                for leads in ("II", "all") if LEADS[lead] == "II" else ("all",):
                    add(leads, mark, who, annotation, places)


def _table_order(key: Key) -> tuple[int, int, str]:
    """Sort by leads, mark and contestant; ours, in lower case, first."""
    leads, mark, who = key
    return _LEADS_SHOWN.index(leads), mark, who.swapcase()
