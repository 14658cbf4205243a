"""Join the tables of the parts of a collection, the signals among them."""

import math
from collections.abc import Mapping, Sequence
from functools import partial as bind
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgstore.errors import SchemaError
from ecgstore.storage.collection.joined_table import JoinedTable
from ecgstore.storage.collection.mapped_parts import MappedParts, map_part
from ecgstore.storage.collection.parts import PARTS, Parts, check_parts, missing_part
from ecgstore.storage.file_bytes import FileBytes
from ecgstore.storage.format import schema
from ecgstore.storage.format.row_offsets import PartOffsets
from ecgstore.storage.remote.mirror import Mirror
from ecgstore.storage.remote.opening import fetch_checksums
from ecgstore.storage.remote.parts import part_mirrors
from ecgstore.storage.remote.signal_check import Checksums
from ecgstore.system.open_files import allow_open_stores
from ecgstore.system.urls import shown

_CHECKSUM_BYTES: Final = 4


def join_parts(
    path: Path,
    parts: Parts,
    collection: FileBytes,
    shapes: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]],
    checksums: int,
    cache: Path | None,
) -> dict[str, JoinedTable]:
    """Return the tables that stay in the parts of a collection, by path.

    Parameters
    ----------
    path : Path
        The collection.
    parts : Parts
        Its parts, as the file names them.
    collection : MemoryMap or Mirror
        The mapped collection.
    shapes : Mapping
        Type and shape of every dataset of the collection.
    checksums : int
        Where the checksums of rows are in it.
    cache : Path, optional
        Folder in which parts at URLs are kept; nothing is kept if left out.

    Raises
    ------
    SchemaError
        If the numbers of the parts do not fit the datasets.
    EcgStoreError
        If a part is missing, or another one than was collected.
    """
    unknown = {*parts.tables}.symmetric_difference(
        name for name, (_, shape) in shapes.items() if schema.is_large(name, len(shape))
    )
    if unknown:
        raise SchemaError(
            f"{path}: /{PARTS}/table is damaged, it does not fit /{min(unknown)}; "
            "collect the stores again"
        )
    steps = [_row_nbytes(*shapes[name]) for name in parts.tables]
    signal_shape = shapes[schema.SIGNALS][1]
    check_parts(parts, path, signal_shape[0], steps)
    if (parts.offsets[:, parts.tables.index(schema.SIGNALS)] % 2).any():
        raise SchemaError(
            f"{path}: /{PARTS}/offset is damaged, signals begin at odd offsets; "
            "collect the stores again"
        )
    files = _files(path, parts, collection, steps, signal_shape, checksums, cache)
    mapped = MappedParts(path, collection, files)
    first_rows = parts.first_rows
    return {
        name: JoinedTable(
            mapped,
            PartOffsets(mapped.offsets + parts.offsets[:, number], first_rows, step),
            np.dtype(shapes[name][0].str),
            shapes[name][1],
        )
        for number, (name, step) in enumerate(zip(parts.tables, steps, strict=True))
    }


def _files(
    path: Path,
    parts: Parts,
    collection: FileBytes,
    steps: Sequence[int],
    signal_shape: tuple[int, ...],
    checksums: int,
    cache: Path | None,
) -> list[FileBytes]:
    """Open all parts: files are mapped, URLs get a mirror."""
    at = collection.reader.url if isinstance(collection, Mirror) else None
    places = parts.located(path, at)
    allow_open_stores(path, 2 * len(places) if at else len(places))
    of_url = [number for number, place in enumerate(places) if isinstance(place, str)]
    rows = [
        Checksums(collection, checksums + int(first) * _CHECKSUM_BYTES, _CHECKSUM_BYTES)
        for first in parts.first_rows[of_url].tolist()
    ]
    mirrors = part_mirrors(
        [parts.remote(number, str(places[number]), steps) for number in of_url],
        signal_shape[1:],
        rows,
        bind(_fetch_checksums, collection, checksums, signal_shape[0]),
        cache,
        bind(missing_part, shown(at) if at else path),
    )
    by_number = dict(zip(of_url, mirrors, strict=True))
    return [
        by_number[number]
        if number in by_number
        else map_part(path, Path(places[number]), *parts.identity(number))
        for number in range(len(places))
    ]


def _fetch_checksums(collection: FileBytes, begin: int, n_rows: int) -> None:
    """Fetch the checksums of all rows of a collection."""
    if isinstance(collection, Mirror):
        checksums = Checksums(collection, begin, _CHECKSUM_BYTES)
        fetch_checksums(collection, checksums, n_rows)


def _row_nbytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Return the bytes of a row."""
    return math.prod(shape[1:]) * dtype.itemsize
