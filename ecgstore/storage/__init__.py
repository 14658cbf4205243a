"""The file: its layout, and how its rows are read.

The public names are imported when they are first used: what only writes a file safely
(`ecgstore.storage.durable`) should not wait for pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgstore.storage.selection import Selection
    from ecgstore.storage.store import Store
    from ecgstore.storage.stored_record import StoredRecord

_HOMES = {"Selection": "selection", "Store": "store", "StoredRecord": "stored_record"}

__all__ = ["Selection", "Store", "StoredRecord"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ecgstore.storage' has no attribute {name!r}")
    return getattr(import_module(f"ecgstore.storage.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names before they are imported."""
    return sorted(__all__)
