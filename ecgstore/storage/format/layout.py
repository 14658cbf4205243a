"""Create a store's file with every dataset at its final size and offset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.storage.format.dataset_spec import (
    DIMENSION_LIST,
    REFERENCE_LIST,
    DatasetSpec,
    Scale,
    scales,
)
from ecgstore.storage.format.schema import (
    ALIGNMENT_BYTES,
    MIN_TEXT_BYTES,
    SHA256,
    SIGNALS,
    alignment,
)

UNSEALED: Final = "-" * 64
"""Placeholder of a digest that is computed at the end of a build."""

_AXIS: Final = np.dtype([("dataset", h5py.ref_dtype), ("dimension", "<i4")])
"""An axis of a dataset, as the HDF5 library's dimension scales refer to it."""

NO_COORDINATE_TYPE: Final = np.dtype("<f4")
"""Type of the dataset of a dimension without a coordinate, which has no content."""


def create_file(
    path: Path | IO[bytes],
    specs: Sequence[DatasetSpec],
    attributes: Mapping[str, str | int],
) -> None:
    """Create an HDF5 file with allocated but unwritten datasets.

    Only features that every HDF5 library since 1.6 and pure Python readers support are
    used. Chunks begin at multiples of 4096 bytes, small ones of 8, so that a row can be
    read and written in place without the HDF5 library.

    Parameters
    ----------
    path : Path or file object
        The file, replaced if it exists; or one open for reading and writing.
    specs : sequence of DatasetSpec
        The datasets, in the order of the file.
    attributes : Mapping
        Attributes of the file.
    """
    rows = [spec.row_nbytes for spec in specs if spec.path == SIGNALS]
    threshold, interval = alignment(rows[0] if rows else ALIGNMENT_BYTES)
    with h5py.File(
        path,
        "w",
        locking=False,
        libver=("earliest", "v108"),
        alignment_threshold=threshold,
        alignment_interval=interval,
    ) as file:
        for name, value in attributes.items():
            set_attribute(file, name, value)
        used = scales(specs)
        for scale in used.values():
            _create_scale(file, scale)
        for spec in specs:
            _create_dataset(file, spec)
        for scale in used.values():
            _refer_to_uses(file, scale)


def _create_dataset(file: h5py.File, spec: DatasetSpec) -> None:
    """Create one dataset, allocated at once and never written by the library."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    if spec.path == SIGNALS and spec.shape[0] > 0:
        creation.set_chunk((1, *spec.shape[1:]))
    dataset = _new_dataset(file, spec.path, spec.dtype, spec.shape, creation)
    for name, value in spec.attributes.items():
        set_attribute(dataset, name, value)
    if spec.dimensions:
        _refer_to_dimensions(dataset, [file[one.path] for one in spec.dimensions])
    set_attribute(dataset, SHA256, UNSEALED)


def _create_scale(file: h5py.File, scale: Scale) -> None:
    """Create the dataset of a dimension, with its coordinate if it has one.

    Without a coordinate, it takes no bytes in the file, whatever its size.
    """
    path, values = scale.dimension.path, coordinate(scale)
    dtype = NO_COORDINATE_TYPE if values is None else values.dtype
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    dataset = _new_dataset(file, path, dtype, (scale.size,), creation)
    if values is not None:
        dataset[...] = values
    h5py.h5ds.set_scale(dataset.id, scale_name(scale).encode())
    for name, value in scale.dimension.attributes.items():
        set_attribute(dataset, name, value)
    # A placeholder, until all datasets have their addresses.
    unset = np.array([(dataset.ref, 0)] * len(scale.uses), _AXIS)
    dataset.attrs.create(REFERENCE_LIST, unset, dtype=_AXIS)
    set_attribute(dataset, SHA256, UNSEALED)


def coordinate(scale: Scale) -> NDArray[Any] | None:
    """Return the names or times along a dimension, if it has them."""
    names, fs = scale.dimension.names, scale.dimension.fs
    if names is not None:
        widths = [len(name.encode()) for name in names]
        return encoded(names, max([MIN_TEXT_BYTES, *widths]))
    return None if fs is None else np.arange(scale.size) / fs


def scale_name(scale: Scale) -> str:
    """Return the name that the dataset of a dimension has as a dimension scale.

    The name of a dimension without a coordinate is netCDF's mark of such a dimension.
    """
    name = scale.dimension.path.rpartition("/")[2]
    mark = f"This is a netCDF dimension but not a netCDF variable.{scale.size:10d}"
    return name if scale.dimension.has_coordinate else mark


def _new_dataset(
    file: h5py.File,
    path: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    creation: h5py.h5p.PropDCID,
) -> h5py.Dataset:
    """Create a dataset and its group, without times."""
    parent, _, name = path.rpartition("/")
    creation.set_obj_track_times(False)
    if dtype.kind == "S":
        dtype = h5py.string_dtype("utf-8", dtype.itemsize)
    identifier = h5py.h5d.create(
        file.require_group(parent or "/").id,
        name.encode(),
        h5py.h5t.py_create(dtype, logical=True),
        h5py.h5s.create_simple(shape),
        dcpl=creation,
    )
    return h5py.Dataset(identifier)


def _refer_to_dimensions(dataset: h5py.Dataset, dimensions: list[h5py.Dataset]) -> None:
    """Write the dimension of every axis of a dataset.

    The library's own function would write the attributes of both sides again for each
    axis, and leave the space of the old ones in the file.
    """
    references = np.empty(len(dimensions), object)  # per axis, a list of dimensions
    for axis, dimension in enumerate(dimensions):
        references[axis] = np.array([dimension.ref], h5py.ref_dtype)
    dataset.attrs.create(
        DIMENSION_LIST, references, dtype=h5py.vlen_dtype(h5py.ref_dtype)
    )


def _refer_to_uses(file: h5py.File, scale: Scale) -> None:
    """Write into a dimension which axes have it."""
    uses = [(file[path].ref, axis) for path, axis in scale.uses]
    attribute = file[scale.dimension.path].attrs.get_id(REFERENCE_LIST)
    attribute.write(np.array(uses, _AXIS))


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
