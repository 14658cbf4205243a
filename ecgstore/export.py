"""Write records, labels, features and peaks of a store as CSV and JSON."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.errors import EcgStoreError
from ecgstore.features import q_s_peaks
from ecgstore.record import Mark
from ecgstore.storage import Store
from ecgstore.storage.deep_features.names import column_names
from ecgstore.storage.format import schema
from ecgstore.system.atomic_files import folder_for_files, replace_file
from ecgstore.system.csv_files import write_csv

BLOCK_ROWS: Final = 256


def export_records(store: Store, path: str | Path) -> None:
    """Write a CSV file: record_id, a column per column of `Store.records`, targets.

    A target of the name of a column of records, such as the age, is that column. The
    last column is `Store.groups`: the number of records that must stay together,
    such as those of one patient. Unknown ages and patients are empty. Parameters are
    those of `export_labels`.
    """
    records = store.records
    if store.target_names:
        targets = zip(store.target_names, store.targets().T, strict=True)
        new = {name: values for name, values in targets if name not in records}
        records = records.assign(**new)
    columns = [records[name].tolist() for name in records]
    rows = zip(records.index, *columns, store.groups().tolist(), strict=True)
    write_csv(Path(path), ["record_id", *records, "group"], rows)


def export_labels(store: Store, path: str | Path) -> None:
    """Write a CSV file: record_id, source, fold, and 0 or 1 per class.

    Parameters
    ----------
    store : Store
        An open store.
    path : str or Path
        The file to write; replaced when it is complete.
    """
    columns = [store.column(name) for name in ("record_id", "source", "fold")]
    rows = zip(*columns, store.labels(dtype=np.uint8), strict=True)
    write_csv(
        Path(path),
        ["record_id", "source", "fold", *store.label_names],
        ([name, source, fold, *row.tolist()] for name, source, fold, row in rows),
    )


def export_features(store: Store, path: str | Path) -> None:
    """Write a CSV file: record_id, source, and a column per feature.

    An undefined value is empty. Parameters are those of `export_labels`.
    """
    sources, features = store.column("source"), store.features()
    rows = zip(features.index, sources, features.to_numpy(), strict=True)
    write_csv(
        Path(path),
        ["record_id", "source", *store.feature_names],
        ([name, source, *row.tolist()] for name, source, row in rows),
        ".9g",
    )


def export_attached(store: Store, name: str, path: str | Path) -> None:
    """Write a CSV file: record_id, row, and a column per deep feature.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        Name of the attached features, as `Store.attach` returned it.
    path : str or Path
        The file to write; replaced when it is complete.
    """
    features = store.attached[name]
    records = enumerate(zip(store.column("record_id"), features, strict=True))
    write_csv(
        Path(path),
        ["record_id", "row", *column_names(name, features)],
        ([record_id, row, *values.tolist()] for row, (record_id, values) in records),
        ".9g",
    )


def export_peaks(store: Store, path: str | Path) -> None:
    """Write a JSON file: sample indices of the P, Q, R, S and T peaks of each lead.

    Every list has one element per beat of the record, null where a wave is absent: the
    n-th elements of all lists belong to the same beat. Parameters are those of
    `export_labels`.
    """
    with replace_file(Path(path)) as file:
        file.write(f'{{"fs": {store.config.fs:g}, "records": [')
        separator = "\n"
        for peaks in _peaks(store):
            file.write(separator + json.dumps(peaks))
            separator = ",\n"
        file.write("\n]}\n")


def _peaks(store: Store) -> Iterator[dict[str, Any]]:
    """Yield the peaks of every record, for JSON."""
    padding = store.table(f"{schema.QUALITY}/{schema.PAD_LENGTH}")
    names, sources = store.column("record_id"), store.column("source")
    for begin in range(0, len(store), BLOCK_ROWS):
        rows = np.arange(begin, min(begin + BLOCK_ROWS, len(store)))
        signals, r_peaks = store.signals(rows), store.r_peaks(rows)
        fiducials = store.fiducials(rows)
        for position, row in enumerate(rows.tolist()):
            n_beats = int((r_peaks[position] >= 0).sum())
            n_real = store.n_samples - padding[row]
            signal = signals[position, :, :n_real].astype(np.float64)
            yield {
                "record_id": names[row],
                "source": sources[row],
                "r_peaks": r_peaks[position, :n_beats].tolist(),
                "leads": _waves(signal, fiducials[position, :, :n_beats], store.leads),
            }


def _waves(
    signal: FloatArray, marks: IntArray, leads: Sequence[str]
) -> dict[str, dict[str, list[Any]]]:
    """Return the peaks of every wave in every lead."""
    q_s = q_s_peaks(signal, marks)
    return {
        lead: {
            "P": _indices(marks[number, :, Mark.P_PEAK]),
            "Q": _indices(q_s[number, :, 0]),
            "R": _indices(marks[number, :, Mark.R_PEAK]),
            "S": _indices(q_s[number, :, 1]),
            "T": _indices(marks[number, :, Mark.T_PEAK]),
        }
        for number, lead in enumerate(leads)
    }


def _indices(values: IntArray) -> list[int | None]:
    """Return sample indices, None where a mark is absent."""
    return [None if value < 0 else value for value in values.tolist()]


EXPORTS: Final = {
    "records": ("records.csv", export_records),
    "labels": ("labels.csv", export_labels),
    "features": ("features.csv", export_features),
    "peaks": ("peaks.json", export_peaks),
}
"""Name of the file of every export, and the function that writes it."""


def export(
    store: Store,
    folder: str | Path,
    names: str | list[str],
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write some exports into a folder, which is created if it does not exist.

    Parameters
    ----------
    store : Store
        An open store.
    folder : str or Path
        The folder of the files.
    names : str or list of str
        Keys of `EXPORTS`.
    overwrite : bool
        Replace files that exist.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    EcgStoreError
        If the folder cannot be created, or one of the files exists; nothing is written
        then.
    """
    names = [names] if isinstance(names, str) else names
    folder = Path(folder)
    existing = [
        str(path)
        for path in (folder / EXPORTS[name][0] for name in names)
        if os.path.lexists(path)
    ]
    if existing and not overwrite:
        raise EcgStoreError(
            f"{', '.join(existing)}: exists already; choose another folder, or replace "
            "it with --overwrite (overwrite=True)"
        )
    written = []
    with folder_for_files(folder):
        for name in names:
            file_name, write = EXPORTS[name]
            write(store, folder / file_name)
            written.append(folder / file_name)
    return written
