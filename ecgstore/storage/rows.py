"""Read rows of signals from a file's bytes, without the HDF5 library."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from ecgstore.arrays import Float32Array, Int16Array, IntArray
from ecgstore.storage._gather_kernels import gather_int16, gather_scaled


class MemoryMap:
    """The bytes of a file, mapped into memory.

    This is the whole of what reading signals asks of a file, so that another
    source of bytes needs these methods only.

    Parameters
    ----------
    path : Path
        A file that does not change while it is mapped.
    """

    def __init__(self, path: Path) -> None:
        self._bytes = np.memmap(path, np.uint8, "r") if os.path.getsize(path) else None

    def gather_int16(self, offsets: IntArray, out: Int16Array) -> None:
        """Copy the rows that begin at `offsets` into `out`.

        Parameters
        ----------
        offsets : ndarray of shape (n_rows,)
            Offsets in bytes, even.
        out : ndarray of shape (n_rows, n_values)
            Where the rows go, contiguous.
        """
        gather_int16(self._values(np.int16), offsets // 2, out)

    def gather_scaled(self, offsets: IntArray, scale: float, out: Float32Array) -> None:
        """Copy the rows that begin at `offsets` into `out`, multiplied by `scale`."""
        gather_scaled(self._values(np.int16), offsets // 2, np.float32(scale), out)

    def gather_float32(self, offsets: IntArray, out: Float32Array) -> None:
        """Copy the float32 rows that begin at `offsets` into `out`."""
        # Two int16 words for every float32, moved as they are.
        gather_int16(self._values(np.int16), offsets // 2, out.view(np.int16))

    def close(self) -> None:
        """Forget the mapping; it goes when the last view of it goes."""
        self._bytes = None

    def _values(self, dtype: Any) -> Any:
        """Return the mapped file as an array of whole values."""
        if self._bytes is None:
            return np.zeros(0, dtype)
        whole = self._bytes.size // np.dtype(dtype).itemsize
        # A plain array: numba compiles for it once, and numpy.memmap adds nothing.
        return np.asarray(self._bytes)[: whole * np.dtype(dtype).itemsize].view(dtype)
