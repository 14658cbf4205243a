"""Begin to read a store at a URL: fetch its head, and find where everything is."""

import hashlib
import math
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial as bind
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from ecgstore.arrays import UInt8Array
from ecgstore.errors import SchemaError
from ecgstore.storage.byte_source import MIRROR
from ecgstore.storage.format import schema
from ecgstore.storage.format.hdf5 import (
    expected_layout,
    is_collection,
    open_hdf5,
    read_config,
)
from ecgstore.storage.format.row_offsets import EvenOffsets, row_offsets
from ecgstore.storage.remote.cache import Identity, cache_entries, cannot_be_written
from ecgstore.storage.remote.copies import Copy, DiskCopy, MemoryCopy
from ecgstore.storage.remote.line import Line
from ecgstore.storage.remote.mirror import MOST_FETCHES, Mirror
from ecgstore.storage.remote.object_reader import Connections, ObjectReader
from ecgstore.storage.remote.signal_check import Checksums, SignalCheck, SignalUnits
from ecgstore.storage.remote.table_check import (
    damage_of_head,
    damage_of_table,
    damage_of_tables,
)
from ecgstore.storage.remote.units import (
    Region,
    Request,
    Units,
    region,
    signal_region,
)
from ecgstore.system.urls import divided

_FIRST_BYTES: Final = 1 << 20
"""Bytes that the first request asks for: the largest head, and some columns."""

_LONGEST_HEAD: Final = 64 << 20

_HDF5: Final = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the tables of a file are.

    Attributes
    ----------
    regions : list of Region
        All tables.
    head_bytes : int
        Bytes at the beginning without which the HDF5 library cannot open the file.
    signals : _Signals or None
        The signals; None in a collection, whose parts have them.
    """

    regions: list[Region]
    head_bytes: int
    signals: "_Signals | None" = None


@dataclass(frozen=True, slots=True)
class _Signals:
    """Where signals and their checksums are.

    Attributes
    ----------
    region : Region
        The signals.
    n_rows, row_bytes : int
        Number of their rows, and bytes of each.
    checksums, blocks : tuple of int
        Begin of the tables of checksums, and bytes of their rows.
    """

    region: Region
    n_rows: int
    row_bytes: int
    checksums: tuple[int, int]
    blocks: tuple[int, int]


def open_mirror(url: str, cache: Path | None) -> Mirror:
    """Return the mirror of a store at a URL, with what is needed to open it.

    Parameters
    ----------
    url : str
        The URL of a store, or of a collection.
    cache : Path, optional
        Folder in which what is fetched is kept; nothing is kept if left out.

    Raises
    ------
    EcgStoreError
        If it cannot be read.
    SchemaError
        If it is no store of a version that can be read in parts.
    """
    reader = ObjectReader(url, Connections())
    url = reader.shown  # in messages, and in the cache: signatures change
    n_first = _FIRST_BYTES
    for attempt in range(1, MOST_FETCHES + 1):
        first, version = reader.begin(0, n_first)
        if not first.startswith(_HDF5):
            raise SchemaError(
                f"{url}: is not an HDF5 file; expected a store made by `ecgstore build`"
            )
        try:
            layout, units = _found(cache, url, first, version.n_bytes)
        except SchemaError:  # perhaps it is damaged, perhaps the answer was
            if attempt == MOST_FETCHES:
                raise
            continue
        if layout.head_bytes > len(first) and attempt < MOST_FETCHES:
            n_first = min(layout.head_bytes, _LONGEST_HEAD)
            continue
        copy: Copy
        if cache is None:
            copy = MemoryCopy(divided(url)[1], version.n_bytes)
        else:
            # The head has the digests of everything: it tells versions apart where
            # the server does not.
            head = hashlib.sha256(first[: layout.head_bytes]).hexdigest()
            about = {
                "e_tag": version.e_tag,
                "modified": version.modified,
                "head": head,
            }
            identity = Identity(url, version.n_bytes, about)
            copy = DiskCopy(cache_entries(cache, [identity])[0], units)
        mirror = Mirror(reader, copy, units, Line())
        with ExitStack() as unless_opened:
            unless_opened.callback(mirror.close)
            _prepare(mirror, np.frombuffer(first, np.uint8), layout)
            unless_opened.pop_all()
        return mirror
    raise AssertionError


def _found(
    cache: Path | None, url: str, head: bytes, n_bytes: int
) -> tuple[_Layout, Units]:
    """Find all tables in the first bytes, and divide the file into units."""
    layout = _checked_layout(cache, head, n_bytes, url)
    try:
        return layout, Units.of(layout.regions, n_bytes)
    except ValueError as error:
        raise SchemaError(
            f"{url}: is damaged, its tables overlap or lie beyond its end ({error})"
        ) from error


def _prepare(mirror: Mirror, head: UInt8Array, layout: _Layout) -> None:
    """Keep the head, and let the mirror check what it fetches."""
    mirror.note_first(head)
    signals = layout.signals
    if signals is None or not signals.n_rows:
        return
    rows = Checksums(mirror, *signals.checksums)
    units = SignalUnits(
        int(mirror.units.numbers_at(np.array([signals.region.begin]))[0]),
        signals.n_rows,
        signals.region.n_units // signals.n_rows,
        signals.row_bytes,
    )
    fetch_rows = bind(fetch_checksums, mirror, rows, signals.n_rows)
    blocks = Checksums(mirror, *signals.blocks)
    mirror.check_with(SignalCheck(units, rows, blocks, fetch_rows))


def fetch_checksums(mirror: Mirror, checksums: Checksums, n_rows: int) -> None:
    """Fetch the checksums of all rows, and compare them with their digest.

    Parameters
    ----------
    mirror : Mirror
        The store, or the collection.
    checksums : Checksums
        Where they are in it.
    n_rows : int
        Number of its rows.
    """
    damage = bind(damage_of_table, mirror.path, schema.CHECKSUMS)
    mirror.need_table(checksums.begin, n_rows * checksums.row_bytes, damage)


@contextmanager
def _as_file(cache: Path | None, head: bytes, n_bytes: int) -> Iterator[Path]:
    """Yield a file with the first bytes of another, and holes in place of the rest.

    In a file of its own: other processes may be reading the mirror.
    """
    if cache is None:
        copy = MemoryCopy("head", n_bytes)
        try:
            copy.write(Request(0, len(head), 0, 1), np.frombuffer(head, np.uint8))
            yield copy.path
        finally:
            copy.close()
        return
    with ExitStack() as opened:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            file = opened.enter_context(
                tempfile.NamedTemporaryFile(dir=cache, suffix=MIRROR)
            )
            file.write(head)
            file.truncate(n_bytes)
            file.flush()
        except OSError as error:
            raise cannot_be_written(cache, error) from error
        yield Path(file.name)


def _checked_layout(cache: Path | None, head: bytes, n_bytes: int, url: str) -> _Layout:
    """Find all tables of a store in its head, and check those that it holds."""
    with (
        _as_file(cache, head, n_bytes) as path,
        open_hdf5(path, is_mirror=True) as file,
    ):
        layout = _layout(file, path, url)
        if layout.head_bytes > len(head):
            return layout  # more of it is needed
        damage = damage_of_head(file) or damage_of_tables(
            file,
            [
                name
                for name, (dataset, begin) in _places(file, path).items()
                if begin + dataset.nbytes <= layout.head_bytes
            ],
        )
    if damage:
        raise SchemaError(f"{url}: is damaged ({damage}); restore it from a copy")
    return layout


def _layout(file: h5py.File, path: Path, url: str) -> _Layout:
    """Find all tables of a store, or of a collection."""
    if int(file.attrs.get("format_version", 0)) < schema.FIRST_WITH_HEAD:
        raise SchemaError(
            f"{url}: is of an older version of the format, which cannot be read in "
            "parts; convert it first: `ecgstore convert OLD -o NEW`"
        )
    places = _places(file, path)
    regions = [
        _of_table(name, dataset, begin) for name, (dataset, begin) in places.items()
    ]
    head_bytes = int(file.attrs[schema.HEAD_NBYTES])
    if is_collection(file):
        return _Layout(regions, head_bytes)
    offsets = row_offsets(file[schema.SIGNALS])
    if not isinstance(offsets, EvenOffsets):
        raise SchemaError(
            f"{url}: its signals were rewritten by another program; expected rows "
            "one behind the other, as builds write them"
        )
    shape = file[schema.SIGNALS].shape
    n_rows = shape[0]
    region = signal_region(offsets.first, offsets.step, shape)
    checksums, blocks = (
        (begin, dataset.nbytes // max(1, n_rows))
        for dataset, begin in (
            places[schema.CHECKSUMS],
            places[schema.BLOCK_CHECKSUMS],
        )
    )
    signals = _Signals(region, n_rows, offsets.step, checksums, blocks)
    return _Layout([*regions, region], head_bytes, signals)


def _places(file: h5py.File, path: Path) -> dict[str, tuple[h5py.Dataset, int]]:
    """Return every table that lies in the file in one piece, and its first byte.

    The tables of a collection that are in its parts are not opened: the HDF5 library
    ends the process if a list of their files is damaged.
    """
    elsewhere: set[str] = set()
    if is_collection(file):
        elsewhere = {
            spec.path
            for spec in expected_layout(file, read_config(file, path))
            if schema.is_large(spec.path, len(spec.shape))
        }
    names: list[str] = []
    file.visit(names.append)
    places = {}
    for name in names:
        dataset = None if name in elsewhere else file[name]
        if isinstance(dataset, h5py.Dataset):
            begin = dataset.id.get_offset()
            if begin is not None and dataset.nbytes:
                places[name] = (dataset, int(begin))
    return places


def _of_table(name: str, dataset: h5py.Dataset, begin: int) -> Region:
    """Return the region of a table: large ones are fetched by rows."""
    n_rows = len(dataset) if dataset.ndim else 1
    row_bytes = math.prod(dataset.shape[1:]) * dataset.dtype.itemsize
    if schema.is_large(name, dataset.ndim) or dataset.nbytes > _FIRST_BYTES:
        return region(begin, row_bytes, n_rows)
    return Region(begin, dataset.nbytes, 1, 1)
