"""Give a finished store other labels, in a file beside it."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import UInt8Array
from ecgstore.builder.columns import (
    DESCRIBED,
    check_columns,
    put_column,
    text_widths,
    texts_of,
)
from ecgstore.builder.entry import Entry, Status
from ecgstore.builder.not_understood import (
    names_as_codes,
    require_understood,
    unknown_codes,
    unknown_words,
)
from ecgstore.builder.replaced_labels import what_is_replaced
from ecgstore.builder.table_use import TableUse, table_uses
from ecgstore.config import LABEL_OPTIONS, Config
from ecgstore.errors import EcgStoreError
from ecgstore.label_tables import Description, RecordTables, read_tables
from ecgstore.options import updated
from ecgstore.splits import group_records, keep_folds
from ecgstore.storage import Store
from ecgstore.storage.format import schema
from ecgstore.storage.format.integrity import write_digests
from ecgstore.storage.format.layout import create_file
from ecgstore.storage.format.stored_values import UNSEALED, encoded
from ecgstore.storage.frames import same_ecg
from ecgstore.storage.label_file import (
    FORMAT,
    STORE_FINGERPRINT,
    label_file_path,
    label_fingerprint,
    label_specs,
)
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.urls import require_no_url
from ecgstore.windows import recording_of

_OF_TABLES: Final[Mapping[str, Any]] = {
    "label_column": None,
    "min_likelihood": 0.0,
    "folds_from": None,
    "columns": (),
    "targets": (),
}
"""Options of tables, at their defaults."""


class LabelReport(NamedTuple):
    """What `label_store` wrote.

    Attributes
    ----------
    path : Path
        The file beside the store.
    classes : dict
        Number of records by class.
    tables : list of dict
        What is read of every table, as in `ScanReport`.
    n_moved_folds : int
        Records that have another fold than before, because a table says so, or because
        their patients are known now.
    replaced : list of str
        What earlier labels beside the store had and these do not take over.
    unknown_codes, unknown_words : dict
        Rows of the tables by code in no table of diagnoses and not in the classes, and
        by word that is no diagnosis ecgstore knows. Longer texts are not shown.
    warnings : list of str
        What may be a mistake.
    """

    path: Path
    classes: dict[str, int]
    tables: list[dict[str, Any]]
    n_moved_folds: int
    replaced: list[str]
    unknown_codes: dict[str, int]
    unknown_words: dict[str, int]
    warnings: list[str]


def label_store(
    store: str | Path,
    labels: str | Path | Iterable[str | Path] = (),
    **options: Any,
) -> LabelReport:
    """Give a finished store other labels, targets, columns or folds.

    They are written to a file beside the store, which every program that opens the
    store uses from then on; the store itself does not change. The file replaces an
    older one, when it is complete; deleting it restores the labels of the build.

    Parameters
    ----------
    store : str or Path
        The store.
    labels : str, Path, or iterable of them
        Tables, as for `build_store`. What they do not say stays as the build stored it.
    **options
        Options of a build by name: ``classes``, ``label_column``, ``min_likelihood``,
        ``folds_from``, ``columns``, ``targets``. The classes are those of the build if
        left out; columns and targets of the build stay.

    Raises
    ------
    EcgStoreError
        If there is no such store, a table or an option is wrong, nothing in a table of
        codes is understood, or no record is in any class and there are no targets.
    """
    unknown = [name for name in options if name not in LABEL_OPTIONS]
    if unknown:
        raise EcgStoreError(
            f"option {unknown[0]!r} cannot be changed in a finished store; expected "
            f"{', '.join(LABEL_OPTIONS)}"
        )
    require_no_url(store)
    with Store(Path(os.path.abspath(store)), labels="built") as opened:
        asked = updated(replace(opened.config, **_OF_TABLES), options)
        check_columns(asked)
        tables = read_tables(asked, labels=labels)
        return _write(opened, asked, tables)


def _write(store: Store, asked: Config, tables: RecordTables) -> LabelReport:
    """Write the file beside a store."""
    built = store.config
    config = replace(
        asked,
        columns=tuple(dict.fromkeys((*built.columns, *asked.columns))),
        targets=tuple(dict.fromkeys((*built.targets, *asked.targets))),
    )
    known = [tables.describe(entry) for entry in _entries(store)]
    multi_hot = config.classes.labels([one.dx for one in known])
    uses = table_uses(lambda: _entries(store), tables)
    unused = [use.path for use in uses if not use.n_rows_used]
    if unused:
        raise EcgStoreError(
            f"{unused[0]}: has no row for any record of {store.place}, so nothing was "
            "written; expected the table of these records"
        )
    require_understood(tables.tables, config.classes)
    if not multi_hot.any() and not config.targets:
        raise EcgStoreError(_no_class(store, config, uses))
    folds = _folds(store, known, multi_hot)
    kept = [
        name
        for name in schema.extra_columns(config)
        if name not in schema.extra_columns(asked)
    ]
    widths = text_widths(asked, tables, known)
    for name in kept:
        column = store.table(f"{schema.RECORDS}/{name}")
        if column.dtype.kind == "S":
            widths[name] = column.dtype.itemsize
    path = label_file_path(store.path)
    attributes: dict[str, str | int] = {
        "format": FORMAT.name,
        "format_version": FORMAT.version,
        STORE_FINGERPRINT: store.built_fingerprint,
        "config": config.to_json(),
        "fingerprint": UNSEALED,
    }
    replaced = what_is_replaced(store.path, config, path)
    with replace_file(path, "wb") as unfinished:
        create_file(
            Path(unfinished.name), label_specs(config, len(store), widths), attributes
        )
        with h5py.File(unfinished, "r+", locking=False) as file:
            file[schema.LABELS][...] = multi_hot
            file[schema.FOLDS][...] = folds
            if config.targets:
                file[schema.TARGETS][...] = _targets(store, config, asked, known)
            records, every = file[schema.RECORDS], slice(0, len(store))
            records["age"][...] = [one.age for one in known]
            texts = [texts_of(asked, one) for one in known]
            for name in (*DESCRIBED, *schema.extra_columns(asked)):
                put_column(records[name], every, [one[name] for one in texts])
            for name in kept:
                stored = store.table(f"{schema.RECORDS}/{name}")
                # Texts need the mark of UTF-8, which is in the type of the dataset.
                records[name][...] = stored.astype(records[name].dtype)
            digest = label_fingerprint(
                store.built_fingerprint, config.to_json(), write_digests(file)
            )
            file.attrs.modify("fingerprint", encoded(digest))
    counts = multi_hot.sum(axis=0, dtype=int).tolist()
    unknown = unknown_codes(tables.tables, config.classes)
    return LabelReport(
        path,
        dict(zip(config.classes.names, counts, strict=True)),
        [use.to_json() for use in uses],
        int((folds != store.table(schema.FOLDS)).sum()),
        replaced,
        unknown,
        unknown_words(tables.tables),
        [
            *names_as_codes(tables.tables, config.classes, unknown),
            *_no_change(store, config, tables, multi_hot),
        ],
    )


def _no_change(
    store: Store, config: Config, tables: RecordTables, labels: UInt8Array
) -> list[str]:
    """Return a sentence if labels from tables are those that the build stored."""
    layouts = [table.layout for table in tables.tables]
    has_labels = any(layout.codes or layout.classes for layout in layouts)
    is_same = config.classes == store.config.classes
    if has_labels and is_same and np.array_equal(labels, store.table(schema.LABELS)):
        return ["no record is in another class than before: the tables change no label"]
    return []


def _entries(store: Store) -> Iterator[Entry]:
    """Yield the records of a store, as a scan would have found them."""
    records = store.records
    columns = ("source", "path", "patient_id", "age", "sex", "dx", "sha256")
    values = (records[name].tolist() for name in columns)
    for name, source, path, patient, age, sex, dx, sha256 in zip(
        records.index.tolist(), *values, strict=True
    ):
        yield Entry(
            path=path,
            status=Status.SELECTED,
            source=source,
            record_id=recording_of(name) if store.config.windows else name,
            dx=dx,
            patient_id=patient,
            age=None if age != age else age,
            sex=sex,
            sha256=sha256,
        )


def _folds(
    store: Store, known: list[Description], labels: UInt8Array
) -> NDArray[np.int8]:
    """Return the folds of a store, changed where a table or a patient asks for it."""
    before = store.table(schema.FOLDS).tolist()
    given = [
        fold if one.fold is None else one.fold
        for fold, one in zip(before, known, strict=True)
    ]
    records = store.records
    source = records["source"].to_numpy()
    groups = group_records(
        source,
        [one.patient_id for one in known],
        records["sha256"].to_list(),
        same_ecg(store.tables),
    )
    return keep_folds(given, labels, groups, source)


def _targets(
    store: Store, config: Config, asked: Config, known: list[Description]
) -> NDArray[np.float32]:
    """Return the targets: those of the tables, where these have none of the build."""
    targets = np.full((len(store), len(config.targets)), np.nan, np.float32)
    new = np.array([one.targets for one in known], np.float32)
    for place, name in enumerate(config.targets):
        if name in store.target_names:
            stored = store.table(schema.TARGETS)
            targets[:, place] = stored[:, store.target_names.index(name)]
        if name in asked.targets:
            values = new[:, asked.targets.index(name)]
            is_known = ~np.isnan(values)
            targets[is_known, place] = values[is_known]
    return targets


def _no_class(store: Store, config: Config, uses: list[TableUse]) -> str:
    """Return the message for labels without any record in a class."""
    looked_at = ", ".join(["the codes of the store", *(use.sentence for use in uses)])
    return (
        f"{store.place}: no record has a code of class set {config.classes.name} "
        f"(looked at: {looked_at}); choose other --classes or another table"
    )
