"""The units in which a file is fetched: rows, parts of signals, columns, the rest."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.storage.format.schema import CHECKED_SAMPLES

MOST_BYTES: Final = 8 << 20
"""Bytes of a request: as large as one answer may be without delaying others."""

BLOCK_ROWS: Final = 8
"""Rows of a block of the order that loaders shuffle stores at URLs in. No request ends
within one, so that each block comes with one request."""

_LARGEST_UNIT: Final = 1 << 30
"""Bytes of a row; a larger one is no ECG, and is in memory while it is fetched."""


class Region(NamedTuple):
    """A part of a file that is divided into units of one size.

    Attributes
    ----------
    begin : int
        Offset of its first byte.
    unit_bytes, n_units : int
        Size and number of its units.
    at_once : int
        Most units that one request fetches; counted from the first one, so that units
        that belong together, as those of a row, are in one request.
    """

    begin: int
    unit_bytes: int
    n_units: int
    at_once: int

    @property
    def end(self) -> int:
        """Offset behind its last byte."""
        return self.begin + self.unit_bytes * self.n_units


def region(begin: int, row_bytes: int, n_rows: int, *, per_row: int = 1) -> Region:
    """Return the region of a table that is fetched by rows, or by parts of rows.

    Parameters
    ----------
    begin, row_bytes, n_rows : int
        Where the table is.
    per_row : int
        Units of a row, which it can be divided into evenly.
    """
    rows_at_once = max(1, MOST_BYTES // max(1, row_bytes))
    if rows_at_once > BLOCK_ROWS:
        rows_at_once -= rows_at_once % BLOCK_ROWS
    return Region(begin, row_bytes // per_row, n_rows * per_row, rows_at_once * per_row)


def signal_region(begin: int, row_bytes: int, shape: tuple[int, ...]) -> Region:
    """Return the region of signals, in units that have a checksum.

    Parameters
    ----------
    begin, row_bytes : int
        Where they are.
    shape : tuple of int
        Number of rows, leads and samples.
    """
    n_rows, n_leads, n_samples = shape
    n_blocks, rest = divmod(n_samples, CHECKED_SAMPLES)
    return region(begin, row_bytes, n_rows, per_row=1 if rest else n_leads * n_blocks)


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """All units of a file, numbered from its beginning; they cover every byte.

    Attributes
    ----------
    begins, sizes, first, at_once : ndarray of shape (n_regions,)
        Offset of each region, bytes of its units, number of the first one, and most of
        them in a request.
    n_units : int
        Number of all units.
    """

    begins: IntArray
    sizes: IntArray
    first: IntArray
    at_once: IntArray
    n_units: int

    @classmethod
    def of(cls, regions: Iterable[Region], n_bytes: int) -> "Units":
        """Return the units of some regions, and of the gaps between them.

        Raises
        ------
        ValueError
            If regions overlap, or lie beyond the end of the file.
        """
        every: list[Region] = []
        end = 0
        for one in sorted(one for one in regions if one.n_units and one.unit_bytes):
            if one.begin < end or one.end > n_bytes:
                raise ValueError(f"bytes {one.begin} to {one.end} of {n_bytes}")
            if one.unit_bytes > _LARGEST_UNIT:
                raise ValueError(f"a row of {one.unit_bytes} bytes")
            every += [*_gaps(end, one.begin), one]
            end = one.end
        every += _gaps(end, n_bytes)
        begins, sizes, counts, at_once = np.array(every, np.int64).T.copy()
        first = np.cumsum(counts) - counts
        return cls(begins, sizes, first, at_once, int(counts.sum()))

    def numbers_at(self, offsets: IntArray) -> IntArray:
        """Return the units that hold the bytes at some offsets."""
        place = np.searchsorted(self.begins, offsets, side="right") - 1
        numbers: IntArray = (
            self.first[place] + (offsets - self.begins[place]) // self.sizes[place]
        )
        return numbers

    def region_of(self, begin: int, end: int) -> int:
        """Return the number of the region that a range lies in; -1 for several."""
        first, last = np.searchsorted(self.begins, [begin, end - 1], side="right") - 1
        return int(first) if first == last else -1

    def bounds_of(self, region: int) -> tuple[int, int]:
        """Return begin and end of a region."""
        begin, size = int(self.begins[region]), int(self.sizes[region])
        return begin, begin + size * int(self.counts[region])

    def place_of(self, unit: int) -> int:
        """Return the number of the region of a unit."""
        return int(np.searchsorted(self.first, unit, side="right")) - 1

    def n_within(self, n_bytes: int) -> int:
        """Return how many units lie in the first bytes as a whole."""
        last = self.numbers_at(np.array([n_bytes - 1]))
        is_whole = self.bounds(last)[1] <= n_bytes
        return int(last[0] + is_whole[0])

    @property
    def counts(self) -> IntArray:
        """Number of the units of each region."""
        return np.diff(self.first, append=self.n_units)

    def of_ranges(self, offsets: IntArray, n_bytes: int) -> IntArray:
        """Return the units that hold ranges of one length, in ascending order."""
        first = self.numbers_at(offsets)
        last = self.numbers_at(offsets + (n_bytes - 1))
        counts = last - first + 1
        ends = np.cumsum(counts)
        within = np.arange(int(ends[-1]) if len(ends) else 0)
        within -= np.repeat(ends - counts, counts)
        return np.unique(np.repeat(first, counts) + within)

    def bounds(self, numbers: IntArray) -> tuple[IntArray, IntArray]:
        """Return begin and end of units."""
        place = np.searchsorted(self.first, numbers, side="right") - 1
        begins = self.begins[place] + (numbers - self.first[place]) * self.sizes[place]
        return begins, begins + self.sizes[place]


class Request(NamedTuple):
    """A range of bytes that one request fetches, and the units that it holds."""

    begin: int
    end: int
    first_unit: int
    n_units: int


def requests_for(units: Units, numbers: IntArray) -> list[Request]:
    """Return as few requests as possible for some units.

    Parameters
    ----------
    units : Units
        All units of the file.
    numbers : ndarray
        The units to fetch, ascending.
    """
    if not len(numbers):
        return []
    begins, ends = units.bounds(numbers)
    place = np.searchsorted(units.first, numbers, side="right") - 1
    group = (numbers - units.first[place]) // units.at_once[place]
    is_start = np.ones(len(numbers), bool)
    is_start[1:] = (
        (begins[1:] != ends[:-1]) | (np.diff(place) != 0) | (np.diff(group) != 0)
    )
    starts = np.flatnonzero(is_start)
    stops = np.append(starts[1:], len(numbers))
    return [
        Request(int(begins[a]), int(ends[b - 1]), int(numbers[a]), b - a)
        for a, b in zip(starts.tolist(), stops.tolist(), strict=True)
    ]


def _gaps(begin: int, end: int) -> Iterator[Region]:
    """Yield bytes that belong to no table, in units of a request."""
    n_whole, rest = divmod(end - begin, MOST_BYTES)
    if n_whole:
        yield Region(begin, MOST_BYTES, n_whole, 1)
    if rest:
        yield Region(end - rest, rest, 1, 1)
