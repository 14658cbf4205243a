"""The file: its layout, and how its rows are read."""

from ecgstore.storage.store import Selection, Store, StoredRecord

__all__ = ["Selection", "Store", "StoredRecord"]
