"""Compare fetched signals with the checksums of their store."""

from dataclasses import dataclass
from typing import Final

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray, UInt8Array
from ecgstore.storage.byte_source import ByteSource

_ALL_BYTES: Final = 16 << 20
"""Bytes of checksums of blocks up to which all of them are fetched at once."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table of checksums is in the file.

    Attributes
    ----------
    begin, row_bytes : int
        Offset of the first row, and bytes of each.
    """

    begin: int
    row_bytes: int


class SignalCheck:
    """Knows which units are signals, and what their CRC-32C are.

    Whole rows are compared with `/checksums`, parts of them with `/block_checksums`.

    Parameters
    ----------
    content : ByteSource
        The bytes of the store.
    first_unit, n_rows, per_row, row_bytes : int
        Number of the first unit of the signals, number of rows, and units and bytes of
        a row.
    rows, blocks : Place
        The checksums of rows and of their blocks.
    """

    def __init__(
        self,
        content: ByteSource,
        first_unit: int,
        n_rows: int,
        per_row: int,
        row_bytes: int,
        rows: Place,
        blocks: Place,
    ) -> None:
        self._content = content
        self._first = first_unit
        self._end = first_unit + n_rows * per_row
        self._n_rows = n_rows
        self._per_row = per_row
        self._row_bytes = row_bytes
        self._rows = rows
        self._blocks = blocks

    def prepare(self, numbers: IntArray) -> None:
        """Fetch the checksums of some units."""
        numbers = numbers[(numbers >= self._first) & (numbers < self._end)]
        if not len(numbers):
            return
        rows, counts = np.unique(
            (numbers - self._first) // self._per_row, return_counts=True
        )
        if (counts == self._per_row).any():
            n_bytes = self._n_rows * self._rows.row_bytes
            self._content.need(np.array([self._rows.begin]), n_bytes)
        parts = rows[counts < self._per_row]
        if not len(parts):
            return
        n_bytes = self._n_rows * self._blocks.row_bytes
        if n_bytes <= _ALL_BYTES:
            self._content.need(np.array([self._blocks.begin]), n_bytes)
        else:
            offsets = self._blocks.begin + parts * self._blocks.row_bytes
            self._content.need(offsets, self._blocks.row_bytes)

    def knows(self, first_unit: int) -> bool:
        """Return whether a unit is of the signals."""
        return self._first <= first_unit < self._end

    def is_intact(self, first_unit: int, content: UInt8Array) -> bool:
        """Return whether successive units are what the checksums say.

        Units of other tables, which have no checksums of their own, count as intact.
        """
        if not self.knows(first_unit):
            return True
        unit = first_unit - self._first
        row_bytes = self._row_bytes
        unit_bytes = row_bytes // self._per_row
        begin = 0
        while begin < len(content):
            row, part = divmod(unit, self._per_row)
            if part == 0 and begin + row_bytes <= len(content):
                piece = content[begin : begin + row_bytes]
                expected = self._stored(self._rows, row)[0]
            else:
                piece = content[begin : begin + unit_bytes]
                expected = self._stored(self._blocks, row)[part]
            if google_crc32c.value(piece.tobytes()) != expected:
                return False
            begin += len(piece)
            unit += len(piece) // unit_bytes
        return True

    def _stored(self, place: Place, row: int) -> NDArray[np.uint32]:
        """Return the checksums of a row."""
        begin = place.begin + row * place.row_bytes
        values: NDArray[np.uint32] = self._content.bytes[
            begin : begin + place.row_bytes
        ].view("<u4")
        return values
