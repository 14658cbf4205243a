"""Begin to read a store at a URL: fetch its head, and find where everything is."""

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from ecgstore.arrays import UInt8Array
from ecgstore.errors import SchemaError
from ecgstore.storage.byte_source import MIRROR
from ecgstore.storage.format import schema
from ecgstore.storage.format.hdf5 import is_collection, open_hdf5
from ecgstore.storage.format.row_offsets import EvenOffsets, row_offsets
from ecgstore.storage.remote.cache import Entry, cache_entry, cannot_be_written
from ecgstore.storage.remote.mirror import ATTEMPTS, Mirror
from ecgstore.storage.remote.object_reader import ObjectReader
from ecgstore.storage.remote.signal_check import Place, SignalCheck
from ecgstore.storage.remote.table_check import damage_of_head, damage_of_tables
from ecgstore.storage.remote.units import Region, Units, region

_FIRST_BYTES: Final = 1 << 20
"""Bytes that the first request asks for: the largest head, and some columns."""

_LONGEST_HEAD: Final = 64 << 20

_HDF5: Final = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the tables of a store are.

    Attributes
    ----------
    regions : list of Region
        All tables.
    signals : Region
        That of the signals.
    n_rows, row_bytes : int
        Number of rows of the signals, and bytes of each.
    checksums, blocks : Place
        The tables of checksums.
    head_bytes : int
        Bytes at the beginning without which the HDF5 library cannot open the file.
    """

    regions: list[Region]
    signals: Region
    n_rows: int
    row_bytes: int
    checksums: Place
    blocks: Place
    head_bytes: int


def open_mirror(url: str) -> Mirror:
    """Return the mirror of a store at a URL, with what is needed to open it.

    Parameters
    ----------
    url : str
        The URL of a store.

    Raises
    ------
    EcgStoreError
        If it cannot be read.
    SchemaError
        If it is no store of a version that can be read in parts.
    """
    reader = ObjectReader(url)
    n_first = _FIRST_BYTES
    for attempt in range(1, ATTEMPTS + 1):
        first, version = reader.begin(n_first)
        if not first.startswith(_HDF5):
            raise SchemaError(
                f"{url}: is not an HDF5 file; expected a store made by `ecgstore build`"
            )
        head: UInt8Array = np.frombuffer(first, np.uint8)
        entry = cache_entry(url, version)
        with ExitStack() as unless_opened:
            unless_opened.callback(os.close, entry.descriptor)
            try:
                layout, units = _found(entry, url, first, version.n_bytes)
            except SchemaError:  # perhaps it is damaged, perhaps the answer was
                if attempt == ATTEMPTS:
                    raise
                continue
            if layout.head_bytes > len(first) and attempt < ATTEMPTS:
                n_first = min(layout.head_bytes, _LONGEST_HEAD)
                continue
            mirror = Mirror(reader, entry, units)
            unless_opened.pop_all()
            unless_opened.callback(mirror.close)
            _prepare(mirror, head, layout, units)
            unless_opened.pop_all()
            return mirror
    raise AssertionError


def _found(entry: Entry, url: str, head: bytes, n_bytes: int) -> tuple[_Layout, Units]:
    """Find all tables in the first bytes, and divide the file into units."""
    layout = _checked_layout(entry, head, n_bytes, url)
    try:
        return layout, Units.of(layout.regions, n_bytes)
    except ValueError as error:
        raise SchemaError(
            f"{url}: is damaged, its tables overlap or lie beyond its end ({error})"
        ) from error


def _prepare(mirror: Mirror, head: UInt8Array, layout: _Layout, units: Units) -> None:
    """Keep the head, and let the mirror check what it fetches."""
    mirror.note_first(head)
    if not layout.n_rows:
        return
    first_unit = int(units.numbers_at(np.array([layout.signals.begin]))[0])
    check = SignalCheck(
        mirror,
        first_unit,
        layout.n_rows,
        layout.signals.n_units // layout.n_rows,
        layout.row_bytes,
        layout.checksums,
        layout.blocks,
    )
    mirror.check_with(check)


def _checked_layout(entry: Entry, head: bytes, n_bytes: int, url: str) -> _Layout:
    """Find all tables of a store in its head, and check those that it holds.

    In a file of its own: other processes may be reading the mirror.
    """
    with ExitStack() as opened:
        try:
            copy = opened.enter_context(
                tempfile.NamedTemporaryFile(dir=entry.folder, suffix=MIRROR)
            )
            copy.write(head)
            copy.truncate(n_bytes)
            copy.flush()
        except OSError as error:
            raise cannot_be_written(entry.folder, error) from error
        with open_hdf5(Path(copy.name), is_mirror=True) as file:
            layout = _layout(file, url)
            if layout.head_bytes > len(head):
                return layout  # more of it is needed
            damage = damage_of_head(file) or damage_of_tables(
                file,
                [
                    name
                    for name, (dataset, begin) in _places(file)
                    if begin + dataset.nbytes <= layout.head_bytes
                ],
            )
        if damage:
            raise SchemaError(f"{url}: is damaged ({damage}); restore it from a copy")
        return layout


def _layout(file: h5py.File, url: str) -> _Layout:
    """Find all tables of a store."""
    if is_collection(file):
        raise SchemaError(
            f"{url}: is a collection; expected a single store, such as one of its "
            "parts: collections are read from files only"
        )
    if int(file.attrs.get("format_version", 0)) < schema.FIRST_WITH_HEAD:
        raise SchemaError(
            f"{url}: is of an older version of the format, which cannot be read in "
            "parts; convert it first: `ecgstore convert OLD -o NEW`"
        )
    places = dict(_places(file))
    offsets = row_offsets(file[schema.SIGNALS])
    if not isinstance(offsets, EvenOffsets):
        raise SchemaError(
            f"{url}: its signals were rewritten by another program; expected rows "
            "one behind the other, as builds write them"
        )
    n_rows, n_leads, n_samples = file[schema.SIGNALS].shape
    n_blocks, rest = divmod(n_samples, schema.CHECKED_SAMPLES)
    per_row = 1 if rest else n_leads * n_blocks
    signals = region(offsets.first, offsets.step, n_rows, per_row=per_row)
    regions = [
        _of_table(name, dataset, begin) for name, (dataset, begin) in places.items()
    ]
    checksums, blocks = (
        Place(begin, dataset.nbytes // max(1, n_rows))
        for dataset, begin in (
            places[schema.CHECKSUMS],
            places[schema.BLOCK_CHECKSUMS],
        )
    )
    return _Layout(
        [*regions, signals],
        signals,
        n_rows,
        offsets.step,
        checksums,
        blocks,
        int(file.attrs[schema.HEAD_NBYTES]),
    )


def _places(file: h5py.File) -> Iterator[tuple[str, tuple[h5py.Dataset, int]]]:
    """Yield every table that lies in the file in one piece, and its first byte."""
    found: list[tuple[str, h5py.Dataset]] = []

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found.append((name, item))

    file.visititems(note)
    for name, dataset in found:
        begin = dataset.id.get_offset()
        if begin is not None and dataset.nbytes:
            yield name, (dataset, int(begin))


def _of_table(name: str, dataset: h5py.Dataset, begin: int) -> Region:
    """Return the region of a table: large ones are fetched by rows."""
    n_rows = len(dataset) if dataset.ndim else 1
    row_bytes = math.prod(dataset.shape[1:]) * dataset.dtype.itemsize
    if schema.is_large(name, dataset.ndim) or dataset.nbytes > _FIRST_BYTES:
        return region(begin, row_bytes, n_rows)
    return Region(begin, dataset.nbytes, 1, 1)
