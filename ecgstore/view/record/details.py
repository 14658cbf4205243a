"""What the page says about one record, besides its signal."""

import math
from functools import cache
from typing import Any, Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.beats.types import BeatStatus
from ecgstore.diagnoses import diagnoses, scp_statements
from ecgstore.features.normal_ranges import NORMAL_RANGES
from ecgstore.features.shown import value_text
from ecgstore.features.table import GROUPS
from ecgstore.plots.dataset.worst import Problem, mark_problems, quality_problems
from ecgstore.storage import Store
from ecgstore.storage.format import schema
from ecgstore.storage.frames import same_ecg
from ecgstore.view.record.signal import (
    beats_of,
    missing_leads,
    names_in,
    real_samples,
)

MOST_OTHERS: Final = 20
"""Other rows of the same patient or ECG that are named."""

_RHYTHM: Final = ("mean_hr", "median_rr_ms", "sdnn_ms", "rmssd_ms")
"""Features that are shown beside the signal."""

_SIGNAL_LIMITS: Final = {
    "flat_fraction": 0.0,
    "psqi": 0.52,
    "bassqi": 0.54,
    "clipped_fraction": 0.0,
    "missing_fraction": 0.0,
}
"""The columns of `quality_problems`, in its order, and from where on it is a problem.

Any flat, clipped or missing lead is one; noise and wander are if they are worse than in
97 % of 667 records of five sources of the Challenge 2020 (docs/view.md).
"""

_MARK_LIMITS: Final = (0.0, 16.0, 10.0, 26.0, 13.0, math.inf, 0.0, 0.1)
"""The same of `mark_problems`, of the same records.

Beats with and without P waves are no problem of a record: some rhythms have both.
"""

_PER_LEAD: Final = {
    "flat_fraction": 0.5,
    "clipped_fraction": 0.0,
    "missing_fraction": 0.0,
}
"""From where on a lead is named."""

_BEATS: Final = {
    BeatStatus.NO_BEATS: "no beats found",
    BeatStatus.TOO_FEW_BEATS: "a single beat: no waves marked",
    BeatStatus.NOT_COMPUTED: "built without beats",
    BeatStatus.DETECTOR_FAILED: "the beat detector failed",
    BeatStatus.TOO_MANY_BEATS: "more beats than the store holds: only the first ones",
}
"""What is said of records whose beats are not all marked."""


def record_details(store: Store, row: int) -> dict[str, Any]:
    """Return what the page says about a record.

    Parameters
    ----------
    store : Store
        An open store.
    row : int
        Row of the record.

    Returns
    -------
    dict
        Plain values by name, NaN where unknown.
    """
    columns = store.columns
    shown = {
        name: columns.one(name, row) for name in ("record_id", "source", "path", "sex")
    }
    features = _features(store, row)
    of_name = {one["name"]: one for one in features}
    labels = store.labels(rows=[row], dtype=np.bool_)[0]
    return {
        "row": row,
        **shown,
        "patient": columns.one("patient_id", row),
        "patient_known": bool(columns.one("patient_known", row)),
        "age": float(columns.one("age", row)),
        "fold": int(columns.one("fold", row)),
        "classes": [
            {"name": class_.name, "description": class_.description}
            for class_, is_in in zip(store.config.classes.classes, labels, strict=True)
            if is_in
        ],
        "codes": [_code(store, code) for code in names_in(columns.one("dx", row))],
        "targets": _targets(store, row),
        "n_samples": store.n_samples,
        "n_real_samples": real_samples(store, row),
        "fs": store.fs,
        "fs_original": float(columns.one("fs_original", row)),
        "start_s": float(columns.one(schema.START, row)),
        "leads": list(store.leads),
        "derived_leads": names_in(columns.one("derived_leads", row)),
        "missing_leads": missing_leads(store, row),
        "r_peaks": beats_of(store, row).tolist(),
        "rhythm": [of_name[name] for name in _RHYTHM if name in of_name],
        "features": features,
        "quality": _quality(store, row),
    }


def _code(store: Store, code: str) -> dict[str, str]:
    """Return a code of a record with its name in words, and whose code it is."""
    if code in diagnoses():
        known = diagnoses()[code]
        name, abbreviation, vocabulary = known.name, known.abbreviation, "SNOMED CT"
    elif code in scp_statements():
        name, abbreviation, vocabulary = scp_statements()[code].name, code, "SCP-ECG"
    else:
        classes = store.config.classes
        number = classes.columns.get(code)
        name = "" if number is None else classes.classes[number].description
        abbreviation, vocabulary = "", "SNOMED CT" if code.isdigit() else ""
    return {
        "code": code,
        "name": name,
        "abbreviation": abbreviation,
        "vocabulary": vocabulary,
    }


def _targets(store: Store, row: int) -> dict[str, float]:
    """Return the targets of a record by name."""
    if not store.target_names:
        return {}
    values = store.targets([row])[0].tolist()
    return dict(zip(store.target_names, values, strict=True))


def other_rows(store: Store, row: int) -> list[dict[str, Any]]:
    """Return the first other rows of the same patient, or with the same ECG.

    Whole columns are compared as bytes: some ms for a million rows of a file, but of a
    store at a URL they are fetched. So this is no part of `record_details`.
    """
    patients = store.table(f"{schema.RECORDS}/patient_id")
    same = np.zeros(len(store), bool)
    if patients[row] != b"":
        sources = store.table(f"{schema.RECORDS}/source")
        same = (patients[:] == patients[row]) & (sources[:] == sources[row])
    of_ecg = same_ecg(store.tables)
    if of_ecg is not None:
        same |= of_ecg == of_ecg[row]
    same[row] = False
    rows = np.flatnonzero(same)
    shown = rows[:MOST_OTHERS]
    names = store.column("record_id", shown).tolist()
    return [
        {"row": other, "record_id": name}
        for other, name in zip(shown.tolist(), names, strict=True)
    ]


def _features(store: Store, row: int) -> list[dict[str, Any]]:
    """Return the features of a record as readers see them."""
    values = store.table(schema.FEATURES)[row].tolist()
    shown = []
    for name, value in zip(store.feature_names, values, strict=True):
        one = {"name": name, "value": value, "text": value_text(name, value)}
        one |= _definitions().get(name, {"unit": "", "group": "", "lead": ""})
        if name in NORMAL_RANGES:
            range_ = NORMAL_RANGES[name]
            one |= {
                "normal": str(range_),
                "low": range_.low,
                "high": range_.high,
                "note": range_.note,
                "source": range_.source,
                "side": 0 if math.isnan(value) else range_.side(value),
            }
        shown.append(one)
    return shown


@cache
def _definitions() -> dict[str, dict[str, str]]:
    """Return unit, group and lead of every feature that is defined, by name."""
    return {
        feature.name: {
            "unit": "" if feature.unit == "1" else feature.unit,
            "group": group.title,
            "lead": feature.lead,
        }
        for group in GROUPS
        for feature in group.features
    }


def _quality(store: Store, row: int) -> list[dict[str, Any]]:
    """Return the measures of a record's signal and marks in words, problems first."""
    rows = np.array([row])
    quality = {
        name: store.table(f"{schema.QUALITY}/{name}")[rows] for name in _SIGNAL_LIMITS
    }
    found = []
    for (name, limit), problem in zip(
        _SIGNAL_LIMITS.items(), quality_problems(quality), strict=True
    ):
        is_bad = (
            quality[name][0] > _PER_LEAD[name]
            if name in _PER_LEAD
            else 1 - quality[name][0] > limit
        )
        leads = np.array(store.leads)[is_bad].tolist()
        found += _measure(problem, limit, leads)
    status = BeatStatus(int(store.columns.read_quality(schema.BEATS_STATUS, rows)[0]))
    if status in _BEATS:
        found.append({"text": _BEATS[status], "is_problem": True, "leads": []})
    if status in (BeatStatus.OK, BeatStatus.TOO_MANY_BEATS):
        problems = mark_problems(_marks_of(store, row), store.fs)
        for problem, limit in zip(problems, _MARK_LIMITS, strict=True):
            found += _measure(problem, limit, [])
    return sorted(found, key=lambda one: not one["is_problem"])


def _measure(problem: Problem, limit: float, leads: list[str]) -> list[dict[str, Any]]:
    """Return a measure of a record in words, if the record has any of it."""
    severity = float(problem.severity[0])
    if not severity > 0:
        return []
    text, is_problem = problem.text(severity), severity > limit
    return [{"text": text, "is_problem": is_problem, "leads": leads}]


def _marks_of(store: Store, row: int) -> IntArray:
    """Return the marks of a record, of shape (1, n_leads, n_beats, 9)."""
    return store.fiducials([row])[:, :, : len(beats_of(store, row))]
