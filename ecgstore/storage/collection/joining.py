"""Join the tables of the parts of a collection, the signals among them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ecgstore.errors import SchemaError
from ecgstore.storage.collection.joined_table import JoinedTable
from ecgstore.storage.collection.mapped_parts import MappedParts
from ecgstore.storage.collection.parts import PARTS, Parts, check_parts
from ecgstore.storage.format import schema
from ecgstore.storage.format.row_offsets import PartOffsets
from ecgstore.storage.memory_map import MemoryMap


def join_parts(
    path: Path,
    parts: Parts,
    collection: MemoryMap,
    shapes: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]],
) -> dict[str, JoinedTable]:
    """Return the tables that stay in the parts of a collection, by path.

    Parameters
    ----------
    path : Path
        The collection.
    parts : Parts
        Its parts, as the file names them.
    collection : MemoryMap
        The mapped collection.
    shapes : Mapping
        Type and shape of every dataset of the collection.

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
    check_parts(parts, path, shapes[schema.SIGNALS][1][0], steps)
    if (parts.offsets[:, parts.tables.index(schema.SIGNALS)] % 2).any():
        raise SchemaError(
            f"{path}: /{PARTS}/offset is damaged, signals begin at odd offsets; "
            "collect the stores again"
        )
    mapped = MappedParts(path, parts, collection)
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


def _row_nbytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Return the bytes of a row."""
    return math.prod(shape[1:]) * dtype.itemsize
