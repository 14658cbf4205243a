"""Write rows of a store into a file of their own, of the version that is written."""

from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.builder.output_place import check_room
from ecgstore.builder.stored_signatures import stored_signatures
from ecgstore.errors import SchemaError
from ecgstore.signals.signature import signature_rows
from ecgstore.storage import Selection, Store
from ecgstore.storage.format import schema
from ecgstore.storage.format.dataset_spec import DatasetSpec
from ecgstore.storage.format.digest_table import FINGERPRINT
from ecgstore.storage.format.integrity import (
    block_checksums,
    fingerprint,
    row_checksum,
    write_digests,
)
from ecgstore.storage.format.layout import create_file
from ecgstore.storage.format.stored_values import encoded
from ecgstore.storage.frames import same_ecg
from ecgstore.system.atomic_files import replace_file

_BLOCK_ROWS: Final = 64

_OLDER: Final = {schema.START: 0.0, "derived_leads": b"", "missing_leads": b""}
"""Values of columns of `/records` that stores of version 1 have not."""


def write_rows(selection: Selection, final: Path, *, with_quarantine: bool) -> None:
    """Write the selected rows as a store, and compare each signal with its checksum.

    Parameters
    ----------
    selection : Selection
        Rows of a store of any version.
    final : Path
        The store to write; it appears when it is complete.
    with_quarantine : bool
        Whether the quarantine of the store is copied, or left empty.

    Raises
    ------
    EcgStoreError
        If the disk has no room.
    SchemaError
        If a signal is damaged.
    """
    store, rows = selection.store, selection.rows
    specs = _specs(store, rows, with_quarantine)
    check_room(final, sum(spec.nbytes for spec in specs))
    attributes = schema.file_attributes(schema.FORMAT.version, store.software)
    with replace_file(final, "wb") as unfinished:
        create_file(Path(unfinished.name), specs, attributes)
        with h5py.File(unfinished, "r+", locking=False) as file:
            for spec in specs:
                if spec.values is not None:
                    continue
                if spec.path == schema.SIGNALS:
                    _copy_signals(
                        selection, file[spec.path], file[schema.BLOCK_CHECKSUMS]
                    )
                elif spec.path != schema.BLOCK_CHECKSUMS:  # written with the signals
                    values = _values(selection, spec)
                    file[spec.path][...] = values.astype(file[spec.path].dtype)
            digest = fingerprint(store.config.to_json(), write_digests(file))
            file[FINGERPRINT][()] = encoded(digest)


def _specs(
    store: Store, rows: IntArray, with_quarantine: bool
) -> tuple[DatasetSpec, ...]:
    """Return the datasets of the file, texts as wide as their longest value."""
    texts = {
        name: _column(store, name)[rows]
        for name in (*schema.RECORD_TEXTS, *schema.extra_columns(store.config))
    }
    left_out = {name: _left_out(store, name) for name in schema.QUARANTINE_TEXTS}
    widths, left_out_widths = (
        {
            name: int(np.char.str_len(values).max(initial=0))
            for name, values in columns.items()
            if values.dtype.kind == "S"
        }
        for columns in (texts, left_out)
    )
    return schema.store_specs(
        store.config,
        len(rows),
        widths,
        features=[*zip(store.feature_names, store.feature_units, strict=True)],
        beats_status=store.beats_statuses,
        n_left_out=len(left_out["path"]) if with_quarantine else 0,
        left_out_widths=left_out_widths,
    )


def _left_out(store: Store, name: str) -> NDArray[Any]:
    """Return a column of the quarantine."""
    return store.table(f"{schema.QUARANTINE}/{name}")


def _column(store: Store, name: str) -> NDArray[Any]:
    """Return a column of `/records`; of version 1, what it would be there."""
    path = f"{schema.RECORDS}/{name}"
    if name in _OLDER and path not in store.tables:
        return np.full(len(store), _OLDER[name])
    return store.table(path)


def _values(selection: Selection, spec: DatasetSpec) -> NDArray[Any]:
    """Return the rows of one dataset."""
    store, rows = selection.store, selection.rows
    group, _, name = spec.path.partition("/")
    if spec.path == schema.SAME_ECG:
        return _same_ecg(selection)
    if group == schema.QUARANTINE:
        return _left_out(store, name)[: spec.shape[0]]
    if group == schema.RECORDS:
        return _column(store, name)[rows]
    if spec.path == schema.SIGNATURES and spec.path not in store.tables:  # version 1
        return signature_rows(stored_signatures(store))[rows]
    return store.table(spec.path)[rows]


def _same_ecg(selection: Selection) -> IntArray:
    """Return for each selected record the first selected one with the same ECG."""
    store, rows = selection.store, selection.rows
    same = same_ecg(store.tables)
    if same is None:
        return np.arange(len(rows))
    _, first, group = np.unique(same[rows], return_index=True, return_inverse=True)
    return first[group.reshape(-1)]


def _copy_signals(
    selection: Selection, signals: h5py.Dataset, checked: h5py.Dataset
) -> None:
    """Copy the stored samples, and compare every row with its checksum."""
    store, rows = selection.store, selection.rows
    checksums = store.table(schema.CHECKSUMS)
    dtype: Any = store.dtype
    for begin in range(0, len(rows), _BLOCK_ROWS):
        block = rows[begin : begin + _BLOCK_ROWS]
        values = store.signals(block, dtype=dtype)
        for row, samples in zip(block.tolist(), values, strict=True):
            if row_checksum(samples) != checksums[row]:
                raise SchemaError(
                    f"{store.place}: row {row} is damaged; run `ecgstore verify`, and "
                    "build the store again or restore it from a copy"
                )
        signals[begin : begin + len(block)] = values
        checked[begin : begin + len(block)] = [*map(block_checksums, values)]
