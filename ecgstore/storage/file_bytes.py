"""The bytes of one file: of a local one, or of one at a URL."""

from typing import TypeAlias

from ecgstore.storage.memory_map import MemoryMap
from ecgstore.storage.remote.mirror import Mirror

FileBytes: TypeAlias = MemoryMap | Mirror
"""What a store of one file is read from."""
