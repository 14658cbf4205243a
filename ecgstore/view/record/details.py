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
from ecgstore.plots.dataset.worst import mark_problems, quality_problems
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

_PROBLEMS: Final = {
    "flat_fraction": 0.5,
    "psqi": 0.4,
    "bassqi": 0.9,
    "clipped_fraction": 0.0,
    "missing_fraction": 0.0,
}
"""The columns of `quality_problems`, in its order, and from where on they are problems.

Ratios that are good if high count below their limit, those that are bad above it. The
limits of pSQI and basSQI are those below which Zhao and Zhang, Front. Physiol. 9 (2018)
727, call a signal unqualified.
"""

_GOOD_IF_HIGH: Final = frozenset({"psqi", "bassqi"})

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
        "group_rows": _others(store, row),
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


def _others(store: Store, row: int) -> list[dict[str, Any]]:
    """Return the first other rows of the same patient, or with the same ECG.

    Whole columns are compared as bytes, which takes some ms for a million rows.
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
    """Return the problems of a record's signal and of its marks in words."""
    rows = np.array([row])
    quality = {
        name: store.table(f"{schema.QUALITY}/{name}")[rows] for name in _PROBLEMS
    }
    found = []
    for (name, limit), problem in zip(
        _PROBLEMS.items(), quality_problems(quality), strict=True
    ):
        severity = float(problem.severity[0])
        if severity > 0:
            values = quality[name][0]
            is_bad = values < limit if name in _GOOD_IF_HIGH else values > limit
            beyond = 1 - limit if name in _GOOD_IF_HIGH else 0.0
            found.append(
                {
                    "text": problem.text(severity),
                    "is_problem": severity > beyond,
                    "leads": np.array(store.leads)[is_bad].tolist(),
                }
            )
    status = BeatStatus(int(store.columns.read_quality(schema.BEATS_STATUS, rows)[0]))
    if status in _BEATS:
        found.append({"text": _BEATS[status], "is_problem": True, "leads": []})
    if status in (BeatStatus.OK, BeatStatus.TOO_MANY_BEATS):
        found += [
            {
                "text": problem.text(problem.severity[0]),
                "is_problem": False,
                "leads": [],
            }
            for problem in mark_problems(_marks_of(store, row), store.fs)
            if problem.severity[0] > 0
        ]
    return sorted(found, key=lambda one: not one["is_problem"])


def _marks_of(store: Store, row: int) -> IntArray:
    """Return the marks of a record, of shape (1, n_leads, n_beats, 9)."""
    return store.fiducials([row])[:, :, : len(beats_of(store, row))]
