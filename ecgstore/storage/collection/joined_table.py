"""A table of which only the rows that are asked for are read, as from an array."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.storage.byte_source import ByteSource
from ecgstore.storage.format.row_offsets import PartOffsets


@dataclass(frozen=True, slots=True, eq=False)
class JoinedTable:
    """A table of a collection or at a URL, of which what is asked for is read.

    It takes indices as an array does. For numbers, slices or a mask of rows, alone or
    followed by numbers and slices of the other axes, it reads these rows; for any other
    index, and for NumPy functions, all of them.

    Attributes
    ----------
    file : ByteSource
        The files of the parts, or the one at a URL.
    offsets : PartOffsets
        Where each row begins.
    dtype : numpy.dtype
        Stored type.
    shape : tuple of int
        Shape of the whole table.
    """

    file: ByteSource
    offsets: PartOffsets
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        values = self[:]
        return values if dtype is None else values.astype(dtype)

    def astype(self, dtype: Any) -> NDArray[Any]:
        """Return the whole table as an array of another type."""
        return self[:].astype(dtype)

    def view(self) -> "JoinedTable":
        """Return this table, as an array returns a view of itself."""
        return self

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return rows, or a part of them, as a new array."""
        indices = key if isinstance(key, tuple) else (key,)
        if not indices or not all(map(_is_plain, indices[1:])):
            return np.asarray(self._all()[key])
        rows, *rest = indices
        if isinstance(rows, slice):
            if rest:
                return self._columns(rows, tuple(rest))
            return self._rows(np.arange(*rows.indices(len(self))))
        if _is_plain(rows):
            [row] = self._rows(np.array([rows]))
            of_row: NDArray[Any] = row[tuple(rest)] if rest else row
            return of_row
        numbers = np.asarray(rows)
        if numbers.dtype == bool and numbers.shape == (len(self),):
            numbers = np.flatnonzero(numbers)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            return np.asarray(self._all()[key])
        values = self._rows(numbers)
        return values[(slice(None), *rest)] if rest else values

    def will_need(self, rows: IntArray) -> None:
        """Let rows be fetched that will be read soon."""
        self.file.will_need(self.offsets[rows], self.offsets.step)

    def _all(self) -> NDArray[Any]:
        """Return all rows."""
        return self._rows(np.arange(len(self)))

    def _rows(self, rows: IntArray) -> NDArray[Any]:
        """Return rows by their numbers, gathered from all parts by one kernel."""
        from ecgstore.storage import _gather_kernels as kernels  # loads numba

        rows = np.where(rows < 0, rows + len(self), rows).astype(np.int64)
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)}")
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        raw = out.view(np.uint8).reshape(len(rows), 1, self.offsets.step)
        pieces, offsets = np.zeros(1, np.int64), self.offsets[rows]
        needed = self.file.need(offsets, self.offsets.step)
        kernels.gather(self.file.bytes, offsets, pieces, raw, np.zeros(1, np.int64))
        del needed  # not before the rows are copied
        return out

    def _columns(self, rows: slice, rest: tuple[Any, ...]) -> NDArray[Any]:
        """Return a part of successive rows, without copying the other parts of them."""
        begin, end, step = rows.indices(len(self))
        if step < 0:  # parts come in ascending order
            ascending = range(begin, end, step)[::-1]
            forwards = slice(ascending.start, ascending.stop, ascending.step)
            return self._columns(forwards, rest)[::-1]
        numbers = np.arange(begin, end, step)
        first_rows = self.offsets.first_rows
        pieces = []
        for part, begin in enumerate(first_rows[:-1].tolist()):
            inside = (numbers >= begin) & (numbers < first_rows[part + 1])
            if inside.any():
                view, needed = self._of_part(part)
                # Indexing by an array copies.
                pieces.append(view[(numbers[inside] - begin, *rest)])
                del view, needed
        if not pieces:
            return self._rows(numbers)[(slice(None), *rest)]
        return np.concatenate(pieces)

    def _of_part(self, part: int) -> tuple[NDArray[Any], object]:
        """Return a view of the rows of one part, and what keeps them there."""
        begin, end = self.offsets.first_rows[part : part + 2].tolist()
        shape = (end - begin, *self.shape[1:])
        offset = int(self.offsets.begins[part])
        needed = self.file.need(np.array([offset]), (end - begin) * self.offsets.step)
        return np.ndarray(shape, self.dtype, self.file.bytes.data, offset), needed


def _is_plain(index: Any) -> bool:
    """Return whether an index is a number or a slice, not an array or a new axis."""
    is_number = isinstance(index, int | np.integer) and not isinstance(index, bool)
    return is_number or isinstance(index, slice)
