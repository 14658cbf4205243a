"""Score found marks against the cardiologists' on LUDB."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from bench.beats.contestants import Found
from bench.beats.ludb import FS, MATCH_S, Annotation, LudbRecord
from bench.common.measuring import print_table
from ecgstore.arrays import FloatArray
from ecgstore.record import LEADS, MARKS, Mark

TIGHT_S: Final = {
    Mark.P_ON: 0.05,
    Mark.P_PEAK: 0.05,
    Mark.P_OFF: 0.05,
    Mark.QRS_ON: 0.04,
    Mark.R_PEAK: 0.04,
    Mark.QRS_OFF: 0.04,
    Mark.T_ON: 0.05,
    Mark.T_PEAK: 0.075,
    Mark.T_OFF: 0.1,
}
"""The tighter tolerances in s, next to the 150 ms of EC57.

For boundaries those that comparisons of delineators name after Martinez et al. 2004,
IEEE Trans Biomed Eng 51:570-581. There are none for peaks, which get what lies between
those of their wave's ends.
"""

RECORD: Final = "record"
"""The record's beats, by all leads together."""
ALL: Final = "all"
"""All leads, pooled."""

Scores = dict[str, dict[Mark, dict[str, "Score"]]]
"""By leads (`RECORD`, one of `LEADS`, `ALL`), mark, and who found it."""


@dataclass
class Score:
    """Agreement of found marks with annotated ones."""

    errors_ms: list[float] = field(default_factory=list)
    n_annotated: int = 0
    n_found: int = 0
    n_hits_inside: int = 0
    n_found_inside: int = 0
    n_tight_hits: int = 0
    n_tight_hits_inside: int = 0

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
        matched = match(annotated, found)
        self.errors_ms += [1000 * (found[j] - annotated[i]) / FS for i, j in matched]
        self.n_annotated += len(annotated)
        hit = np.zeros(len(found), bool)
        hit[[j for _, j in matched]] = True
        self.n_found += int((hit | inside).sum())
        self.n_found_inside += int(inside.sum())
        self.n_hits_inside += len(match(annotated, found[inside]))
        self.n_tight_hits += len(match(annotated, found, TIGHT_S[mark]))
        self.n_tight_hits_inside += len(match(annotated, found[inside], TIGHT_S[mark]))

    def summary(self) -> dict[str, float | None]:
        """Return sensitivity, precision, F1, and mean and sd of the error in ms."""
        hits = len(self.errors_ms)
        n = self.n_annotated + self.n_found
        n_inside = self.n_annotated + self.n_found_inside
        return {
            "se": _ratio(hits, self.n_annotated),
            "ppv": _ratio(hits, self.n_found),
            "f1": _ratio(2 * hits, n),
            "f1_inside": _ratio(2 * self.n_hits_inside, n_inside),
            "f1_tight": _ratio(2 * self.n_tight_hits, n),
            "f1_tight_inside": _ratio(2 * self.n_tight_hits_inside, n_inside),
            "mean_ms": statistics.fmean(self.errors_ms) if hits else None,
            "sd_ms": statistics.pstdev(self.errors_ms) if hits else None,
        }


_COLUMNS: Final = (
    *("Se", "PPV", "F1", "F1 inside", "F1 tight", "tight, inside"),
    *("error, ms: mean", "sd"),
)
"""The headings of what `Score.summary` returns."""


def _ratio(part: int, whole: int) -> float | None:
    """Return a fraction, or None of nothing."""
    return part / whole if whole else None


def match(
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


def score(
    records: Sequence[LudbRecord], found: Mapping[str, Sequence[Found]]
) -> Scores:
    """Return the scores of all contestants; `found` has an entry for every record.

    Who finds no mark of a kind in any lead, such as a detector of R-peaks, has no
    score for it; a lead in which a contestant fails counts as one without marks.
    """
    scores: Scores = {}

    def add(
        leads: str, mark: Mark, who: str, to: Annotation, places: FloatArray
    ) -> None:
        by_who = scores.setdefault(leads, {}).setdefault(mark, {})
        by_who.setdefault(who, Score()).add(mark, to, places)

    nothing = np.empty(0)
    for who, of_records in found.items():
        finds = {m for each in of_records for lead in each.leads for m in lead}
        sees_all_leads = any(each.beats is not None for each in of_records)
        for record, one in zip(records, of_records, strict=True):
            if sees_all_leads:
                beats = nothing if one.beats is None else one.beats
                add(RECORD, Mark.R_PEAK, who, record.beats(), beats)
            for name, annotation, marks in zip(
                LEADS, record.annotations, one.leads, strict=True
            ):
                for mark in sorted(finds):
                    for leads in (name, ALL):
                        add(leads, mark, who, annotation, marks.get(mark, nothing))
    return scores


def as_json(scores: Scores) -> dict[str, Any]:
    """Return the figures by leads, mark and contestant."""
    return {
        leads: {
            MARKS[mark]: {who: each.summary() for who, each in by_who.items()}
            for mark, by_who in sorted(by_mark.items())
        }
        for leads, by_mark in scores.items()
    }


def print_scores(scores: Scores, leads: Sequence[str]) -> None:
    """Print the figures of some leads in a row for every mark and contestant."""
    rows: dict[str, list[str]] = {}
    for name in leads:
        for mark, by_who in sorted(scores.get(name, {}).items()):
            for who, each in by_who.items():
                rows[f"{name:7}{MARKS[mark]:9}{who}"] = [
                    "" if value is None else f"{value:.{1 if '_ms' in key else 4}f}"
                    for key, value in each.summary().items()
                ]
    print_table("", _COLUMNS, rows)


def print_leads(scores: Scores, contestants: Sequence[str]) -> None:
    """Print F1 and the sd of the error in ms of some contestants, lead by lead."""
    rows: dict[str, list[str]] = {}
    for mark in Mark:
        for who in contestants:
            values = [scores[lead][mark][who].summary() for lead in LEADS]
            rows[f"{MARKS[mark]:9}{who}"] = [
                f"{each['f1'] or 0:.3f}/{each['sd_ms'] or 0:.0f}" for each in values
            ]
    print_table("F1 / sd of the error in ms", LEADS, rows)
