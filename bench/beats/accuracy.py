"""Score detected marks against the cardiologists' marks of LUDB."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from bench.beats.detectors import Detections
from bench.beats.ludb import FS, MATCH_S, Annotation, LudbRecord
from bench.common.tables import print_table
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
"""Tolerances in s that are tighter than the 150 ms of EC57.

Those of onsets and offsets are usual in comparisons of delineators, after Martinez et
al. 2004, IEEE Trans Biomed Eng 51:570-581. Those of peaks, for which none are usual,
lie between those of the onset and the offset of the same wave.
"""

RECORD: Final = "record"
"""The record's beats, from all leads together."""
ALL: Final = "all"
"""All leads, pooled."""

Scores = dict[str, dict[Mark, dict[str, "Score"]]]
"""By leads (`RECORD`, one of `LEADS`, `ALL`), mark and detector."""


@dataclass
class Score:
    """Agreement of detected marks with annotated ones."""

    errors_ms: list[float] = field(default_factory=list)
    n_annotated: int = 0
    n_detected: int = 0
    n_hits_inside: int = 0
    n_detected_inside: int = 0
    n_tight_hits: int = 0
    n_tight_hits_inside: int = 0

    def add(self, mark: Mark, annotation: Annotation, detected: FloatArray) -> None:
        """Match the marks of one lead, nearest pairs first.

        A detected mark without a match is a false positive only between the lead's
        first and last annotation. The scores "inside" ignore all detected marks before
        and after, even if they match: they lose the first annotated onset if it is
        detected slightly early.
        """
        annotated = annotation.marks[mark]
        detected = np.sort(detected[detected >= 0])  # absent: -1 or NaN, both False
        inside = (detected >= annotation.first) & (detected <= annotation.last)
        pairs = match(annotated, detected)
        self.errors_ms += [1000 * (detected[j] - annotated[i]) / FS for i, j in pairs]
        self.n_annotated += len(annotated)
        hit = np.zeros(len(detected), bool)
        hit[[j for _, j in pairs]] = True
        self.n_detected += int((hit | inside).sum())
        self.n_detected_inside += int(inside.sum())
        within = detected[inside]
        self.n_hits_inside += len(match(annotated, within))
        self.n_tight_hits += len(match(annotated, detected, TIGHT_S[mark]))
        self.n_tight_hits_inside += len(match(annotated, within, TIGHT_S[mark]))

    def summary(self) -> dict[str, float | None]:
        """Return sensitivity, precision, F1, and mean and sd of the error in ms."""
        hits = len(self.errors_ms)
        n = self.n_annotated + self.n_detected
        n_inside = self.n_annotated + self.n_detected_inside
        return {
            "se": _ratio(hits, self.n_annotated),
            "ppv": _ratio(hits, self.n_detected),
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
"""Headings of the values of `Score.summary`."""


def _ratio(numerator: int, denominator: int) -> float | None:
    """Return a ratio, None if the denominator is 0."""
    return numerator / denominator if denominator else None


def match(
    annotated: FloatArray, detected: FloatArray, tolerance_s: float = MATCH_S
) -> list[tuple[int, int]]:
    """Return pairs of positions in both arrays, each mark at most once, nearest first.

    The marks of a pair are no further apart than the tolerance.
    """
    distance = np.abs(np.subtract.outer(annotated, detected))
    near = np.argwhere(distance <= tolerance_s * FS)
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
    records: Sequence[LudbRecord], detections: Mapping[str, Sequence[Detections]]
) -> Scores:
    """Return the scores of all detectors.

    Parameters
    ----------
    records : sequence of LudbRecord
    detections : Mapping
        By detector, one entry per record. A detector has no score for a mark that it
        never returns, such as P onsets from a detector of R-peaks; a lead in which it
        fails counts as one without marks.
    """
    scores: Scores = {}

    def add(
        leads: str,
        mark: Mark,
        detector: str,
        annotation: Annotation,
        detected: FloatArray,
    ) -> None:
        by_detector = scores.setdefault(leads, {}).setdefault(mark, {})
        by_detector.setdefault(detector, Score()).add(mark, annotation, detected)

    none = np.empty(0)
    for detector, results in detections.items():
        marks_returned = {
            mark for result in results for lead in result.leads for mark in lead
        }
        returns_beats = any(result.beats is not None for result in results)
        for record, result in zip(records, results, strict=True):
            if returns_beats:
                beats = none if result.beats is None else result.beats
                add(RECORD, Mark.R_PEAK, detector, record.beats(), beats)
            for lead, annotation, marks in zip(
                LEADS, record.annotations, result.leads, strict=True
            ):
                for mark in sorted(marks_returned):
                    for leads in (lead, ALL):
                        add(leads, mark, detector, annotation, marks.get(mark, none))
    return scores


def as_json(scores: Scores) -> dict[str, Any]:
    """Return the summaries by leads, mark and detector."""
    return {
        leads: {
            MARKS[mark]: {name: score.summary() for name, score in by_detector.items()}
            for mark, by_detector in sorted(by_mark.items())
        }
        for leads, by_mark in scores.items()
    }


def print_scores(scores: Scores, leads: Sequence[str]) -> None:
    """Print a row of scores for every mark and detector, for some of the leads."""
    rows: dict[str, list[str]] = {}
    for name in leads:
        for mark, by_detector in sorted(scores.get(name, {}).items()):
            for detector, mark_score in by_detector.items():
                rows[f"{name:7}{MARKS[mark]:9}{detector}"] = [
                    "" if value is None else f"{value:.{1 if '_ms' in key else 4}f}"
                    for key, value in mark_score.summary().items()
                ]
    print_table("", _COLUMNS, rows)


def print_leads(scores: Scores, detectors: Sequence[str]) -> None:
    """Print F1 and the sd of the error in ms of some detectors, lead by lead."""
    rows: dict[str, list[str]] = {}
    for mark in Mark:
        for detector in detectors:
            summaries = [scores[lead][mark][detector].summary() for lead in LEADS]
            rows[f"{MARKS[mark]:9}{detector}"] = [
                f"{row['f1'] or 0:.3f}/{row['sd_ms'] or 0:.0f}" for row in summaries
            ]
    print_table("F1 / sd of the error in ms", LEADS, rows)
