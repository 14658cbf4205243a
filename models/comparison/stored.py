"""Read the predictions of a comparison again, and check them against its scores.

The files may come from anyone: everything in them is checked. No PyTorch is needed.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.errors import EcgStoreError, SchemaError, short_list
from ecgstore.models.comparison.estimates import TITLES, estimate
from ecgstore.models.comparison.protocols import PROTOCOLS, OuterFold, with_fewer
from ecgstore.models.comparison.results import (
    ComparedRecords,
    Predictions,
    ProtocolResult,
)
from ecgstore.scores.bootstrap import BootstrapResult, Estimate
from ecgstore.scores.table import CLASS_SCORES, SCORES
from ecgstore.system.file_format import FileFormat
from ecgstore.system.json_files import JsonValue, read_json

FORMAT: Final = FileFormat("ecgstore comparison", 1, "`ecgstore compare`")

TOLERANCE: Final = 1e-9
"""Largest difference between a stored score and one computed again: other machines may
add numbers in another order."""

_NAME: Final = re.compile(rf"({'|'.join(PROTOCOLS)})(-[1-9]\d{{0,8}})?", re.ASCII)
_REMEDY: Final = (
    "restore the file from a copy, or make it again with `ecgstore compare`"
)
_MOST_RECORDS: Final = 100_000_000
_MOST_CLASSES: Final = 1000
_MOST_SEEDS: Final = 1000


@dataclass(frozen=True, eq=False, slots=True)
class StoredProtocol:
    """The result of one protocol, as it was read from its file.

    Attributes
    ----------
    path : Path
        The file.
    name : str
        The protocol, such as "patients" or "patients-150".
    settings : Mapping
        The settings of the comparison: values of JSON.
    store_name, fingerprint : str
        File name and `Store.fingerprint` of the store.
    software : Mapping
        Versions by name.
    records : ComparedRecords
        The records.
    result : ProtocolResult
        Every prediction.
    estimates : BootstrapResult
        The scores with their intervals, as they were stored: `furthest` is how far
        they are from those of the predictions.
    furthest : float
        The largest difference between a stored score and the same score computed again
        from the predictions; at most `TOLERANCE`.
    """

    path: Path
    name: str
    settings: Mapping[str, Any]
    store_name: str
    fingerprint: str
    software: Mapping[str, str]
    records: ComparedRecords
    result: ProtocolResult
    estimates: BootstrapResult
    furthest: float


def comparison_files(folder: Path) -> list[Path]:
    """Return the files of a folder that are named as the predictions of a protocol.

    Those of whole protocols are first, then those of learning curves.
    """
    try:
        names = [path for path in folder.iterdir() if path.suffix == ".json"]
    except OSError as error:
        raise EcgStoreError(
            f"{folder}: cannot be read ({error.strerror}); expected the folder of "
            f"{FORMAT.made_by}"
        ) from error
    files = [path for path in names if _NAME.fullmatch(path.stem)]
    return sorted(files, key=lambda path: _order(path.stem))


def read_comparison(folder: Path) -> list[StoredProtocol]:
    """Read every protocol of a comparison.

    Parameters
    ----------
    folder : Path
        A folder of `ecgstore compare`.

    Raises
    ------
    EcgStoreError
        If the folder has no predictions of a protocol, or cannot be read.
    SchemaError
        If a file is damaged, its scores are not those of its predictions, or the files
        are of different stores.
    """
    files = comparison_files(folder)
    if not files:
        raise EcgStoreError(
            f"{folder}: has no predictions of a comparison, such as patients.json; "
            f"expected the folder of {FORMAT.made_by}, after it ended"
        )
    protocols = [read_protocol(path) for path in files]
    first = protocols[0]
    for other in protocols[1:]:
        if (other.fingerprint, other.records.names, other.records.label_names) != (
            first.fingerprint,
            first.records.names,
            first.records.label_names,
        ):
            raise SchemaError(
                f"{other.path}: is of another store than {first.path.name} beside it; "
                "expected one comparison in a folder: remove the file, or compare again"
            )
    return protocols


def read_protocol(path: Path) -> StoredProtocol:
    """Read the predictions and scores of one protocol; see `read_comparison`."""
    content = read_json(path, _REMEDY)
    FORMAT.check(path, *(_value(content, name) for name in ("format", "version")))
    name = content["protocol"].text()
    if name != path.stem or not _NAME.fullmatch(name):
        content["protocol"].refuse(
            f"{path.stem!r}, as the file is named, of one of {', '.join(PROTOCOLS)}"
        )
    records, fold_names = _records(content)
    outer = _outer_folds(content["protocol"], records, fold_names)
    names = _classifiers(content)
    result = ProtocolResult(outer, _predictions(content, names, records, fold_names))
    estimates = _estimates(content["estimates"], names, len(records.label_names))
    again = estimate(records, result, n_resamples=1)
    return StoredProtocol(
        path=path,
        name=name,
        settings=_settings(content["settings"]),
        store_name=content["store"]["name"].text(),
        fingerprint=content["store"]["fingerprint"].text(),
        software={name: value.text() for name, value in content["software"].items()},
        records=records,
        result=result,
        estimates=estimates,
        furthest=_furthest(content["estimates"], estimates, again),
    )


def _order(name: str) -> tuple[bool, str, int]:
    """Return a sort key of protocols: those with fewer records after the others."""
    protocol, _, n_records = name.partition("-")
    return bool(n_records), protocol, int(n_records or 0)


def _value(content: JsonValue, name: str) -> object:
    """Return a value as it is, None if there is none."""
    return content.value.get(name) if isinstance(content.value, dict) else None


def _settings(settings: JsonValue) -> dict[str, Any]:
    """Return settings: texts, numbers, truth values, None, and lists of texts."""
    checked: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value.value, dict):
            inner = {key: _plain(one) for key, one in value.items()}
            checked[name] = inner
        else:
            checked[name] = _plain(value)
    return checked


def _plain(value: JsonValue) -> object:
    """Return a value that is no object."""
    if isinstance(value.value, list):
        return list(value.texts(_MOST_CLASSES))
    if isinstance(value.value, str):
        return value.text()
    if isinstance(value.value, bool) or value.value is None:
        return value.value
    if isinstance(value.value, int):
        return value.whole(-(2**63), 2**63 - 1)
    return value.number()


def _records(content: JsonValue) -> tuple[ComparedRecords, tuple[str, ...]]:
    """Return the records, and the name of the fold that tests each."""
    classes = content["classes"].texts(_MOST_CLASSES)
    rows = content["records"].elements(_MOST_RECORDS)
    if not rows or not classes:
        content["records"].refuse("at least one record, of at least one class")
    shape = (len(classes),)
    labels = np.stack([row["labels"].numbers(shape, 0, 1) for row in rows])
    if not np.isin(labels, (0, 1)).all():
        at = int(np.flatnonzero(~np.isin(labels, (0, 1)).all(axis=1))[0])
        rows[at]["labels"].refuse("only 0 and 1")
    names = tuple(row["record_id"].text() for row in rows)
    if len({*names}) < len(names):
        raise SchemaError(
            f"{content.file}: records has a record_id twice; expected names that "
            f"differ; {_REMEDY}"
        )
    numbers = np.array([row["patient"].whole(0, 2**62) for row in rows], np.int64)
    _, patient = np.unique(numbers, return_inverse=True)
    source = np.array([row["source"].text() for row in rows], object)
    records = ComparedRecords(
        names, classes, labels.astype(np.uint8), source, patient.astype(np.int64)
    )
    return records, tuple(row["fold"].text() for row in rows)


def _outer_folds(
    protocol: JsonValue, records: ComparedRecords, fold_names: tuple[str, ...]
) -> list[OuterFold]:
    """Return the folds: all records of other patients were for training, or some."""
    n_records = protocol.text().partition("-")[2]
    fold_of = np.array(fold_names, object)
    folds = []
    for name in dict.fromkeys(fold_names):
        test = np.flatnonzero(fold_of == name)
        in_test = np.isin(records.patient, records.patient[test])
        fold = OuterFold(name, np.flatnonzero(~in_test), test)
        if not len(fold.training):
            protocol.refuse(f"records of other patients than those of fold {name!r}")
        if n_records:
            fold = with_fewer(fold, records.patient, int(n_records))
        folds.append(fold)
    return sorted(folds, key=lambda fold: (len(fold.name), fold.name))


def _classifiers(content: JsonValue) -> tuple[str, ...]:
    """Return the names of the classifiers."""
    names = content["estimates"]["names"].texts(len(TITLES))
    unknown = [name for name in names if name not in TITLES]
    if not names or unknown:
        content["estimates"]["names"].refuse(f"some of {', '.join(TITLES)}")
    if {*content["thresholds"].names()} != {*names}:
        content["thresholds"].refuse(f"thresholds of {', '.join(names)}")
    return names


def _predictions(
    content: JsonValue,
    names: tuple[str, ...],
    records: ComparedRecords,
    fold_names: tuple[str, ...],
) -> dict[str, Predictions]:
    """Return the predictions of every classifier, by row."""
    n_classes, rows = len(records.label_names), content["records"].elements(
        _MOST_RECORDS
    )
    first = rows[0]["probabilities"][names[0]].elements(_MOST_SEEDS)
    shape = (len(first), n_classes)
    if not first:
        rows[0]["probabilities"][names[0]].refuse("probabilities of at least one seed")
    for row in rows:
        if {*row["probabilities"].names()} != {*names}:
            row["probabilities"].refuse(f"probabilities of {', '.join(names)}")
    predictions = {}
    for name in names:
        of_folds = content["thresholds"][name]
        limits = {
            fold: of_folds[fold].numbers(shape, 0, 1) for fold in {*fold_names}
        }
        predictions[name] = Predictions(
            _by_row([row["probabilities"][name].numbers(shape, 0, 1) for row in rows]),
            _by_row([limits[fold] for fold in fold_names]),
        )
    return predictions


def _by_row(values: list[FloatArray]) -> FloatArray:
    """Return arrays of rows, (n_seeds, n_classes), as (n_seeds, n_rows, n_classes)."""
    return np.stack(values, axis=1)


def _estimates(
    stored: JsonValue, names: tuple[str, ...], n_classes: int
) -> BootstrapResult:
    """Return the stored scores and differences."""
    pairs = {
        (one["first"].text(), one["second"].text()): one
        for one in stored["differences"].elements(len(names) ** 2)
    }
    expected = list(combinations(names, 2))
    if {*pairs} != {*expected}:
        stored["differences"].refuse("a difference for each pair of names")
    scores, class_scores = stored["scores"], stored["class_scores"]
    return BootstrapResult(
        names=names,
        n_records=stored["n_records"].whole(1, _MOST_RECORDS),
        n_groups=stored["n_groups"].whole(1, _MOST_RECORDS),
        n_resamples=stored["n_resamples"].whole(1, 1_000_000_000),
        level=stored["level"].number(0.001, 0.999999),
        scores={name: _of_scores(scores[name]) for name in names},
        class_scores={
            name: _of_classes(class_scores[name], n_classes) for name in names
        },
        differences={pair: _of_scores(pairs[pair]["scores"]) for pair in expected},
        class_differences={
            pair: _of_classes(pairs[pair]["class_scores"], n_classes)
            for pair in expected
        },
        undefined=stored["undefined"].numbers((n_classes,), 0, 1),
        n_defined={
            score: stored["n_defined"][score].whole(0, n_classes)
            for score in CLASS_SCORES
        },
    )


def _of_scores(of_scores: JsonValue) -> dict[str, Estimate]:
    """Return the estimates of the scores of all records."""
    return {score: _estimate(of_scores[score]) for score in SCORES}


def _of_classes(
    of_scores: JsonValue, n_classes: int
) -> dict[str, tuple[Estimate, ...]]:
    """Return the estimates of the scores of each class."""
    found = {}
    for score in CLASS_SCORES:
        elements = of_scores[score].elements(_MOST_CLASSES)
        if len(elements) != n_classes:
            of_scores[score].refuse(f"a list of {n_classes}, one for each class")
        found[score] = tuple(map(_estimate, elements))
    return found


def _estimate(stored: JsonValue) -> Estimate:
    """Return a value with its interval; None stands for NaN."""
    ends = stored.elements(3)
    numbers = [math.nan if end.value is None else end.number(-1, 1) for end in ends]
    if len(numbers) != 3:
        stored.refuse("value, low and high")
    value, low, high = numbers
    if low > value + TOLERANCE or high < value - TOLERANCE:
        stored.refuse("a value between low and high")
    return Estimate(value, low, high)


def _furthest(
    stored: JsonValue, estimates: BootstrapResult, again: BootstrapResult
) -> float:
    """Return the largest difference between stored scores and those computed again.

    Raises
    ------
    SchemaError
        If one is not that of the predictions.
    """
    for name in ("n_records", "n_groups", "n_defined"):
        if getattr(estimates, name) != getattr(again, name):
            stored[name].refuse(f"{getattr(again, name)}, as of the records")
    furthest = 0.0
    for key, found, expected in _all_values(estimates, again):
        if math.isnan(found) and math.isnan(expected):
            continue
        distance = abs(found - expected)
        if not distance <= TOLERANCE:
            raise SchemaError(
                f"{stored.file}: estimates.{key} is {found:.6f}; expected "
                f"{expected:.6f}, computed again from the predictions in the file; "
                f"{_REMEDY}"
            )
        furthest = max(furthest, distance)
    return furthest


def _all_values(
    stored: BootstrapResult, again: BootstrapResult
) -> list[tuple[str, float, float]]:
    """Return key, stored value and value computed again, of every score."""
    values = []
    for kind in ("scores", "differences"):
        for name, of_scores in getattr(stored, kind).items():
            others = getattr(again, kind)[name]
            values += [
                (_key(kind, name, score), one.value, others[score].value)
                for score, one in of_scores.items()
            ]
    for kind in ("class_scores", "class_differences"):
        for name, of_classes in getattr(stored, kind).items():
            others = getattr(again, kind)[name]
            values += [
                (_key(kind, name, f"{score}.{number}"), one.value, other.value)
                for score, ones in of_classes.items()
                for number, (one, other) in enumerate(
                    zip(ones, others[score], strict=True)
                )
            ]
    return values


def _key(kind: str, name: str | tuple[str, str], score: str) -> str:
    """Return where a score is, for messages."""
    text = name if isinstance(name, str) else " - ".join(name)
    return f"{kind}.{text}.{score}"
