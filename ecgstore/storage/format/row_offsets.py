"""Find where every row of a dataset begins in its file."""

from dataclasses import dataclass
from typing import Any, TypeAlias, overload

import h5py
import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.storage.format.chunk_index import chunk_offsets
from ecgstore.storage.format.implicit_index import first_row


@dataclass(frozen=True, slots=True)
class EvenOffsets:
    """Offsets of rows that lie one behind the other; indexed as an array of them.

    Attributes
    ----------
    first, step : int
        Offset of the first row, and bytes from each row to the next.
    n_rows : int
        Number of rows.

    Examples
    --------
    >>> offsets = EvenOffsets(100, 8, 5)
    >>> offsets[np.array([4, 0])], offsets[3:], offsets[1]
    (array([132, 100]), array([124, 132]), 108)
    """

    first: int
    step: int
    n_rows: int

    def __len__(self) -> int:
        return self.n_rows

    @overload
    def __getitem__(self, rows: int) -> int: ...

    @overload
    def __getitem__(self, rows: slice | IntArray) -> IntArray: ...

    def __getitem__(self, rows: int | slice | IntArray) -> int | IntArray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.n_rows), dtype=np.int64)
        return rows * self.step + self.first


RowOffsets: TypeAlias = EvenOffsets | IntArray
"""Offsets of all rows in bytes, from the beginning of the file."""


def row_offsets(dataset: h5py.Dataset) -> RowOffsets:
    """Return where every row of a dataset begins in its file.

    Parameters
    ----------
    dataset : h5py.Dataset
        A contiguous dataset, or one with a chunk per row and no filter.

    Returns
    -------
    EvenOffsets or ndarray of shape (n_rows,)
        Offsets in bytes from the beginning of the file.

    Raises
    ------
    ValueError
        If a row is compressed, or not stored in one piece.
    """
    n_rows = dataset.shape[0]
    row_nbytes = (
        int(np.prod(dataset.shape[1:], dtype=np.int64)) * dataset.dtype.itemsize
    )
    if n_rows == 0:
        return EvenOffsets(0, row_nbytes, 0)
    if dataset.chunks is None:
        begin = dataset.id.get_offset()
        if begin is None:
            raise ValueError(f"/{dataset.name.strip('/')} is not stored in the file")
        return EvenOffsets(int(begin), row_nbytes, n_rows)
    if (
        dataset.chunks != (1, *dataset.shape[1:])
        or dataset.id.get_create_plist().get_nfilters()
    ):
        raise ValueError(
            f"{dataset.name} has chunks of {dataset.chunks} or a filter; expected one "
            "uncompressed chunk per row"
        )
    first = first_row(dataset)
    if first is not None:
        return EvenOffsets(first, row_nbytes, n_rows)
    from_index = chunk_offsets(dataset)
    return _library_offsets(dataset) if from_index is None else from_index


def _library_offsets(dataset: h5py.Dataset) -> IntArray:
    """Return the offset of every row's chunk, as the HDF5 library reports it."""
    offsets = np.full(dataset.shape[0], -1, np.int64)

    def note(chunk: Any) -> None:
        offsets[chunk.chunk_offset[0]] = chunk.byte_offset

    dataset.id.chunk_iter(note)
    if (offsets < 0).any():
        raise ValueError(f"{dataset.name} has rows that are not stored in the file")
    return offsets
