"""What rows are read from: the bytes of one file, or of several, at some offsets."""

from pathlib import Path
from typing import Final, Protocol

from ecgstore.arrays import IntArray, UInt8Array

IN_MEMORY: Final = Path("/proc/self/fd")
"""Folder of files that are in memory only."""

MIRROR: Final = ".mirror"
"""End of the name of a file that holds a part of a store at a URL."""


class ByteSource(Protocol):
    """Bytes that kernels read; see `MemoryMap` for what each method does."""

    @property
    def bytes(self) -> UInt8Array:
        """The bytes, to be indexed by the offsets of rows."""

    @property
    def is_remote(self) -> bool:
        """Whether some of it is at a URL."""

    def check_unchanged(self) -> None:
        """Refuse to go on if what is read was changed."""

    def need(self, offsets: IntArray, n_bytes: int) -> object:
        """Wait until ranges are there; offsets of the first bytes, and their length.

        They stay as long as what it returns exists.
        """

    def has_tables(self, begins: IntArray) -> bool:
        """Return whether all of some tables is there, by the offsets of their begins.

        There is one in each file, in the order of the files.
        """

    def will_need(self, offsets: IntArray, n_bytes: int) -> None:
        """Prepare to read ranges that will be needed soon."""

    def close(self) -> None:
        """Release everything that is held open."""
