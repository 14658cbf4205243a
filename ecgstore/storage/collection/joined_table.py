"""A table whose rows lie in the files of several parts, read as an array."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.storage.collection.mapped_parts import MappedParts
from ecgstore.storage.format.row_offsets import PartOffsets


@dataclass(frozen=True, slots=True, eq=False)
class JoinedTable:
    """A table of a collection, of which only what is asked for is read.

    It takes indices as an array does. Rows, alone or followed by indices of the other
    axes, are all that is read then. NumPy functions take it as an array, and read all
    of it.

    Attributes
    ----------
    file : MappedParts
        The files of the parts.
    offsets : PartOffsets
        Where each row begins.
    dtype : numpy.dtype
        Stored type.
    shape : tuple of int
        Shape of the whole table.
    """

    file: MappedParts
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
        keys = key if isinstance(key, tuple) else (key,)
        if not keys or any(one is None or one is Ellipsis for one in keys):
            whole: NDArray[Any] = self[:][key]
            return whole
        rows, rest = keys[0], keys[1:]
        if isinstance(rows, int | np.integer):
            [row] = self._rows(np.array([rows]))
            of_row: NDArray[Any] = row[rest] if rest else row
            return of_row
        if isinstance(rows, slice) and rest:
            return self._columns(rows, rest)
        if isinstance(rows, slice):
            return self._rows(np.arange(*rows.indices(len(self))))
        rows = np.asarray(rows)
        values = self._rows(np.flatnonzero(rows) if rows.dtype == bool else rows)
        return values[(slice(None), *rest)] if rest else values

    def _rows(self, rows: IntArray) -> NDArray[Any]:
        """Return rows by their numbers, gathered from all parts by one kernel."""
        from ecgstore.storage import _gather_kernels as kernels  # loads numba

        rows = np.where(rows < 0, rows + len(self), rows).astype(np.int64)
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)}")
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        raw = out.view(np.uint8).reshape(len(rows), 1, self.offsets.step)
        none, next_row = np.zeros(len(rows), np.int64), np.zeros(1, np.int64)
        pieces = np.zeros(1, np.int64)
        kernels.gather(self.file.bytes, self.offsets[rows], pieces, none, raw, next_row)
        return out

    def _columns(self, rows: slice, rest: tuple[Any, ...]) -> NDArray[Any]:
        """Return a part of successive rows, without copying the other parts of them."""
        numbers = np.arange(*rows.indices(len(self)))
        first_rows = self.offsets.first_rows
        pieces = []
        for part, begin in enumerate(first_rows[:-1].tolist()):
            inside = (numbers >= begin) & (numbers < first_rows[part + 1])
            if inside.any():
                pieces.append(self._of_part(part)[(numbers[inside] - begin, *rest)])
        if not pieces:
            return self._rows(numbers)[(slice(None), *rest)]
        return np.concatenate(pieces)

    def _of_part(self, part: int) -> NDArray[Any]:
        """Return a view of the rows of one part."""
        begin, end = self.offsets.first_rows[part : part + 2].tolist()
        shape = (end - begin, *self.shape[1:])
        offset = int(self.offsets.begins[part])
        return np.ndarray(shape, self.dtype, self.file.bytes.data, offset)
