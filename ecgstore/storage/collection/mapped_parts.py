"""The files of a collection's parts, mapped into memory, as one range of addresses."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgstore.arrays import IntArray, UInt8Array
from ecgstore.errors import EcgStoreError, StoreClosedError
from ecgstore.storage.collection.parts import missing_part
from ecgstore.storage.file_bytes import FileBytes
from ecgstore.storage.memory_map import MemoryMap
from ecgstore.storage.remote.mirror import Mirror
from ecgstore.system.regular_files import require_regular_file

_CHECKED_AT_ONCE: Final = 64
"""Parts that one check for changes asks the system for."""


class _Addresses:
    """All addresses from the lowest to the highest that some mappings have.

    As an array, it keeps the mappings alive. Between them are addresses that do not
    belong to them: only offsets of bytes in the mappings may be read.
    """

    def __init__(self, maps: Sequence[UInt8Array]) -> None:
        begins = [one.__array_interface__["data"][0] for one in maps]
        end = max(begin + one.size for begin, one in zip(begins, maps, strict=True))
        self._maps = maps
        self.offsets = np.array(begins, np.int64) - min(begins)
        self.__array_interface__ = {
            "data": (min(begins), True),
            "shape": (end - min(begins),),
            "typestr": "|u1",
            "version": 3,
        }


class MappedParts:
    """The mapped files of all parts, with the methods of `MemoryMap`.

    The kernels that gather rows take one array of bytes, and offsets in it. Here it
    spans the mappings of all files, so that rows of many files are gathered by one
    call, as fast as those of one file.

    Parameters
    ----------
    path : Path
        The collection.
    collection : MemoryMap or Mirror
        The mapped collection itself.
    files : sequence of MemoryMap and Mirror
        Its parts.
    """

    def __init__(
        self, path: Path, collection: FileBytes, files: Sequence[FileBytes]
    ) -> None:
        self._collection = collection
        self._path = path
        self._files = files
        addresses = _Addresses([file.bytes for file in files])
        self.offsets: IntArray = addresses.offsets
        self._order = np.argsort(addresses.offsets)
        self._begins = addresses.offsets[self._order]
        self.is_remote = any(isinstance(file, Mirror) for file in files)
        self._bytes: UInt8Array | None = np.asarray(addresses)
        self._n_whole = 0
        self._next = 0
        self._next_check_s = 0.0

    @property
    def bytes(self) -> UInt8Array:
        """All addresses; `offsets` says where each file begins.

        Raises
        ------
        StoreClosedError
            After `close`.
        """
        if self._bytes is None:
            raise StoreClosedError(
                f"{self._path}: the collection is closed; open it again to read"
            )
        return self._bytes

    def check_unchanged(self) -> None:
        """Refuse files that were changed since they were mapped; see `MemoryMap`.

        Of very many parts, each call checks some, one after another.
        """
        self.bytes  # noqa: B018  # raises after `close`
        self._collection.check_unchanged()
        now_s = time.monotonic()
        if now_s < self._next_check_s:
            return
        n_files = len(self._files)
        for place in range(self._next, self._next + min(n_files, _CHECKED_AT_ONCE)):
            self._files[place % n_files].check_unchanged()
        self._next = (self._next + _CHECKED_AT_ONCE) % n_files
        self._next_check_s = now_s + 1e-3

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """All files that are at URLs, the collection among them."""
        every = (self._collection, *self._files)
        return tuple(file for file in every if isinstance(file, Mirror))

    def need(self, offsets: IntArray, n_bytes: int) -> object:
        """Wait until ranges of files at URLs are there; see `Mirror`."""
        if not self.is_remote or not n_bytes:
            return None
        wanted = []
        for file, of_part in self._by_file(offsets):
            if isinstance(file, Mirror):
                needed = file.begin_to_need(of_part, n_bytes)
                if needed is not None:
                    wanted.append((file, needed))
        for mirror, needed in wanted:  # when all are under way
            mirror.wait_for(needed)
        return wanted

    def has_tables(self, begins: IntArray) -> bool:
        """Return whether a table of each file is there; see `ByteSource`."""
        every = begins - self.offsets
        while self._n_whole < len(self._files):
            here = self._n_whole
            file = self._files[here]
            if not file.has_tables(every[here : here + 1]):
                return False
            if isinstance(file, Mirror) and file.rows is not None:
                return False  # what is there now may be dropped
            self._n_whole += 1
        return True

    def will_need(self, offsets: IntArray, n_bytes: int) -> None:
        """Prepare to read ranges that will be needed soon; see `MemoryMap`."""
        for file, of_part in self._by_file(offsets):
            file.will_need(of_part, n_bytes)

    def _by_file(self, offsets: IntArray) -> Iterator[tuple[FileBytes, IntArray]]:
        """Yield files and the offsets in them."""
        numbers = np.searchsorted(self._begins, offsets, side="right") - 1
        places = self._order[numbers]
        for place in np.unique(places).tolist():
            yield self._files[place], offsets[places == place] - self.offsets[place]

    def close(self) -> None:
        """Release the mappings; they end when the last view of them is deleted."""
        self._bytes = None
        self._collection.close()
        for file in self._files:
            file.close()


def map_part(
    collection: Path, part: Path, n_bytes: int, fingerprint: str, offset: int
) -> MemoryMap:
    """Map the file of a part, if it is the one that was collected.

    Parameters
    ----------
    collection, part : Path
        The collection and the part.
    n_bytes, fingerprint, offset : int, str, int
        Size of the part, its fingerprint, and where that stands in it.

    Raises
    ------
    EcgStoreError
        If it is missing, or another one.
    """
    try:
        require_regular_file(part, EcgStoreError)  # opening a pipe may not end
        mapped = MemoryMap(part)
    except (OSError, ValueError) as error:  # ValueError: of a path with a zero byte
        problem = f"cannot be opened ({getattr(error, 'strerror', error)})"
        raise missing_part(collection, part, problem) from error
    except EcgStoreError as error:
        problem = "is no regular file"
        raise missing_part(collection, part, problem) from error
    found: Any = mapped.bytes[offset : offset + len(fingerprint)]
    if mapped.bytes.size != n_bytes or found.tobytes() != fingerprint.encode():
        mapped.close()
        raise missing_part(
            collection, part, "is another file than the one that was collected"
        )
    mapped.watch(fingerprint)
    return mapped
