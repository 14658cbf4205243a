"""Read rows of signals from a file's bytes, without the HDF5 library."""

import mmap
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import Float32Array, Int16Array, IntArray, UInt8Array
from ecgstore.errors import StoreClosedError


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
        self._path = path
        self._map: mmap.mmap | None = None
        self._bytes: UInt8Array | None = np.zeros(0, np.uint8)
        with path.open("rb") as file:
            if path.stat().st_size:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
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

    def will_need(self, offsets: IntArray, n_bytes: int) -> None:
        """Let the system read some ranges now that will be asked for soon.

        On a disk, many requests at once are several times as fast as one after
        another. Where the system has no such call, nothing happens.

        Parameters
        ----------
        offsets : ndarray of shape (n_ranges,)
            Where each range begins.
        n_bytes : int
            Length of each.
        """
        if self._map is None or not hasattr(mmap, "MADV_WILLNEED"):
            return
        for offset in offsets.tolist():
            page = offset - offset % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, page, offset + n_bytes - page)

    def close(self) -> None:
        """Forget the mapping; it goes when the last view of it goes."""
        self._map = self._bytes = None


def load_kernels() -> None:
    """Load the kernels that gather rows, so that the first batch need not wait.

    The first call of a kernel in a process takes numba half a second, whatever the
    kernel does, and some seconds more the first time on a machine.
    """
    from ecgstore.storage import _gather_kernels as kernels

    no_rows, next_row = np.zeros(0, np.int64), np.zeros(1, np.int64)
    file: UInt8Array = np.frombuffer(b"", np.uint8)  # not writeable, as a mapping is
    to = np.empty((0, 0, 0), np.uint8)
    kernels.gather(file, no_rows, no_rows, no_rows, to, next_row)
    values, scale = file.view(np.int16), np.float32(1)
    target = np.empty((0, 0, 0), np.float32)
    kernels.gather_scaled(values, no_rows, no_rows, no_rows, scale, target, next_row)


def waits_for_disk() -> int:
    """Return how often this thread had to wait for a page of a file so far.

    0 where the system does not tell.
    """
    if sys.platform != "linux":
        return 0
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_THREAD).ru_majflt


@dataclass(frozen=True, slots=True)
class Gather:
    """One batch to be read, prepared so that several threads can share the work.

    Calling it copies rows until none is left. It may be called by several threads at
    the same time; the batch is complete when every call that was begun has returned.
    """

    kernel: Any
    arguments: tuple[Any, ...]

    def __call__(self) -> None:
        """Copy rows until none is left."""
        self.kernel(*self.arguments)


@dataclass(frozen=True, slots=True, eq=False)
class SignalRows:
    """The rows of `/signals` in a mapped file.

    Attributes
    ----------
    file : MemoryMap
        The file.
    offsets : ndarray of shape (n_rows,)
        Where every row begins, in bytes; even.
    dtype : numpy.dtype
        Stored type: int16 counts or float32 mV.
    n_leads, n_samples : int
        Shape of a row.
    scale : float
        Millivolts a count.
    """

    file: MemoryMap
    offsets: IntArray
    dtype: np.dtype[Any]
    n_leads: int
    n_samples: int
    scale: float

    def gather(
        self,
        rows: IntArray,
        out: NDArray[Any],
        leads: IntArray | None = None,
        begins: IntArray | None = None,
    ) -> Gather:
        """Prepare to copy one window of some leads of some rows.

        Parameters
        ----------
        rows : ndarray of shape (n,)
            Row numbers.
        out : ndarray of shape (n, n_leads, n_window)
            Where the rows go, C-contiguous: of the stored type, or float32 for mV.
        leads : ndarray of shape (n_leads,), optional
            Numbers of the leads; all of them if left out.
        begins : ndarray of shape (n,), optional
            First sample of each row's window; 0 if left out.

        Returns
        -------
        Gather
            To be called.
        """
        from ecgstore.storage import _gather_kernels as kernels  # loads numba

        n, n_leads, n_window = out.shape
        if begins is None:
            begins = np.zeros(n, np.int64)
        if leads is None and n_window == self.n_samples:
            # Whole rows are one piece each.
            pieces, out = np.zeros(1, np.int64), out.reshape(n, 1, n_leads * n_window)
        else:
            leads = np.arange(n_leads) if leads is None else leads
            pieces = leads * self.n_samples
        offsets, next_row = self.offsets[rows], np.zeros(1, np.int64)
        if out.dtype == self.dtype:
            size = self.dtype.itemsize
            to = out.view(np.uint8)
            return Gather(
                kernels.gather,
                (self.file.bytes, offsets, pieces * size, begins * size, to, next_row),
            )
        values: Int16Array = self.file.bytes[: self.file.bytes.size // 2 * 2].view(
            np.int16
        )
        target: Float32Array = out
        scale = np.float32(self.scale)
        return Gather(
            kernels.gather_scaled,
            (values, offsets // 2, pieces, begins, scale, target, next_row),
        )

    def will_need(
        self,
        rows: IntArray,
        n_window: int,
        leads: IntArray | None = None,
        begins: IntArray | None = None,
    ) -> None:
        """Let the system read what will be gathered soon; see `gather`."""
        size = self.dtype.itemsize
        first = self.offsets[rows]
        if begins is not None:
            first = first + begins * size
        if leads is None:
            span = (self.n_leads - 1) * self.n_samples + n_window
            self.file.will_need(first, span * size)
        else:
            for lead in leads.tolist():
                begin = first + lead * self.n_samples * size
                self.file.will_need(begin, n_window * size)
