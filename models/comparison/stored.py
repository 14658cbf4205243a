"""Read the predictions of a comparison again, and check them against its scores.

The files may come from anyone: everything in them is checked. No PyTorch is needed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.comparison.estimates import TITLES, estimate
from ecgstore.models.comparison.protocols import PROTOCOLS, OuterFold, with_fewer
from ecgstore.models.comparison.results import (
    ComparedRecords,
    Predictions,
    ProtocolResult,
)
from ecgstore.scores.bootstrap import BootstrapResult
from ecgstore.scores.stored import require_same_scores, stored_result
from ecgstore.system.file_format import FileFormat
from ecgstore.system.json_files import (
    JsonFiles,
    JsonValue,
    plain_settings,
    stacked,
)

FORMAT: Final = FileFormat("ecgstore comparison", 1, "`ecgstore compare`")

_NAME: Final = re.compile(rf"({'|'.join(PROTOCOLS)})(-[1-9]\d{{0,8}})?", re.ASCII)
_REMEDY: Final = (
    "restore the file from a copy, or make it again with `ecgstore compare`"
)
_MOST_RECORDS: Final = 3_000_000
_MOST_CLASSES: Final = 1000
_MOST_SEEDS: Final = 1000
_MOST_FOLDS: Final = 1000
_MOST_SOURCES: Final = 1000
_MOST_TRAINING: Final = 100_000_000
"""Training records of all folds together, which are listed for each fold."""


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
        The scores with their intervals, as they were stored.
    furthest : float
        The largest difference between a stored score and the same score computed again
        from the predictions: not more than by rounding.
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
    json_files = JsonFiles(_REMEDY)
    protocols = [_protocol(json_files.read(path)) for path in files]
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


def _protocol(content: JsonValue) -> StoredProtocol:
    """Return the predictions and scores of one protocol."""
    path = content.file
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
    estimates = stored_result(content["estimates"], names, len(records.label_names))
    again = estimate(records, result, n_resamples=1)
    if estimates.n_groups != again.n_groups:
        content["estimates"]["n_groups"].refuse(f"{again.n_groups}, as of the records")
    return StoredProtocol(
        path=path,
        name=name,
        settings=plain_settings(content["settings"]),
        store_name=content["store"]["name"].name(),
        fingerprint=content["store"]["fingerprint"].name(),
        software={name: value.text() for name, value in content["software"].items()},
        records=records,
        result=result,
        estimates=estimates,
        furthest=require_same_scores(content["estimates"], estimates, again),
    )


def _order(name: str) -> tuple[bool, str, int]:
    """Return a sort key of protocols: those with fewer records after the others."""
    protocol, _, n_records = name.partition("-")
    return bool(n_records), protocol, int(n_records or 0)


def _value(content: JsonValue, name: str) -> object:
    """Return a value as it is, None if there is none."""
    return content.value.get(name) if isinstance(content.value, dict) else None


def _records(content: JsonValue) -> tuple[ComparedRecords, tuple[str, ...]]:
    """Return the records, and the name of the fold that tests each."""
    classes = content["classes"].texts(_MOST_CLASSES)
    rows = content["records"].elements(_MOST_RECORDS)
    if not rows or not classes:
        content["records"].refuse("at least one record, of at least one class")
    shape = (len(classes),)
    labels = stacked([row["labels"] for row in rows], shape, 0, 1)
    if not np.isin(labels, (0, 1)).all():
        at = int(np.flatnonzero(~np.isin(labels, (0, 1)).all(axis=1))[0])
        rows[at]["labels"].refuse("only 0 and 1")
    names = tuple(row["record_id"].name() for row in rows)
    if len({*names}) < len(names):
        raise SchemaError(
            f"{content.file}: records has a record_id twice; expected names that "
            f"differ; {_REMEDY}"
        )
    numbers = np.array([row["patient"].whole(0, 2**62) for row in rows], np.int64)
    _, patient = np.unique(numbers, return_inverse=True)
    source = np.array([row["source"].name() for row in rows], object)
    _require_few(content, "sources", len({*source}), _MOST_SOURCES)
    records = ComparedRecords(
        names, classes, labels.astype(np.uint8), source, patient.astype(np.int64)
    )
    fold_names = tuple(row["fold"].name() for row in rows)
    n_folds = len({*fold_names})
    _require_few(content, "folds", n_folds, _MOST_FOLDS)
    n_listed = n_folds * len(rows)
    _require_few(content, "records in all folds", n_listed, _MOST_TRAINING)
    return records, fold_names


def _require_few(content: JsonValue, things: str, number: int, most: int) -> None:
    """Refuse records of more folds or sources than a report can show."""
    if number > most:
        raise SchemaError(
            f"{content.file}: records has {number:,} {things}; expected at most "
            f"{most:,}; {_REMEDY}"
        )


def _outer_folds(
    protocol: JsonValue, records: ComparedRecords, fold_names: tuple[str, ...]
) -> list[OuterFold]:
    """Return the folds: all records of other patients were for training, or some."""
    n_records = protocol.text().partition("-")[2]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(fold_names))}
    fold_of = np.array([numbers[name] for name in fold_names])
    folds = []
    for name, number in numbers.items():
        test = np.flatnonzero(fold_of == number)
        in_test = np.isin(records.patient, records.patient[test])
        fold = OuterFold(name, np.flatnonzero(~in_test), test)
        if not len(fold.training):
            protocol.refuse(f"records of other patients than those of fold {name!r}")
        if n_records:
            fold = with_fewer(fold, records.patient, int(n_records))
        folds.append(fold)
    if all(name.isdecimal() for name in fold_names):
        return sorted(folds, key=lambda fold: (len(fold.name), fold.name))
    return sorted(folds, key=lambda fold: fold.name)


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
    n_classes, rows = (
        len(records.label_names),
        content["records"].elements(_MOST_RECORDS),
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
        limits = {fold: of_folds[fold].numbers(shape, 0, 1) for fold in {*fold_names}}
        predictions[name] = Predictions(
            _by_seed(
                stacked([row["probabilities"][name] for row in rows], shape, 0, 1)
            ),
            _by_seed(np.stack([limits[fold] for fold in fold_names])),
        )
    return predictions


def _by_seed(values: FloatArray) -> FloatArray:
    """Return values, (n_rows, n_seeds, n_classes), as (n_seeds, n_rows, n_classes)."""
    return np.ascontiguousarray(values.swapaxes(0, 1))
