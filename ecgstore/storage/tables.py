"""Read all datasets of a store except the signals, without the HDF5 library."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial as bind
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgstore.similar_names import did_you_mean
from ecgstore.storage.file_bytes import FileBytes
from ecgstore.storage.format.hdf5 import OpenDataset, open_hdf5
from ecgstore.storage.format.schema import SIGNALS
from ecgstore.storage.memory_map import MemoryMap
from ecgstore.storage.remote.mirror import Mirror
from ecgstore.storage.remote.table_check import damage_of_table


@dataclass(frozen=True, slots=True)
class TableLocation:
    """Where a table is stored in its file, its type and its shape.

    Attributes
    ----------
    dtype : numpy.dtype
        Stored type.
    shape : tuple of int
        Shape.
    offset : int or None
        Offset of the first byte in the file; None where the table is compressed, in
        chunks or in another file.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int | None

    @property
    def end(self) -> int:
        """Offset behind the last byte, for a table that has an offset."""
        return (self.offset or 0) + math.prod(self.shape) * self.dtype.itemsize


class Tables:
    """The tables of a store, as views of its mapped file.

    A view costs neither time nor memory, whatever the size of the table: the system
    reads only the pages that are accessed. A table that another tool has compressed or
    cut into chunks is read as a whole at its first use, and kept.

    Parameters
    ----------
    path : Path
        The file.
    locations : Mapping
        Location of every table, by path; see `table_locations`.
    content : MemoryMap or Mirror
        The mapped file.
    replacing : Tables, optional
        Tables of another file that are read in place of those of the same path.
    elsewhere : Mapping
        Tables whose rows lie in other files, by path: they take indices as arrays do.
    """

    def __init__(
        self,
        path: Path,
        locations: Mapping[str, TableLocation],
        content: FileBytes,
        replacing: "Tables | None" = None,
        elsewhere: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.path = path
        self._replacing = replacing
        self._locations = locations
        self._content = content
        self._elsewhere = elsewhere
        self._opened: dict[str, Any] = dict(elsewhere)

    def __contains__(self, name: str) -> bool:
        """Return whether there is a table of this path."""
        is_replaced = self._replacing is not None and name in self._replacing
        return is_replaced or name in self._locations or name in self._elsewhere

    def __iter__(self) -> Iterator[str]:
        """Yield the path of every table."""
        names = (*self._locations, *self._elsewhere, *(self._replacing or ()))
        return iter(dict.fromkeys(names))

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a table; see `Store.table`."""
        name = name.removeprefix("/")
        if self._replacing is not None and name in self._replacing:
            return self._replacing[name]
        if name not in self._opened:
            self._opened[name] = self._open(name)
        table: NDArray[Any] = self._opened[name].view()
        return table

    @property
    def locations(self) -> Mapping[str, TableLocation]:
        """Where the tables of this file are, by path; those of other files are not."""
        return self._locations

    def _open(self, name: str) -> NDArray[Any]:
        """Return a table in the mapped file, or through the HDF5 library."""
        location = self._locations.get(name)
        if location is None:
            raise ValueError(
                f"{self.path}: no table {name!r}; "
                f"{did_you_mean(name, self._locations)}expected one of "
                + ", ".join(self._locations)
            )
        content = self._content.bytes
        if location.offset is not None and location.end <= content.size:
            self._fetch(name, location.offset, location.end - location.offset)
            return np.ndarray(location.shape, location.dtype, content, location.offset)
        with open_hdf5(self.path) as file:
            if isinstance(self._content, MemoryMap):
                self._content.check_same_file(file.id.get_vfd_handle())
            table: NDArray[Any] = file[name][...].astype(location.dtype)
        table.flags.writeable = False
        return table

    def _fetch(self, name: str, begin: int, n_bytes: int) -> None:
        """Wait until a table of a store at a URL is there."""
        if isinstance(self._content, Mirror) and n_bytes:
            self._content.need_table(
                begin, n_bytes, bind(damage_of_table, self._content.path, name)
            )


def table_locations(
    datasets: Mapping[str, OpenDataset],
) -> dict[str, TableLocation]:
    """Return the locations of the tables of a store.

    Parameters
    ----------
    datasets : Mapping
        All datasets of the file by their paths; the signals are left out.
    """
    return {
        name: _location(dataset)
        for name, dataset in datasets.items()
        if name != SIGNALS
    }


def _location(dataset: OpenDataset) -> TableLocation:
    """Return the location of one table."""
    dtype = np.dtype(dataset.dtype.str)  # without the metadata h5py adds to texts
    shape = dataset.shape
    # The library returns None for empty datasets too.
    offset = dataset.id.get_offset() if math.prod(shape) else 0
    return TableLocation(dtype, shape, offset)
