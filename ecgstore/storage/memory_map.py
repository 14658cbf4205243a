"""Map a file into memory, and notice that it was changed while it is mapped."""

import mmap
import os
import time
import weakref
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from ecgstore.arrays import IntArray, UInt8Array
from ecgstore.errors import EcgStoreError, StoreClosedError

_MARK_BEFORE: Final = 1 << 20
"""Bytes in which a mark is looked for, whatever the size of the file."""

_PAUSE_S: Final = 1e-3
"""Time between checks for changes."""


class _Stamp(NamedTuple):
    """What tells one state of one file from another."""

    device: int
    inode: int
    n_bytes: int
    modified_ns: int


class MemoryMap:
    """The bytes of a file, mapped into memory.

    Reading signals uses a file only through this class, so that another source of
    bytes needs no other methods.

    The file must not change while it is mapped. If another file is renamed to its
    name, the mapped one is still read, as it was. But whatever is written into the
    mapped file itself is read at once, and if it gets shorter, reading beyond its end
    ends the process. So readers call `check_unchanged` before they read.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map: mmap.mmap | None = None
        self._bytes: UInt8Array | None = np.zeros(0, np.uint8)
        self._mark = slice(0), b""
        self._next_check_s = 0.0
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._finalizer = weakref.finalize(self, os.close, self._descriptor)
        self._stamp = _stamp(self._descriptor)
        if self._stamp.n_bytes:
            self._map = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)
            self._bytes = np.frombuffer(self._map, np.uint8)

    @property
    def bytes(self) -> UInt8Array:
        """The whole file.

        Raises
        ------
        StoreClosedError
            After `close`.
        """
        if self._bytes is None:
            raise StoreClosedError(
                f"{self._path}: the store is closed; open it again to read"
            )
        return self._bytes

    @property
    def is_remote(self) -> bool:
        """That nothing of it is at a URL."""
        return False

    def watch(self, mark: str) -> None:
        """Let `check_unchanged` compare a text in the beginning of the file, too.

        It tells one file from another if the time of the last change does not: where
        the system keeps it in whole seconds, or the writer sets it back.

        Parameters
        ----------
        mark : str
            A text that identifies the content, such as the fingerprint of a store.
        """
        if self._map is not None:
            content = mark.encode()
            begin = self._map.find(content, 0, _MARK_BEFORE)
            if begin >= 0:
                self._mark = slice(begin, begin + len(content)), content

    def check_unchanged(self) -> None:
        """Refuse a file that was changed since it was mapped.

        Size and time of its last change are compared, and the text of `watch`: once a
        millisecond at most, because asking the system takes longer than reading a few
        samples. So a writer that changed the file is noticed a millisecond later.

        Raises
        ------
        EcgStoreError
            If one of them differs.
        StoreClosedError
            After `close`.
        """
        now_s = time.monotonic()
        if now_s < self._next_check_s and self._bytes is not None:
            return
        self.bytes  # noqa: B018  # raises after `close`
        try:
            now = os.fstat(self._descriptor)
        except OSError:
            raise self._changed("it can no longer be read") from None
        was = self._stamp
        if now.st_size != was.n_bytes:
            raise self._changed(f"{now.st_size} bytes instead of {was.n_bytes}")
        if now.st_mtime_ns != was.modified_ns:
            raise self._changed("something was written into it")
        where, mark = self._mark
        if self._map is not None and self._map[where] != mark:
            raise self._changed("its fingerprint is another one")
        self._next_check_s = now_s + _PAUSE_S

    def check_same_file(self, descriptor: int) -> None:
        """Refuse a file that is not the mapped one, or has changed since.

        Parameters
        ----------
        descriptor : int
            Descriptor of a file that was opened under the same name.

        Raises
        ------
        EcgStoreError
            If another file had the name, or the same file another content.
        """
        if _stamp(descriptor) != self._stamp:
            raise self._changed("another file has its name now")

    def _changed(self, difference: str) -> EcgStoreError:
        """Return the error for a file that was changed; raise that it was closed.

        Another thread may close it at any moment; its descriptor is then no longer one
        of this file.
        """
        self.bytes  # noqa: B018  # raises after `close`
        return EcgStoreError(
            f"{self._path}: changed since it was opened ({difference}); what was read "
            "since then may be wrong: check the file with `ecgstore verify` or build "
            "it again, then open it again. Replace a store by renaming a complete file "
            "to its name, never by writing into it"
        )

    def need(self, offsets: IntArray, n_bytes: int) -> object:
        """Return: all bytes of a local file are there, and stay."""

    def has_tables(self, begins: IntArray) -> bool:
        """Return that all of a local file is there."""
        return True

    def will_need(self, offsets: IntArray, n_bytes: int) -> None:
        """Tell the system to read ranges of the file that will be needed soon.

        A disk answers many requests at once several times as fast as one after
        another. On systems without this call, nothing happens.

        Parameters
        ----------
        offsets : ndarray of shape (n_ranges,)
            Offsets of the first bytes.
        n_bytes : int
            Length of every range in bytes.
        """
        if self._map is None or not hasattr(mmap, "MADV_WILLNEED"):
            return
        for offset in offsets.tolist():
            page = offset - offset % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, page, offset + n_bytes - page)

    def close(self) -> None:
        """Release the mapping; it ends when the last view of it is deleted."""
        self._map = self._bytes = None
        self._finalizer()


def _stamp(descriptor: int) -> _Stamp:
    """Return the present state of an open file."""
    status = os.fstat(descriptor)
    return _Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
