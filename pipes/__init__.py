"""Batches of ECGs as torchdata nodes: any order, read at memory speed, resumed exactly.

>>> from ecgstore import pipes
>>> pipes.loader(store, batch_size=256, shuffle=True)  # doctest: +SKIP

Needs PyTorch and torchdata: ``pip install "ecgstore[torch]"``. They are imported when a
name of this package is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgstore.pipes.batch import Batch, RowBatch
    from ecgstore.pipes.device import ToDevice
    from ecgstore.pipes.loading import Loader, loader
    from ecgstore.pipes.map import Map
    from ecgstore.pipes.prefetch import Prefetch
    from ecgstore.pipes.read import Read
    from ecgstore.pipes.reading import RecordReader
    from ecgstore.pipes.rows import Rows
    from ecgstore.pipes.sample import (
        BlockShuffled,
        ClassBalanced,
        Order,
        Repeated,
        Sequential,
        Shuffled,
        Weighted,
        mixing,
    )
    from ecgstore.pipes.sharing import WorkSharing
    from ecgstore.pipes.window import RandomCrop

_HOMES = {
    "Batch": "batch",
    "BlockShuffled": "sample",
    "ClassBalanced": "sample",
    "Loader": "loading",
    "Map": "map",
    "Order": "sample",
    "Prefetch": "prefetch",
    "RandomCrop": "window",
    "Read": "read",
    "RecordReader": "reading",
    "Repeated": "sample",
    "RowBatch": "batch",
    "Rows": "rows",
    "Sequential": "sample",
    "Shuffled": "sample",
    "ToDevice": "device",
    "Weighted": "sample",
    "WorkSharing": "sharing",
    "loader": "loading",
    "mixing": "sample",
}

__all__ = [
    "Batch",
    "BlockShuffled",
    "ClassBalanced",
    "Loader",
    "Map",
    "Order",
    "Prefetch",
    "RandomCrop",
    "Read",
    "RecordReader",
    "Repeated",
    "RowBatch",
    "Rows",
    "Sequential",
    "Shuffled",
    "ToDevice",
    "Weighted",
    "WorkSharing",
    "loader",
    "mixing",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ecgstore.pipes' has no attribute {name!r}")
    try:
        home = import_module(f"ecgstore.pipes.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchdata"):
            raise
        raise ImportError(
            f"ecgstore.pipes needs {error.name}, which is not installed; "
            'pip install "ecgstore[torch]"'
        ) from error
    return getattr(home, name)


def __dir__() -> list[str]:
    """List the public names before they are imported."""
    return sorted(__all__)
