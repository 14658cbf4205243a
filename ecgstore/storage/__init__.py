"""The file: its layout, and how its rows are read.

The public names are imported when they are first used: what only writes a file safely
(`ecgstore.storage.durable`) should not wait for pandas.
"""

from typing import TYPE_CHECKING

from ecgstore.lazy_names import lazy_names

if TYPE_CHECKING:
    from ecgstore.storage.selection import Selection
    from ecgstore.storage.store import Store
    from ecgstore.storage.stored_record import StoredRecord

_HOMES = {"Selection": "selection", "Store": "store", "StoredRecord": "stored_record"}

__all__ = ["Selection", "Store", "StoredRecord"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
