"""Create a store's file with every dataset at its final size and offset."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.errors import EcgStoreError
from ecgstore.storage.format.dataset_spec import (
    DIMENSION_LIST,
    REFERENCE_LIST,
    DatasetSpec,
    Scale,
    scales,
)
from ecgstore.storage.format.digest_table import with_digests
from ecgstore.storage.format.schema import HEAD_NBYTES, MIN_TEXT_BYTES, SIGNALS
from ecgstore.storage.format.stored_values import as_stored, encoded

ALIGNMENT_BYTES: Final = 4096
"""What is as large begins at multiples of this."""

_STRUCTURE_NBYTES: Final = tuple(1 << power for power in range(14, 21))
"""Sizes of the beginning of a file that has all its structures; 1 MiB at most."""

_SOURCE_NBYTES: Final = 512
"""More than the structures take for each file that a dataset reads from."""

_LARGEST_GAP: Final = 2 * ALIGNMENT_BYTES
"""Bytes between two datasets, or behind the last one, that hold no structures."""

_AXIS: Final = np.dtype([("dataset", h5py.ref_dtype), ("dimension", "<i4")])
"""An axis of a dataset, as the HDF5 library's dimension scales refer to it."""

NO_COORDINATE_TYPE: Final = np.dtype("<f4")
"""Type of the dataset of a dimension without a coordinate, which has no content."""


def create_file(
    path: Path,
    specs: Sequence[DatasetSpec],
    attributes: Mapping[str, str | int],
) -> None:
    """Create an HDF5 file with allocated datasets, of which known values are written.

    The structures of HDF5 and what describes the datasets come first, in bytes that
    the attribute `HEAD_NBYTES` counts, if the file has it; then the datasets in their
    order. Every row of the signals is a chunk, and so is a range of the file: they lie
    one behind the other, with an implicit index, which takes no bytes. So rows are read
    and written in place, without the HDF5 library.

    Where datasets read rows from other files, the attribute counts the whole file.

    Nothing in the file depends on when or where it was made.

    Parameters
    ----------
    path : Path
        The file, replaced if it exists.
    specs : sequence of DatasetSpec
        The datasets, in the order of the file.
    attributes : Mapping
        Attributes of the file.

    Raises
    ------
    OSError
        If the disk has no room, or does not take so large a file.
    EcgStoreError
        If the datasets are too many, or their attributes too long, for 1 MiB.
    """
    in_file = sum(spec.nbytes for spec in specs if not spec.sources)
    n_sources = sum(len(spec.sources) for spec in specs)
    _check_room(path, in_file + _SOURCE_NBYTES * n_sources)
    for nbytes in _STRUCTURE_NBYTES:
        if _create(path, with_digests(specs), attributes, nbytes):
            return
    raise EcgStoreError(
        f"the file would need more than {_STRUCTURE_NBYTES[-1]} bytes for its "
        f"structures, with {len(specs)} datasets; expected fewer: leave out columns"
    )


def _check_room(path: Path, nbytes: int) -> None:
    """Raise an `OSError` if the disk does not take a file of this size.

    Errors of the HDF5 library do not say so, and it may end the process.
    """
    with path.open("wb") as file:
        file.truncate(nbytes + _STRUCTURE_NBYTES[-1])
        file.write(bytes(_STRUCTURE_NBYTES[-1]))


def _create(
    path: Path,
    specs: Sequence[DatasetSpec],
    attributes: Mapping[str, str | int],
    structure_nbytes: int,
) -> bool:
    """Create a file; return whether some bytes at its beginning hold all structures."""
    has_sources = any(spec.sources for spec in specs)
    with _new_file(path, structure_nbytes) as file:
        for name, value in attributes.items():
            set_attribute(file, name, value)
        used = scales(specs)
        for scale in used.values():
            _create_scale(file, scale)
        for spec in specs:
            _create_dataset(file, spec)
        for scale in used.values():
            _refer_to_uses(file, scale)
        if HEAD_NBYTES in attributes:
            described = [*used, *(one.path for one in specs if one.values is not None)]
            head = max(end for path in described for _, end in _extent(file, path))
            if has_sources:  # lists of files are long, and lie between the datasets
                file.flush()
                head = file.id.get_filesize()
            file.attrs.modify(HEAD_NBYTES, head)
        extents = [
            extent
            for path in (*used, *(spec.path for spec in specs))
            for extent in _extent(file, path)
        ]
        file.flush()
        size = file.id.get_filesize()
    if has_sources:
        return True
    begins, ends = zip(*sorted([*extents, (size, size)]), strict=True)
    gaps = np.subtract(begins[1:], ends[:-1])
    return begins[0] <= structure_nbytes and bool((gaps <= _LARGEST_GAP).all())


def _new_file(path: Path, structure_nbytes: int) -> h5py.File:
    """Return a new file that keeps its structures together, and no times."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    # Earlier versions have no implicit index.
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_alignment(ALIGNMENT_BYTES, ALIGNMENT_BYTES)
    access.set_meta_block_size(structure_nbytes)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_file_locking(False, True)
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    return h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, creation, access))


def _create_dataset(file: h5py.File, spec: DatasetSpec) -> None:
    """Create one dataset, allocated at once; write its values if they are known."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if spec.sources:
        _refer_to_sources(creation, spec)
    else:
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    if spec.path == SIGNALS and spec.shape[0] > 0 and not spec.sources:
        creation.set_chunk((1, *spec.shape[1:]))
    dataset = _new_dataset(file, spec.path, spec.dtype, spec.shape, creation)
    for name, value in spec.attributes.items():
        set_attribute(dataset, name, value)
    if spec.dimensions:
        _refer_to_dimensions(dataset, [file[one.path] for one in spec.dimensions])
    if spec.values is not None and spec.values.size:
        dataset[...] = spec.values


def _refer_to_sources(creation: h5py.h5p.PropDCID, spec: DatasetSpec) -> None:
    """Let a dataset read its rows from datasets of other files."""
    creation.set_fill_value(np.array(_missing_value(spec), spec.dtype))
    rows = h5py.h5s.create_simple(spec.shape)
    begin, zeros = 0, (0,) * (len(spec.shape) - 1)
    name = f"/{spec.path}".encode()
    for path, n_rows in spec.sources:
        of_source = (n_rows, *spec.shape[1:])
        rows.select_hyperslab((begin, *zeros), of_source)
        source = h5py.h5s.create_simple(of_source)
        # The library would replace %b by the number of a block.
        in_file = path.replace("%", "%%").encode()
        creation.set_virtual(rows, in_file, name, source)
        begin += n_rows


def _missing_value(spec: DatasetSpec) -> float:
    """Return what programs that use HDF5 read where the file of a source is missing.

    They do so without an error: so it is a value that no record has.
    """
    if spec.dtype.kind == "f":
        return math.nan
    if spec.path == SIGNALS:
        return int(np.iinfo(spec.dtype).min)
    return -1 if spec.dtype.kind == "i" else 0


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
        _group(file, parent).id,
        name.encode(),
        h5py.h5t.py_create(dtype, logical=True),
        h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR),
        dcpl=creation,
    )
    return h5py.Dataset(identifier)


def _group(file: h5py.File, path: str) -> h5py.Group:
    """Return a group of a file, made without times if it does not exist."""
    if path and path not in file:
        creation = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
        creation.set_obj_track_times(False)
        h5py.h5g.create(file.id, path.encode(), None, creation)
    return file[path or "/"]


def _extent(file: h5py.File, path: str) -> Iterator[tuple[int, int]]:
    """Yield where the elements of a dataset begin and end, unless it has none."""
    dataset = file[path]
    if dataset.is_virtual:
        return
    nbytes = math.prod(dataset.shape) * dataset.dtype.itemsize
    if dataset.chunks is not None:
        first = dataset.id.get_chunk_info_by_coord((0,) * dataset.ndim)
        yield first.byte_offset, first.byte_offset + nbytes
    elif (begin := dataset.id.get_offset()) is not None:
        yield begin, begin + nbytes


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


def set_attribute(item: h5py.HLObject, name: str, value: Any) -> None:
    """Set an attribute; texts of fixed width are stored in the object header."""
    stored = as_stored(value)
    item.attrs.create(name, stored, dtype=stored.dtype)
