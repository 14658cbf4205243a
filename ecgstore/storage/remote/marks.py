"""Note on the disk which units of a mirror were fetched, and what they held."""

import os
import weakref
from pathlib import Path

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, IntArray, UInt8Array
from ecgstore.storage.remote.units import Request, Units


class Marks:
    """The CRC-32C of every unit that was fetched, in a file that processes share.

    After a crash of the machine, marks may be there and the units not, because systems
    write files in any order. So a unit is used only if it has the CRC-32C of its mark.

    Marks are written, and not set in the map: where the disk is full, writing is an
    error, and setting ends the process.

    Parameters
    ----------
    path : Path
        The file; it is made if it is missing.
    units : Units
        The units.
    """

    def __init__(self, path: Path, units: Units) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._finalizer = weakref.finalize(self, os.close, descriptor)
        self._descriptor = descriptor
        # Never shortened: another process may have mapped it.
        if os.fstat(descriptor).st_size < 4 * units.n_units:
            os.truncate(descriptor, 4 * units.n_units)
        with open(descriptor, "rb", closefd=False) as file:
            self._values: NDArray[np.uint32] = np.asarray(
                np.memmap(file, "<u4", "r", shape=(units.n_units,))
            )

    def are_set(self, numbers: IntArray) -> BoolArray:
        """Return which units were fetched."""
        is_set: BoolArray = self._values[numbers] != 0
        return is_set

    def set(self, request: Request, content: UInt8Array) -> None:
        """Mark units as fetched; their content must be written before."""
        marks = _marks(request, content)
        write_at(self._descriptor, marks.view(np.uint8), 4 * request.first_unit)

    def clear(self, numbers: IntArray) -> None:
        """Mark successive units as not fetched."""
        nothing: UInt8Array = np.zeros(4 * len(numbers), np.uint8)
        write_at(self._descriptor, nothing, 4 * int(numbers[0]))

    def are_of(self, request: Request, content: UInt8Array) -> bool:
        """Return whether units are what they were when they were marked."""
        end = request.first_unit + request.n_units
        found = self._values[request.first_unit : end]
        return bool((found == _marks(request, content)).all())


def write_at(descriptor: int, content: UInt8Array, offset: int) -> None:
    """Write bytes to a place in a file; all of them, or it is an error.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    left = content.data
    while left:  # a full disk may take a part
        n_bytes = os.pwrite(descriptor, left, offset)
        left, offset = left[n_bytes:], offset + n_bytes


def _marks(request: Request, content: UInt8Array) -> NDArray[np.uint32]:
    """Return the marks of units: their CRC-32C, or 1 where that is 0."""
    pieces = content.reshape(request.n_units, -1)
    values = [google_crc32c.value(piece.tobytes()) or 1 for piece in pieces]
    return np.array(values, "<u4")
