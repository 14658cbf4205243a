"""Write some records of a store as a store of their own."""

import os
import shutil
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage import Selection
from ecgstore.storage.format import schema
from ecgstore.storage.format.integrity import fingerprint, row_checksum, write_digests
from ecgstore.storage.format.layout import UNSEALED, create_file, encoded
from ecgstore.storage.frames import same_ecg
from ecgstore.storage.label_file import label_file_path
from ecgstore.system.atomic_files import replace_file

_BLOCK_ROWS: Final = 64


def write_subset(
    selection: Selection, out: str | Path, *, overwrite: bool = False
) -> None:
    """Write the selected records as a store of their own.

    Rows keep their order, folds and values. Labels in a file beside the store are
    written as labels of the new one. Its quarantine is empty. Every signal is compared
    with its checksum on the way.

    Parameters
    ----------
    selection : Selection
        Records of a store, as `Store.select` returns them.
    out : str or Path
        The store to write; it appears when it is complete.
    overwrite : bool
        Replace a file of that name.

    Raises
    ------
    EcgStoreError
        If nothing is selected, the file exists, or it cannot be written.
    SchemaError
        If a signal is damaged.
    """
    store, rows = selection.store, selection.rows
    final = Path(os.path.abspath(out))
    if not len(rows):
        raise EcgStoreError(f"{store.path}: no record is selected; nothing to write")
    _check_place(final, store.path, overwrite)
    texts = {
        name: store.table(f"{schema.RECORDS}/{name}")[rows]
        for name in (*schema.RECORD_TEXTS, *schema.extra_columns(store.config))
    }
    widths = {
        name: int(np.char.str_len(values).max())
        for name, values in texts.items()
        if values.dtype.kind == "S"
    }
    specs = (
        *schema.row_specs(
            store.config,
            len(rows),
            widths,
            features=[*zip(store.feature_names, store.feature_units, strict=True)],
            beats_status=store.beats_statuses,
        ),
        *schema.quarantine_specs(0, dict.fromkeys(schema.QUARANTINE_TEXTS, 0)),
    )
    _check_room(final, sum(spec.shape[0] * spec.row_nbytes for spec in specs))
    config = store.config.to_json()
    attributes = schema.file_attributes(
        schema.FORMAT.version, store.software, config, UNSEALED
    )
    with replace_file(final, "wb") as unfinished:
        create_file(unfinished, specs, attributes)
        with h5py.File(unfinished, "r+", locking=False) as file:
            for spec in specs:
                if spec.path == schema.SAME_ECG:
                    file[spec.path][...] = _same_ecg(selection)
                elif spec.path == schema.SIGNALS:
                    _copy_signals(selection, file[spec.path])
                elif not spec.path.startswith(f"{schema.QUARANTINE}/"):
                    values: NDArray[Any] = store.table(spec.path)[rows]
                    file[spec.path][...] = values.astype(file[spec.path].dtype)
            digest = fingerprint(config, write_digests(file))
            file.attrs.modify("fingerprint", encoded(digest))


def _check_place(final: Path, source: Path, overwrite: bool) -> None:
    """Refuse to replace a file unasked, or the store that is read."""
    if not final.parent.is_dir():
        raise EcgStoreError(
            f"{final.parent}: no such folder; create it, or choose another output"
        )
    if not os.path.lexists(final):
        return
    if os.path.exists(final) and os.path.samefile(final, source):
        raise EcgStoreError(f"{final}: is the store itself; choose another output")
    if not overwrite:
        raise EcgStoreError(
            f"{final}: exists already; choose another output, or replace it with "
            "--overwrite (overwrite=True)"
        )
    beside = label_file_path(final)
    if beside.exists():
        raise EcgStoreError(
            f"{beside}: holds labels of the store that is to be replaced; delete it "
            "first, or choose another output"
        )


def _check_room(final: Path, needed: int) -> None:
    """Raise an error if the disk has no room for the store."""
    free = shutil.disk_usage(final.parent).free
    if needed > free:
        raise EcgStoreError(
            f"{final.parent}: the store needs {needed / 1e6:,.0f} MB and the disk has "
            f"{free / 1e6:,.0f} MB free; make room or choose another folder"
        )


def _same_ecg(selection: Selection) -> IntArray:
    """Return for each selected record the first selected one with the same ECG."""
    store, rows = selection.store, selection.rows
    same = same_ecg(store.tables)
    if same is None:
        return np.arange(len(rows))
    _, first, group = np.unique(same[rows], return_index=True, return_inverse=True)
    return first[group.reshape(-1)]


def _copy_signals(selection: Selection, signals: h5py.Dataset) -> None:
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
                    f"{store.path}: row {row} is damaged; run `ecgstore verify`, and "
                    "build the store again or restore it from a copy"
                )
        signals[begin : begin + len(block)] = values
