"""Read rows of signals from a file's bytes, without the HDF5 library."""

import os
from pathlib import Path

import numpy as np

from ecgstore.arrays import Float32Array, Int16Array, IntArray


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
        from ecgstore.storage._gather_kernels import gather_int16  # loads numba

        gather_int16(self._values(), offsets // 2, out)

    def gather_scaled(self, offsets: IntArray, scale: float, out: Float32Array) -> None:
        """Copy the rows that begin at `offsets` into `out`, multiplied by `scale`."""
        from ecgstore.storage._gather_kernels import gather_scaled

        gather_scaled(self._values(), offsets // 2, np.float32(scale), out)

    def gather_float32(self, offsets: IntArray, out: Float32Array) -> None:
        """Copy the float32 rows that begin at `offsets` into `out`."""
        self.gather_int16(offsets, out.view(np.int16))  # two words each, as they are

    def close(self) -> None:
        """Forget the mapping; it goes when the last view of it goes."""
        self._bytes = None

    def _values(self) -> Int16Array:
        """Return the mapped file as an array of int16."""
        if self._bytes is None:
            return np.zeros(0, np.int16)
        # A plain array: numba compiles for it once, and numpy.memmap adds nothing.
        whole = np.asarray(self._bytes)[: self._bytes.size // 2 * 2]
        return whole.view(np.int16)
