"""Read everything in a store but its signals, without the HDF5 library."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import UInt8Array
from ecgstore.storage.format.hdf5 import open_hdf5
from ecgstore.storage.format.schema import SIGNALS


@dataclass(frozen=True, slots=True)
class TablePlace:
    """Where a table lies in its file, and what it holds.

    Attributes
    ----------
    dtype : numpy.dtype
        Stored type.
    shape : tuple of int
        Shape.
    offset : int or None
        Where it begins, in bytes; None where it does not lie in the file as it is in
        memory.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int | None

    @property
    def end(self) -> int:
        """Where it ends, in bytes, if it lies in the file."""
        return (self.offset or 0) + math.prod(self.shape) * self.dtype.itemsize


class Tables:
    """The tables of a store, as views of its mapped file.

    A view costs neither time nor memory, whatever the size of the table: the system
    reads what is looked at. A table that some tool has compressed or cut into chunks is
    read as a whole when it is first asked for, and kept.

    Parameters
    ----------
    path : Path
        The file.
    places : Mapping
        Where every table lies; see `table_places`.
    content : ndarray of shape (n_bytes,)
        The mapped file.
    """

    def __init__(
        self, path: Path, places: Mapping[str, TablePlace], content: UInt8Array
    ) -> None:
        self._path = path
        self._places = places
        self._content = content
        self._read: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a table; see `Store.table`."""
        place = self._places.get(name.removeprefix("/"))
        if place is None:
            raise ValueError(
                f"{self._path}: no table {name!r}; expected one of "
                + ", ".join(self._places)
            )
        if place.offset is not None and place.end <= self._content.size:
            return np.ndarray(place.shape, place.dtype, self._content, place.offset)
        return self._whole(name.removeprefix("/"))

    def _whole(self, name: str) -> NDArray[Any]:
        """Return a table through the HDF5 library, and keep it."""
        if name not in self._read:
            with open_hdf5(self._path) as file:
                table: NDArray[Any] = file[name][...].astype(self._places[name].dtype)
            table.flags.writeable = False
            self._read[name] = table
        return self._read[name]


def table_places(datasets: Mapping[str, h5py.Dataset]) -> dict[str, TablePlace]:
    """Return where the tables of a store lie.

    Parameters
    ----------
    datasets : Mapping
        All datasets of the file by their paths; the signals are left out.
    """
    return {
        name: _place(dataset) for name, dataset in datasets.items() if name != SIGNALS
    }


def _place(dataset: h5py.Dataset) -> TablePlace:
    """Return where one table lies."""
    dtype = np.dtype(dataset.dtype.str)  # without what h5py notes about texts
    shape = dataset.shape
    # The library gives no place to what is empty, nor to what is not in one piece.
    offset = dataset.id.get_offset() if math.prod(shape) else 0
    return TablePlace(dtype, shape, offset)
