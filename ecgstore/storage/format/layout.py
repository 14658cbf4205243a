"""Create a store's file with every dataset at its final size and offset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.storage.format.schema import ALIGNMENT_BYTES, SHA256, SIGNALS, DatasetSpec

UNSEALED: Final = "-" * 64
"""Placeholder of a digest that is computed at the end of a build."""


def create_file(
    path: Path | IO[bytes],
    specs: Sequence[DatasetSpec],
    attributes: Mapping[str, str | int],
) -> None:
    """Create an HDF5 file with allocated but unwritten datasets.

    Only features that every HDF5 library since 1.6 and pure Python readers support are
    used. Chunks begin at multiples of 4096 bytes, so that a row can be read and written
    in place without the HDF5 library.

    Parameters
    ----------
    path : Path or file object
        The file, replaced if it exists; or one open for reading and writing.
    specs : sequence of DatasetSpec
        The datasets, in the order of the file.
    attributes : Mapping
        Attributes of the file.
    """
    with h5py.File(
        path,
        "w",
        locking=False,
        libver=("earliest", "v108"),
        alignment_threshold=ALIGNMENT_BYTES,
        alignment_interval=ALIGNMENT_BYTES,
    ) as file:
        for name, value in attributes.items():
            set_attribute(file, name, value)
        for spec in specs:
            _create_dataset(file, spec)


def _create_dataset(file: h5py.File, spec: DatasetSpec) -> None:
    """Create one dataset, allocated at once and never written by the library."""
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
    """Return texts as the format stores them: UTF-8, padded to a fixed width.

    Parameters
    ----------
    values : str or sequence of str
        One text or several.
    width : int, optional
        Bytes per text; the length of the longest one if left out.
    """
    texts = [values] if isinstance(values, str) else values
    data = [value.encode() for value in texts]
    width = width or max([1, *map(len, data)])
    result = np.array(data, h5py.string_dtype("utf-8", width))
    return result.reshape(()) if isinstance(values, str) else result


def set_attribute(item: h5py.HLObject, name: str, value: Any) -> None:
    """Set an attribute; texts of fixed width are stored in the object header."""
    stored = as_stored(value)
    item.attrs.create(name, stored, dtype=stored.dtype)


def as_stored(value: Any) -> NDArray[Any]:
    """Return the value of an attribute as an array of the type that is stored."""
    is_text = isinstance(value, (str, list, tuple))
    return encoded(value) if is_text else np.asarray(value)
