"""Read parts of the array in a ``.npy`` file by plain reads, not through a memory map.

A map of a file that becomes shorter while it is read ends the process.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from ecgstore.errors import RecordError, short_repr
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable, read_range, read_start

_MOST_HEADER_BYTES: Final = 4096

_READ_BYTES: Final = 1 << 16
"""Bytes that are read at once even if most of them are of other records."""

_PIECE_BYTES: Final = 1 << 22
"""Most bytes that are read at once."""

_SPARSEST: Final = 16
"""How many bytes of a longer piece may be read for each one that is needed."""


@dataclass(frozen=True, slots=True)
class NpyFile:
    """An array in a file, or a part of it.

    Attributes
    ----------
    path : str
        The file.
    offset : int
        Bytes before the first number.
    shape, strides : tuple of int
        As those of an `ndarray`; the strides are in bytes.
    dtype : dtype
        Type of the numbers.
    """

    path: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def n_bytes(self) -> int:
        """Bytes of all numbers."""
        return math.prod(self.shape) * self.dtype.itemsize

    def at(self, axis: int, index: int) -> Self:
        """Return the part at one index of an axis, without this axis."""
        return replace(
            self,
            offset=self.offset + index * self.strides[axis],
            shape=self.shape[:axis] + self.shape[axis + 1 :],
            strides=self.strides[:axis] + self.strides[axis + 1 :],
        )

    def transposed(self) -> Self:
        """Return the array with its axes in the other order."""
        return replace(self, shape=self.shape[::-1], strides=self.strides[::-1])

    def read(self, rows: Sequence[int], begin: int, end: int) -> NDArray[Any]:
        """Return some rows from one column to another, of an array with two axes.

        Raises
        ------
        RecordError
            If the file cannot be read, or has become shorter.
        """
        by_row, by_column = self.strides
        start, n_columns = self.offset + begin * by_column, end - begin
        if by_row < by_column:  # all rows of a column lie together
            out = np.empty((self.shape[0], n_columns), self.dtype)
            self._fill(out, start, self.strides)
            return out[list(rows)]
        out = np.empty((len(rows), n_columns), self.dtype)
        for values, row in zip(out, rows, strict=True):
            self._fill(values, start + row * by_row, (by_column,))
        return out

    def _fill(self, out: NDArray[Any], offset: int, strides: tuple[int, ...]) -> None:
        """Read numbers with some strides, in pieces if they are long or far apart."""
        if not out.size:
            return
        spans = [(n - 1) * stride for n, stride in zip(out.shape, strides, strict=True)]
        n_bytes = sum(spans) + self.dtype.itemsize
        most = max(_READ_BYTES, min(_PIECE_BYTES, _SPARSEST * out.nbytes))
        if out.size == 1 or n_bytes <= most:
            data, _ = read_range(self.path, offset, n_bytes, Reason.UNREADABLE_SIGNAL)
            if len(data) < n_bytes:
                raise _too_short(self.path, offset + n_bytes)
            out[...] = np.ndarray(out.shape, self.dtype, data, 0, strides)
            return
        axis = int(np.argmax(spans))
        half = out.shape[axis] // 2
        for first, last in ((0, half), (half, out.shape[axis])):
            part = out[(slice(None),) * axis + (slice(first, last),)]
            self._fill(part, offset + first * strides[axis], strides)


def open_npy(path: str, n_axes: int) -> NpyFile:
    """Return the array in a file, once its header is known to be true.

    Raises
    ------
    RecordError
        If the file is too short for its array, or this has other axes or no numbers.
    ValueError
        If it is no such file.
    """
    # Python's parser runs out of memory on long texts that are no header.
    data, size = read_start(path, 12 + _MOST_HEADER_BYTES, Reason.UNREADABLE_SIGNAL)
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        header = np.lib.format.read_array_header_1_0(file, _MOST_HEADER_BYTES)
    elif version == (2, 0):
        header = np.lib.format.read_array_header_2_0(file, _MOST_HEADER_BYTES)
    else:
        raise ValueError(path)
    shape, is_fortran, dtype = header
    if len(shape) != n_axes or dtype.kind not in "fiu":
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{printable(path)}: holds an array of the shape {short_repr(shape)} and "
            f"the type {short_repr(str(dtype))}; expected a .npy file of numbers, "
            f"integer or floating-point, with {n_axes} axes, as its description says",
        )
    if min(shape) < 0:
        raise ValueError(path)
    n_before = [math.prod(shape[:axis]) for axis in range(n_axes)]
    n_behind = [math.prod(shape[axis + 1 :]) for axis in range(n_axes)]
    strides = [n * dtype.itemsize for n in (n_before if is_fortran else n_behind)]
    array = NpyFile(path, file.tell(), tuple(shape), tuple(strides), dtype)
    if array.offset + array.n_bytes > size:
        raise _too_short(path, array.offset + array.n_bytes)
    return array


def _too_short(path: str, n_bytes: int) -> RecordError:
    """Return the error for a file that ends too early."""
    return RecordError(
        Reason.TRUNCATED_SIGNAL_FILE,
        f"{printable(path)}: is shorter than its header says; expected {n_bytes} bytes",
    )
