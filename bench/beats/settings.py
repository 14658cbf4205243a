"""What is judged on each database: which leads are given, and whose marks count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bench.beats.counts import CHALLENGE_2019_S, TIGHT_S, Counts, count
from bench.beats.detectors import (
    ECGSTORE,
    NEUROKIT_ENGINE,
    Detect,
    Detections,
    Leads,
    Marks,
    detect_with_neurokit_engine,
    leads_of,
)
from bench.beats.summary import Scores
from ecgstore.config import Config
from ecgstore.models.delineator.databases.annotated import AnnotatedRecord, Annotation
from ecgstore.models.delineator.databases.ludb import beats_of
from ecgstore.record import LEADS, Mark
from ecgstore.system.progress import with_progress

RECORD: Final = "LUDB, beats of the record"
ALL: Final = "LUDB, 12 leads"
LEAD_II: Final = "LUDB, 12 leads: II"
ALONE: Final = "LUDB, each lead alone"
QTDB: Final = "QTDB, 2 leads"
QTDB_ALONE: Final = "QTDB, each lead alone"
CPSC2019: Final = "CPSC2019, 1 lead"
POOLED: Final = "all databases"

POOLED_OF: Final = (LEAD_II, QTDB, CPSC2019)
"""The settings whose records are pooled: one lead's worth of marks of every record."""

FEWER_LEADS: Final = {
    "LUDB, 6 leads: II": ("I", "II", "III", "aVR", "aVL", "aVF"),
    "LUDB, 3 leads: II": ("I", "II", "V2"),
    "LUDB, 2 leads: II": ("II", "V5"),
    "LUDB, 1 lead: II": ("II",),
}
"""The leads that an engine is given; the marks of lead II count in all of them."""

BY_RHYTHM: Final = (ALL, LEAD_II, "LUDB, 1 lead: II", ALONE)
"""The settings of LUDB that are also judged by rhythm."""

RHYTHMS: Final = ("atrial fibrillation or flutter", "sinus rhythm", "other rhythms")


@dataclass
class Results:
    """What detectors found.

    Attributes
    ----------
    scores : dict
        By setting, mark and detector, the counts of every record.
    exceptions : dict
        By detector, the exceptions of its calls.
    detections : list of Detections
        Those of `ECGSTORE` with all leads of the LUDB records, for plots.
    """

    scores: Scores = field(default_factory=dict)
    exceptions: dict[str, list[str]] = field(default_factory=dict)
    detections: list[Detections] = field(default_factory=list)

    def add(
        self,
        setting: str,
        detector: str,
        pairs: Sequence[tuple[Annotation, Sequence[Marks]]],
        fs: float,
        tight_s: Mapping[Mark, float],
    ) -> None:
        """Add the counts of a record, summed over annotations and their leads.

        A lead in which a detector fails counts as one without marks.
        """
        for mark in tight_s:
            counts = [
                count(
                    mark,
                    annotation,
                    [marks.get(mark, np.empty(0)) for marks in leads],
                    fs,
                    tight_s[mark],
                )
                for annotation, leads in pairs
            ]
            total = sum(counts[1:], start=counts[0])
            by_detector = self.scores.setdefault(setting, {}).setdefault(mark, {})
            by_detector.setdefault(detector, []).append(total)

    def detect(self, name: str, detector: Detect, leads: Leads) -> Detections:
        """Return a detector's result, and keep its exceptions."""
        found = detector(leads)
        self.exceptions.setdefault(name, []).extend(found.exceptions)
        return found


def judge_ludb(
    results: Results,
    records: Sequence[AnnotatedRecord],
    engine: Detect,
    others: Mapping[str, Detect],
    config: Config,
) -> None:
    """Judge all leads together, each lead alone, and fewer leads."""
    for record in with_progress(records, "LUDB", len(records), unit="records"):
        leads = leads_of(record, config)
        annotations = record.annotations
        whole = results.detect(ECGSTORE, engine, leads)
        results.detections.append(whole)
        second = results.detect(NEUROKIT_ENGINE, detect_with_neurokit_engine, leads)
        beats = beats_of(record)
        for name, found in ((ECGSTORE, whole), (NEUROKIT_ENGINE, second)):
            r_peaks = np.empty(0) if found.beats is None else found.beats
            results.add(
                RECORD,
                name,
                [(beats, [{Mark.R_PEAK: r_peaks}])],
                record.fs,
                _only(Mark.R_PEAK),
            )
        found_alone = [
            results.detect(ECGSTORE, engine, leads.only([row])).leads[0]
            for row in range(len(LEADS))
        ]
        of_leads: dict[str, list[Marks]] = {
            ECGSTORE: whole.leads,
            NEUROKIT_ENGINE: second.leads,
        }
        for name, detector in others.items():
            of_leads[name] = results.detect(name, detector, leads).leads
        ii = LEADS.index("II")
        judged: list[tuple[str, str, list[tuple[Annotation, list[Marks]]]]] = []
        for name, marks in of_leads.items():
            pairs = [(a, [m]) for a, m in zip(annotations, marks, strict=True)]
            judged.append((ALL, name, pairs))
            judged += [
                (f"{ALL}: {lead}", name, [pair])
                for lead, pair in zip(LEADS, pairs, strict=True)
            ]
        pairs = [(a, [m]) for a, m in zip(annotations, found_alone, strict=True)]
        judged.append((ALONE, ECGSTORE, pairs))
        for setting, given in FEWER_LEADS.items():
            rows = [LEADS.index(lead) for lead in given]
            found = results.detect(ECGSTORE, engine, leads.only(rows))
            of_ii = found.leads[given.index("II")]
            judged.append((setting, ECGSTORE, [(annotations[ii], [of_ii])]))
        for setting, name, pairs in judged:
            settings = [setting]
            if setting in BY_RHYTHM:
                settings.append(f"{setting}, {rhythm_of(record)}")
            for each in settings:
                results.add(each, name, pairs, record.fs, _marks_of(name))


def judge_qtdb(
    results: Results,
    records: Sequence[AnnotatedRecord],
    engine: Detect,
    others: Mapping[str, Detect],
    config: Config,
) -> None:
    """Judge both leads together, and each alone; the better lead counts."""
    for record in with_progress(records, "QTDB", len(records), unit="records"):
        leads = leads_of(record, config)
        (annotation,) = record.annotations
        of_leads = {ECGSTORE: results.detect(ECGSTORE, engine, leads).leads}
        alone = [
            results.detect(ECGSTORE, engine, leads.only([row])).leads[0]
            for row in range(len(record.leads))
        ]
        for name, detector in others.items():
            of_leads[name] = results.detect(name, detector, leads).leads
        for name, marks in of_leads.items():
            results.add(QTDB, name, [(annotation, marks)], record.fs, _marks_of(name))
        results.add(QTDB_ALONE, ECGSTORE, [(annotation, alone)], record.fs, TIGHT_S)


def judge_cpsc2019(
    results: Results,
    records: Sequence[AnnotatedRecord],
    engine: Detect,
    others: Mapping[str, Detect],
    config: Config,
) -> None:
    """Judge the R-peaks of single leads."""
    for record in with_progress(records, "CPSC2019", len(records), unit="records"):
        leads = leads_of(record, config)
        (annotation,) = record.annotations
        for name, detector in {ECGSTORE: engine, **others}.items():
            marks = results.detect(name, detector, leads).leads
            results.add(
                CPSC2019, name, [(annotation, marks)], record.fs, CHALLENGE_2019_S
            )


def pool(scores: Scores) -> None:
    """Add the setting `POOLED`, with the records of `POOLED_OF`."""
    pooled: dict[Mark, dict[str, list[Counts]]] = {}
    for setting in POOLED_OF:
        for mark, by_detector in scores.get(setting, {}).items():
            for detector, counts in by_detector.items():
                pooled.setdefault(mark, {}).setdefault(detector, []).extend(counts)
    for by_detector in pooled.values():
        by_detector.pop(NEUROKIT_ENGINE, None)  # which takes 12 leads only
    scores[POOLED] = pooled


def rhythm_of(record: AnnotatedRecord) -> str:
    """Return the group of `RHYTHMS` that a record of LUDB belongs to."""
    rhythm = record.rhythm.lower()
    if "fibrillation" in rhythm or "flutter" in rhythm:
        return RHYTHMS[0]
    if rhythm.startswith("sinus") and "wandering" not in rhythm:
        return RHYTHMS[1]
    return RHYTHMS[2]


def false_p_waves(scores: Scores) -> dict[str, dict[str, float]]:
    """Return the false P waves per annotated beat in fibrillation and flutter.

    By setting and detector.
    """
    result: dict[str, dict[str, float]] = {}
    for setting in BY_RHYTHM:
        by_mark = scores.get(f"{setting}, {RHYTHMS[0]}", {})
        for detector, counts in by_mark.get(Mark.P_PEAK, {}).items():
            n_false = sum(c.n_detected - len(c.errors_ms) for c in counts)
            beats = by_mark[Mark.R_PEAK][detector]
            n_beats = sum(c.n_annotated for c in beats)
            result.setdefault(setting, {})[detector] = n_false / n_beats
    return result


def _marks_of(detector: str) -> Mapping[Mark, float]:
    """Return the tight tolerances of the marks that a detector returns."""
    if detector.startswith((ECGSTORE, "NeuroKit2")):
        return TIGHT_S
    return _only(Mark.R_PEAK)


def _only(mark: Mark) -> dict[Mark, float]:
    """Return the tight tolerance of one mark."""
    return {mark: TIGHT_S[mark]}
