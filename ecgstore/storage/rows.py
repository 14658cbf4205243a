"""Read rows of signals from a memory map of the file, without the HDF5 library."""

import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import Int16Array, IntArray, UInt8Array
from ecgstore.storage.byte_source import ByteSource
from ecgstore.storage.first_touch import FirstTouch, RowCheck
from ecgstore.storage.format.row_offsets import PartOffsets, RowOffsets
from ecgstore.storage.format.schema import CHECKED_SAMPLES


def load_kernels() -> None:
    """Load the kernels that gather rows, so that the first batch does not wait.

    The first call of any kernel in a process takes numba half a second, and some
    seconds more for compilation the first time on a machine.
    """
    from ecgstore.storage import _gather_kernels as kernels

    no_rows, next_row = np.zeros(0, np.int64), np.zeros(1, np.int64)
    file: UInt8Array = np.frombuffer(b"", np.uint8)  # not writeable, as a mapping is
    out = np.empty((0, 0, 0), np.uint8)
    kernels.gather(file, no_rows, no_rows, out, next_row)
    values, scale = file.view(np.int16), np.float32(1)
    out_mv = np.empty((0, 0, 0), np.float32)
    kernels.gather_scaled(values, no_rows, no_rows, scale, out_mv, next_row)


def waits_for_disk() -> int:
    """Return the number of major page faults of this thread: waits for the disk.

    0 on systems other than Linux, which do not count them per thread.
    """
    if sys.platform != "linux":
        return 0
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_THREAD).ru_majflt


@dataclass(frozen=True, slots=True)
class Gather:
    """A prepared read of one batch, which several threads can share.

    A call copies rows until none is left. Several threads may call it at the same time;
    the batch is complete when all calls have returned. Then `finish` is called.
    """

    kernel: Any
    arguments: tuple[Any, ...]
    check: RowCheck | None = None
    needed: object = None  # as long as it exists, the rows stay

    def __call__(self) -> None:
        """Copy rows until none is left."""
        self.kernel(*self.arguments)

    def finish(self) -> None:
        """Refuse the batch if a row was found to be damaged.

        Raises
        ------
        SchemaError
            Naming the row and the record.
        """
        if self.check is not None:
            self.check.finish()


@dataclass(frozen=True, slots=True)
class RowPlaces:
    """Where the leads of some rows are in a file, in bytes.

    Attributes
    ----------
    begins : ndarray of shape (n_rows,)
        Begin of each row's window, of the first lead.
    pieces : ndarray of shape (n_leads,)
        Distance of each lead from it.
    check : RowCheck, optional
        The check of the rows, unless all were checked before.
    needed : object
        As long as it exists, the rows stay.
    """

    begins: IntArray
    pieces: IntArray
    check: RowCheck | None
    needed: object

    def gather(self, kernels: tuple[Any, Any], arguments: tuple[Any, ...]) -> Gather:
        """Return a read by the first kernel, or by the second one if rows are checked.

        The second one takes the arguments of `check_row` after all others.
        """
        if self.check is None:
            return Gather(kernels[0], arguments, None, self.needed)
        arguments = (*arguments, self.check.arguments)
        return Gather(kernels[1], arguments, self.check, self.needed)


@dataclass(frozen=True, slots=True, eq=False)
class SignalRows:
    """The rows of `/signals` in a mapped file.

    Attributes
    ----------
    file : ByteSource
        The mapped file, or those of the parts of a collection.
    offsets : EvenOffsets or ndarray of shape (n_rows,)
        Offset of every row in the file, in bytes; even.
    dtype : numpy.dtype
        Stored type: int16 counts or float32 mV.
    n_leads, n_samples : int
        Shape of a row.
    scale : float
        Voltage of one count in mV.
    first_touch : FirstTouch, optional
        Checks every row the first time that any part of it is gathered.
    """

    file: ByteSource
    offsets: RowOffsets
    dtype: np.dtype[Any]
    n_leads: int
    n_samples: int
    scale: float
    first_touch: FirstTouch | None = None

    def gather(
        self,
        rows: IntArray,
        out: NDArray[Any],
        leads: IntArray | None = None,
        begins: IntArray | None = None,
    ) -> Gather:
        """Prepare to copy rows, or leads and windows of them, into an array.

        Parameters
        ----------
        rows : ndarray of shape (n,)
            Row numbers.
        out : ndarray of shape (n, n_leads, n_window)
            Array for the result, C-contiguous: of the stored type, or float32 for mV.
        leads : ndarray of shape (n_leads,), optional
            Numbers of the leads; all of them if left out.
        begins : ndarray of shape (n,), optional
            First sample of each row's window; 0 if left out.

        Returns
        -------
        Gather
            A function that copies the rows.
        """
        from ecgstore.storage import _gather_kernels as kernels  # loads numba

        n, n_leads, n_window = out.shape
        places = self.places(rows, n_leads, n_window, leads, begins)
        if leads is None and n_window == self.n_samples:  # a whole row is one piece
            places = replace(places, pieces=np.zeros(1, np.int64))
            out = out.reshape(n, 1, n_leads * n_window)
        next_row = np.zeros(1, np.int64)
        if out.dtype == self.dtype:
            raw = out.view(np.uint8)
            return places.gather(
                (kernels.gather, kernels.gather_checked),
                (self.file.bytes, places.begins, places.pieces, raw, next_row),
            )
        return places.gather(
            (kernels.gather_scaled, kernels.gather_scaled_checked),
            (*self.counts(places), np.float32(self.scale), out, next_row),
        )

    def places(
        self,
        rows: IntArray,
        n_leads: int,
        n_window: int,
        leads: IntArray | None = None,
        begins: IntArray | None = None,
    ) -> RowPlaces:
        """Return where the leads and windows of rows are; see `gather`."""
        check = None if self.first_touch is None else self._check(rows)
        if begins is None:
            begins = np.zeros(len(rows), np.int64)
        if leads is None and n_window != self.n_samples:
            leads = np.arange(n_leads)
        offsets, size = self.offsets[rows], self.dtype.itemsize
        numbers = np.arange(n_leads) if leads is None else leads
        return RowPlaces(
            begins=offsets + begins * size,
            pieces=numbers * (self.n_samples * size),
            check=check,
            needed=self._need(offsets, n_window, leads, begins),
        )

    def counts(self, places: RowPlaces) -> tuple[Int16Array, IntArray, IntArray]:
        """Return the file as int16, and where leads begin and are, in these values."""
        values: Int16Array = self.file.bytes[: self.file.bytes.size // 2 * 2].view(
            np.int16
        )
        return values, places.begins // 2, places.pieces // 2

    def fetched_nbytes(self, n_window: int, n_leads: int) -> int:
        """Return the most bytes that are fetched of a row for a window of leads."""
        per_lead = self.n_samples
        if n_window < per_lead and per_lead % CHECKED_SAMPLES == 0:
            n_blocks = -(-n_window // CHECKED_SAMPLES) + 1
            per_lead = min(per_lead, n_blocks * CHECKED_SAMPLES)
        elif per_lead % CHECKED_SAMPLES:
            n_leads = self.n_leads
        return n_leads * per_lead * self.dtype.itemsize

    @property
    def fetches(self) -> bool:
        """Whether some rows are at a URL, and not here."""
        if not self.file.is_remote:
            return False
        offsets = self.offsets
        if isinstance(offsets, PartOffsets):
            return not self.file.has_tables(offsets.begins)
        return bool(len(offsets)) and not self.file.has_tables(offsets[:1])

    def _need(
        self, offsets: IntArray, n_window: int, leads: IntArray | None, begins: IntArray
    ) -> object:
        """Wait until what will be gathered is there; it stays while the result does."""
        if not self.file.is_remote:
            return None
        return self.file.need(*self._ranges(offsets, n_window, leads, begins))

    def _ranges(
        self, offsets: IntArray, n_window: int, leads: IntArray | None, begins: IntArray
    ) -> tuple[IntArray, int]:
        """Return where the windows of some leads of rows begin, and their length."""
        size = self.dtype.itemsize
        if leads is None:
            return offsets, self.n_leads * self.n_samples * size
        pieces = (leads * self.n_samples)[:, np.newaxis] + begins
        return (offsets + pieces * size).reshape(-1), n_window * size

    def _check(self, rows: IntArray) -> RowCheck | None:
        """Return the check of rows, unless all of them were checked before."""
        assert self.first_touch is not None
        n_bytes = self.n_leads * self.n_samples * self.dtype.itemsize
        return self.first_touch.check(
            self.file.bytes, rows, self.offsets[rows], n_bytes
        )

    def will_need(
        self,
        rows: IntArray,
        n_window: int,
        leads: IntArray | None = None,
        begins: IntArray | None = None,
    ) -> None:
        """Tell the system to read rows that will be gathered soon; see `gather`."""
        size = self.dtype.itemsize
        first = self.offsets[rows]
        if self.file.is_remote:  # as they will be needed, in one call
            if begins is None:
                begins = np.zeros(len(rows), np.int64)
            if leads is None and n_window < self.n_samples:
                leads = np.arange(self.n_leads)
            self.file.will_need(*self._ranges(first, n_window, leads, begins))
            return
        if begins is not None:
            first = first + begins * size
        if leads is None:
            span = (self.n_leads - 1) * self.n_samples + n_window
            self.file.will_need(first, span * size)
        else:
            for lead in leads.tolist():
                begin = first + lead * self.n_samples * size
                self.file.will_need(begin, n_window * size)
