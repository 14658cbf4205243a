"""Create a store's file with every dataset at its final size and place."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.storage.format.chunk_index import chunk_offsets
from ecgstore.storage.format.schema import ALIGNMENT_BYTES, SHA256, SIGNALS, DatasetSpec

UNSEALED: Final = "-" * 64
"""Value of a digest that is not known yet."""


def create_file(
    path: Path, specs: Sequence[DatasetSpec], attributes: Mapping[str, str | int]
) -> None:
    """Create an HDF5 file that allocates its datasets and fills none.

    The format is kept to what every HDF5 library since 1.6 and the pure Python
    readers understand. Chunks begin at multiples of 4096 bytes, so that a row can
    be read and written in place without the HDF5 library.

    Parameters
    ----------
    path : Path
        The file; overwritten if it exists.
    specs : sequence of DatasetSpec
        The datasets, in the order of the file.
    attributes : Mapping
        Attributes of the file.
    """
    with h5py.File(
        path,
        "w",
        libver=("earliest", "v108"),
        alignment_threshold=ALIGNMENT_BYTES,
        alignment_interval=ALIGNMENT_BYTES,
    ) as file:
        for name, value in attributes.items():
            set_attribute(file, name, value)
        for spec in specs:
            _create_dataset(file, spec)


def _create_dataset(file: h5py.File, spec: DatasetSpec) -> None:
    """Create one dataset, allocated at once and never filled by the library."""
    group = file.require_group(spec.path.rpartition("/")[0] or "/")
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)
    if spec.path == SIGNALS and spec.shape[0] > 0:
        creation.set_chunk((1, *spec.shape[1:]))
    dtype = spec.dtype
    if dtype.kind == "S":
        dtype = h5py.string_dtype("utf-8", dtype.itemsize)
    identifier = h5py.h5d.create(
        group.id,
        spec.path.rpartition("/")[2].encode(),
        h5py.h5t.py_create(dtype, logical=True),
        h5py.h5s.create_simple(spec.shape),
        dcpl=creation,
    )
    dataset = h5py.Dataset(identifier)
    for name, value in spec.attributes.items():
        set_attribute(dataset, name, value)
    set_attribute(dataset, SHA256, UNSEALED)


def encoded(values: str | Sequence[str], width: int | None = None) -> NDArray[Any]:
    """Return texts as HDF5 stores them here: UTF-8, padded to a fixed width.

    Parameters
    ----------
    values : str or sequence of str
        One text, or several.
    width : int, optional
        Bytes a text; those of the longest one if left out.
    """
    many = [values] if isinstance(values, str) else values
    data = [value.encode() for value in many]
    width = width or max([1, *map(len, data)])
    result = np.array(data, h5py.string_dtype("utf-8", width))
    return result.reshape(()) if isinstance(values, str) else result


def set_attribute(item: h5py.HLObject, name: str, value: Any) -> None:
    """Set an attribute; texts get a fixed width, so that they lie in the header."""
    is_text = isinstance(value, (str, list, tuple))
    value = encoded(value) if is_text else np.asarray(value)
    item.attrs.create(name, value, dtype=value.dtype)


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
        If the rows do not lie in the file one by one as they are in memory.
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
            raise ValueError(f"/{dataset.name.strip('/')} has no place in the file")
        places: IntArray = np.arange(n_rows, dtype=np.int64) * row_nbytes + int(begin)
        return places
    if (
        dataset.chunks != (1, *dataset.shape[1:])
        or dataset.id.get_create_plist().get_nfilters()
    ):
        raise ValueError(
            f"{dataset.name} has chunks of {dataset.chunks} or a filter; expected one "
            "uncompressed chunk per row"
        )
    known = chunk_offsets(dataset)
    return _library_offsets(dataset) if known is None else known


def _library_offsets(dataset: h5py.Dataset) -> IntArray:
    """Return where every row's chunk begins, as the HDF5 library says."""
    offsets = np.full(dataset.shape[0], -1, np.int64)

    def place(chunk: Any) -> None:
        offsets[chunk.chunk_offset[0]] = chunk.byte_offset

    dataset.id.chunk_iter(place)
    if (offsets < 0).any():
        raise ValueError(f"{dataset.name} has rows without a place in the file")
    return offsets
