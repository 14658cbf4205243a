"""The files of a collection's parts, mapped into memory, as one range of addresses."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgstore.arrays import IntArray, UInt8Array
from ecgstore.errors import EcgStoreError, StoreClosedError
from ecgstore.storage.collection.parts import Parts, missing_part
from ecgstore.storage.memory_map import MemoryMap
from ecgstore.system.open_files import allow_open_stores
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
    parts : Parts
        Its parts, whose numbers were checked.
    collection : MemoryMap
        The mapped collection itself.

    Raises
    ------
    EcgStoreError
        If a part is missing, or another one than was collected, or so many files
        cannot be open at the same time.
    """

    def __init__(self, path: Path, parts: Parts, collection: MemoryMap) -> None:
        allow_open_stores(path, len(parts.paths))
        self._collection = collection
        self._path = path
        self._files = [
            _map(path, part, int(n_bytes), fingerprint, int(offset))
            for part, n_bytes, fingerprint, offset in zip(
                parts.located(path),
                parts.n_bytes,
                parts.fingerprints,
                parts.fingerprint_offsets,
                strict=True,
            )
        ]
        addresses = _Addresses([file.bytes for file in self._files])
        self.offsets: IntArray = addresses.offsets
        self._bytes: UInt8Array | None = np.asarray(addresses)
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

    def need(self, offsets: IntArray, n_bytes: int) -> None:
        """Return: all bytes of local files are there."""

    def will_need(self, offsets: IntArray, n_bytes: int) -> None:
        """Tell the system to read ranges that will be needed soon; see `MemoryMap`."""
        order = np.argsort(self.offsets)
        begins = self.offsets[order]
        places = order[np.searchsorted(begins, offsets, side="right") - 1]
        for place in np.unique(places).tolist():
            of_part = offsets[places == place] - self.offsets[place]
            self._files[place].will_need(of_part, n_bytes)

    def close(self) -> None:
        """Release the mappings; they end when the last view of them is deleted."""
        self._bytes = None
        self._collection.close()
        for file in self._files:
            file.close()


def _map(
    collection: Path, part: Path, n_bytes: int, fingerprint: str, offset: int
) -> MemoryMap:
    """Map the file of a part, if it is the one that was collected."""
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
