"""Write the rows that loaders are timed on: real records, repeated.

They are written once, to a scratch folder, as an ecgstore store, as a .npy file and as
a contiguous HDF5 dataset, so that every loader reads the same values from the format
that suits it best.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

import ecgstore
from bench.common.records import headers_in
from bench.loading.workloads import FOLD, Files, index_of
from ecgstore.arrays import IntArray
from ecgstore.builder.seal import seal
from ecgstore.builder.writer import RowWriter
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.storage.format import schema
from ecgstore.storage.format.dataset_spec import DatasetSpec
from ecgstore.storage.format.layout import create_file, set_attribute
from ecgstore.system.atomic_files import publish

CONFIG: Final = Config(select="all", beats="none")

_BLOCK_ROWS: Final = 256


def make_files(records: Path, scratch: Path, n_rows: int) -> Files:
    """Return the files with a number of rows; write them unless they exist.

    Parameters
    ----------
    records : Path
        Folder with Challenge records.
    scratch : Path
        Folder on a disk with room for three copies of the rows, 120 kB per row.
    n_rows : int
        Number of rows. The number of the copy is put in front of the record's name, so
        that the rows have the order that a build would give them.
    """
    base = _base_store(records, scratch)
    folder = scratch / f"{n_rows}_rows"
    with ecgstore.open(base) as store:
        fingerprint = store.fingerprint
        if index_of(folder).exists():
            written = json.loads(index_of(folder).read_text(encoding="utf-8"))
            if written["base"] == fingerprint:
                return Files.in_folder(folder)
        unfinished = scratch / f"{n_rows}_rows.partial"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        sources = _sources(store, n_rows)
        _write_store(base, unfinished / "store.h5", sources)
        _write_arrays(store, unfinished, sources)
    files = Files(
        store=str(folder / "store.h5"),
        signals=str(folder / "signals.npy"),
        contiguous=str(folder / "contiguous.h5"),
        labels=str(folder / "labels.npy"),
        selected=str(folder / "selected.npy"),
        n_rows=n_rows,
        mv_per_count=schema.MV_PER_COUNT,
    )
    text = json.dumps({"base": fingerprint, "files": asdict(files)}, indent=2)
    index_of(unfinished).write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return files


def _base_store(records: Path, scratch: Path) -> Path:
    """Return the store of the records themselves; build it unless it exists."""
    scratch.mkdir(parents=True, exist_ok=True)
    base = scratch / "base.h5"
    headers = headers_in(records)
    try:
        with ecgstore.open(base) as store:
            if store.config == CONFIG and 0 < len(store) <= len(headers):
                return base
    except EcgStoreError:
        pass  # missing, or of an older version
    ecgstore.build_store([records], base, CONFIG, overwrite=True, quiet=True)
    return base


def _sources(store: ecgstore.Store, n_rows: int) -> NDArray[np.int64]:
    """Return an array of shape (n_rows, 2): the original row and the copy number.

    Rows are in the order of a build: by source, then by the copy's name, which begins
    with the number of the copy.
    """
    numbers = np.arange(n_rows)
    originals, copies = numbers % len(store), numbers // len(store)
    names = store.column("source").astype(str)[originals]
    order = np.lexsort((originals, copies, names))
    return np.stack([originals, copies], axis=1)[order]


def _write_store(base: Path, out: Path, sources: NDArray[np.int64]) -> None:
    """Write a store whose rows are copies of another store's rows."""
    partial = out.with_name(f"{out.name}.partial")
    with ecgstore.open(base) as store, h5py.File(base, "r") as old:
        specs = _specs(store, len(sources))
        attributes = schema.file_attributes(schema.FORMAT.version, store.software)
        create_file(partial, specs, attributes)
        with h5py.File(partial, "r+") as new:
            by_fill = [spec.path for spec in specs if spec.by_fill]
            writer = RowWriter(partial, new, by_fill)
            try:
                for spec in specs:
                    _copy_rows(old, new, writer, spec, sources)
            finally:
                writer.close()
    seal(partial)
    publish(partial, out)


def _specs(store: ecgstore.Store, n_rows: int) -> tuple[DatasetSpec, ...]:
    """Return the datasets of a store, for another number of rows."""
    widths = {
        name: store.table(f"{schema.RECORDS}/{name}").dtype.itemsize
        for name in schema.RECORD_TEXTS
    }
    widths["record_id"] += len(_prefix(0))
    return schema.store_specs(
        CONFIG,
        n_rows,
        widths,
        features=[*zip(store.feature_names, store.feature_units, strict=True)],
        beats_status=store.beats_statuses,
    )


def _copy_rows(
    old: h5py.File,
    new: h5py.File,
    writer: RowWriter,
    spec: DatasetSpec,
    sources: NDArray[np.int64],
) -> None:
    """Copy all rows of one dataset, block by block."""
    if spec.values is not None or spec.path.startswith(schema.QUARANTINE):
        return
    originals = old[spec.path][...]
    for rows in _blocks(len(sources)):
        values = originals[sources[rows, 0]]
        if spec.path == f"{schema.RECORDS}/record_id":
            values = np.array(
                [
                    _prefix(copy).encode() + name
                    for name, copy in zip(values, sources[rows, 1], strict=True)
                ],
            )
        elif spec.path == schema.SAME_ECG:
            values = np.arange(rows.start, rows.stop)
        if spec.by_fill:
            writer.write(spec.path, rows.start, values)
        else:
            dataset = new[spec.path]
            dataset[rows] = values.astype(dataset.dtype)  # texts become UTF-8


def _write_arrays(
    store: ecgstore.Store, folder: Path, sources: NDArray[np.int64]
) -> None:
    """Write signals, labels and the selection as plain arrays."""
    shape = (len(sources), store.n_leads, store.n_samples)
    path = folder / "signals.npy"
    flat = np.lib.format.open_memmap(path, "w+", np.dtype("<i2"), shape)
    with h5py.File(folder / "contiguous.h5", "w") as file:
        dataset = file.create_dataset("signals", shape, "<i2")
        set_attribute(dataset, "scale_factor", store.scale_factor)
        for rows in _blocks(len(sources)):
            values = store.signals(sources[rows, 0], dtype="int16")
            flat[rows] = values
            dataset[rows] = values
    flat.flush()
    np.save(folder / "labels.npy", store.labels(dtype=np.uint8)[sources[:, 0]])
    folds = store.column("fold")[sources[:, 0]]
    selected: IntArray = np.flatnonzero(folds == FOLD)
    np.save(folder / "selected.npy", selected)


def _prefix(copy: int) -> str:
    """Return the beginning of a copy's name."""
    return f"{copy:04d}-"


def _plain(value: Any) -> Any:
    """Return an attribute, bytes decoded."""
    return value.decode() if isinstance(value, bytes) else value


def _blocks(n_rows: int) -> Iterator[slice]:
    """Yield slices of `_BLOCK_ROWS` rows."""
    for begin in range(0, n_rows, _BLOCK_ROWS):
        yield slice(begin, min(begin + _BLOCK_ROWS, n_rows))
