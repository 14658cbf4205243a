"""Write into a partial file in place, without the HDF5 library."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import UInt8Array
from ecgstore.storage.format.row_offsets import row_offsets


class InPlace:
    """A file open for writing at any offset.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        # Windows cannot write at an offset; a mapping of the file can.
        self._map: NDArray[np.uint8] | None = (
            None if hasattr(os, "pwrite") else np.memmap(path, np.uint8, "r+")
        )

    def close(self) -> None:
        """Close the file."""
        self._map = None
        os.close(self._descriptor)

    def sync(self) -> None:
        """Wait until all that was written is on the disk."""
        if isinstance(self._map, np.memmap):
            self._map.flush()
        getattr(os, "fdatasync", os.fsync)(self._descriptor)

    def write(self, offset: int, content: bytes | memoryview) -> None:
        """Write bytes at an offset, in as many calls as needed."""
        left = memoryview(content).cast("B")
        if self._map is not None:
            self._map[offset : offset + len(left)] = np.frombuffer(left, np.uint8)
            return
        while left:
            written = os.pwrite(self._descriptor, left, offset)
            left = left[written:]
            offset += written


class RowWriter:
    """Write rows of a partial file at their offsets.

    Workers write disjoint rows of one file at the same time. No two rows share a byte,
    so neither locks nor messages are needed.

    Parameters
    ----------
    partial : Path
        The file.
    file : h5py.File
        The same file, open for reading; needed only while the writer is created.
    paths : iterable of str
        The datasets to be written.
    """

    def __init__(self, partial: Path, file: h5py.File, paths: Iterable[str]) -> None:
        self._offsets = {path: row_offsets(file[path]) for path in paths}
        self._file = InPlace(partial)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def write(self, path: str, begin: int, rows: NDArray[Any]) -> None:
        """Write consecutive rows of one dataset.

        Parameters
        ----------
        path : str
            The dataset.
        begin : int
            Number of the first row.
        rows : ndarray of shape (n_rows, ...)
            The rows, of the dataset's dtype.
        """
        content: UInt8Array = np.ascontiguousarray(rows).view(np.uint8)
        content = content.reshape(len(rows), -1)
        offsets = self._offsets[path][begin : begin + len(rows)]
        adjacent = np.diff(offsets) == content.shape[1]
        for run in np.split(np.arange(len(rows)), np.flatnonzero(~adjacent) + 1):
            self._file.write(int(offsets[run[0]]), content[run[0] : run[-1] + 1].data)

    def sync(self) -> None:
        """Wait until all written rows are on the disk."""
        self._file.sync()
