"""Find where every row of a dataset begins in its file."""

from typing import Any

import h5py
import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.storage.format.chunk_index import chunk_offsets


def row_offsets(dataset: h5py.Dataset) -> IntArray:
    """Return where every row of a dataset begins in its file.

    Parameters
    ----------
    dataset : h5py.Dataset
        A contiguous dataset, or one with a chunk per row and no filter.

    Returns
    -------
    ndarray of shape (n_rows,)
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
        return np.zeros(0, np.int64)
    if dataset.chunks is None:
        begin = dataset.id.get_offset()
        if begin is None:
            raise ValueError(f"/{dataset.name.strip('/')} is not stored in the file")
        offsets: IntArray = np.arange(n_rows, dtype=np.int64) * row_nbytes + int(begin)
        return offsets
    if (
        dataset.chunks != (1, *dataset.shape[1:])
        or dataset.id.get_create_plist().get_nfilters()
    ):
        raise ValueError(
            f"{dataset.name} has chunks of {dataset.chunks} or a filter; expected one "
            "uncompressed chunk per row"
        )
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
