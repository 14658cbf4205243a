"""Where fetched bytes are put: into a file of the cache, or into memory."""

import mmap
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from ecgstore.arrays import BoolArray, IntArray, UInt8Array
from ecgstore.errors import EcgStoreError
from ecgstore.storage.byte_source import IN_MEMORY
from ecgstore.storage.remote.cache import Entry, cannot_be_written
from ecgstore.storage.remote.marks import Marks, write_at
from ecgstore.storage.remote.units import Request, Units


class Copy(Protocol):
    """The bytes of an object, with holes where nothing was fetched.

    Attributes
    ----------
    path : Path
        A name under which the HDF5 library opens it.
    bytes : ndarray of uint8
        All of them, mapped into memory.
    """

    path: Path
    bytes: UInt8Array

    def are_set(self, numbers: IntArray) -> BoolArray:
        """Return which units are there from an earlier time."""

    def are_of(self, request: Request, content: UInt8Array) -> bool:
        """Return whether such units are what was written."""

    def write(self, request: Request, content: UInt8Array) -> None:
        """Write units.

        Raises
        ------
        EcgStoreError
            If there is no room for them.
        """

    def clear(self, numbers: IntArray) -> None:
        """Note that successive units are not there."""

    def close(self) -> None:
        """Release the file; the map ends with the last view of it."""


class DiskCopy:
    """A copy in the cache, which processes share, and which stays there.

    Parameters
    ----------
    entry : Entry
        Its files.
    units : Units
        The units of the object.
    """

    def __init__(self, entry: Entry, units: Units) -> None:
        self.path = entry.data
        self._descriptor = entry.descriptor
        self._finalizer = weakref.finalize(self, os.close, self._descriptor)
        # Not by its path, where another file may be by now.
        with open(entry.descriptor, "rb", closefd=False) as file:
            self.bytes: UInt8Array = np.asarray(np.memmap(file, np.uint8, "r"))
        self._marks = Marks(entry.marks, units)
        self.are_set = self._marks.are_set
        self.are_of = self._marks.are_of
        self.clear = self._marks.clear

    def write(self, request: Request, content: UInt8Array) -> None:
        """Write units, and mark them then; see `Copy`."""
        try:
            write_at(self._descriptor, content, request.begin)
            self._marks.set(request, content)
        except OSError as error:
            raise cannot_be_written(self.path, error) from error

    def close(self) -> None:
        """Release the file; the entry may be removed then."""
        self._finalizer()


class MemoryCopy:
    """A copy in memory, of which rows that were read are dropped again.

    Parameters
    ----------
    name : str
        A name for the system's lists.
    n_bytes : int
        Size of the object.

    Raises
    ------
    EcgStoreError
        If the system has no files in memory, as only Linux has.
    """

    def __init__(self, name: str, n_bytes: int) -> None:
        if not hasattr(os, "memfd_create"):
            raise EcgStoreError(
                f"{name}: cannot be read without a cache on this system; leave out "
                "cache=None, or set ECGSTORE_CACHE to a folder"
            )
        descriptor = os.memfd_create(f"ecgstore {name}"[:200])
        self._finalizer = weakref.finalize(self, os.close, descriptor)
        self._descriptor = descriptor
        self.path = IN_MEMORY / str(descriptor)
        os.truncate(descriptor, n_bytes)
        self._map = mmap.mmap(descriptor, n_bytes)
        self.bytes: UInt8Array = np.frombuffer(self._map, np.uint8)
        self.bytes.flags.writeable = False

    def are_set(self, numbers: IntArray) -> BoolArray:
        """Return that no unit is there from an earlier time."""
        return np.zeros(len(numbers), np.bool_)

    def are_of(self, request: Request, content: UInt8Array) -> bool:
        """Return that no unit was written at an earlier time."""
        return False

    def write(self, request: Request, content: UInt8Array) -> None:
        """Write units; see `Copy`."""
        write_at(self._descriptor, content, request.begin)

    def clear(self, numbers: IntArray) -> None:
        """Do nothing: what is there is not noted."""

    def drop(self, begin: int, end: int) -> None:
        """Give memory back; both offsets are multiples of the size of a page."""
        if begin < end:
            self._map.madvise(mmap.MADV_REMOVE, begin, end - begin)

    def close(self) -> None:
        """Release the file; its memory is free when the last view of it is deleted."""
        self._finalizer()


class Rows:
    """The fetched rows of one copy in memory: which of them are held, or stay.

    All calls come one at a time.

    Parameters
    ----------
    copy : MemoryCopy
        Where the rows are.
    units : Units
        The units of the object.
    """

    def __init__(self, copy: MemoryCopy, units: Units) -> None:
        self._copy = copy
        self._units = units
        self._stays = units.counts == 1  # columns
        self._n_holders = np.zeros(units.n_units, np.uint16)

    def keep(self, unit: int) -> None:
        """Let the table of a unit stay for ever, as columns do."""
        self._stays[self._units.place_of(unit)] = True

    def hold(self, numbers: IntArray) -> None:
        """Keep units until they are released as often as they were held."""
        self._n_holders[numbers] += 1

    def release(self, numbers: IntArray) -> None:
        """Allow units to be dropped that were held."""
        self._n_holders[numbers] -= 1

    def stays(self, request: Request) -> bool:
        """Return whether what a request has brought stays for ever."""
        return bool(self._stays[self._units.place_of(request.first_unit)])

    def is_held(self, request: Request) -> bool:
        """Return whether some of a request is being read."""
        units = slice(request.first_unit, request.first_unit + request.n_units)
        return bool(self._n_holders[units].any())

    def drop(self, request: Request, is_there: Callable[[IntArray], bool]) -> None:
        """Give the memory of a request back, without pages that others are on.

        Parameters
        ----------
        request : Request
            What is dropped.
        is_there : callable
            Whether any of some units is there, or may arrive at any moment.
        """
        page = mmap.PAGESIZE
        begin, end = request.begin // page * page, -(-request.end // page) * page
        if self._is_used(begin, request.begin, is_there):
            begin += page
        if self._is_used(request.end, min(end, len(self._copy.bytes)), is_there):
            end -= page
        self._copy.drop(begin, end)

    def _is_used(
        self, begin: int, end: int, is_there: Callable[[IntArray], bool]
    ) -> bool:
        """Return whether there is something in a range."""
        if begin >= end:
            return False
        return is_there(self._units.of_ranges(np.array([begin]), end - begin))
