"""The file: its layout, and how its rows are read."""

from ecgstore.storage.selection import Selection
from ecgstore.storage.store import Store
from ecgstore.storage.stored_record import StoredRecord

__all__ = ["Selection", "Store", "StoredRecord"]
