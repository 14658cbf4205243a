"""Compare fetched signals with the checksums of their store."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray, UInt8Array
from ecgstore.storage.byte_source import ByteSource
from ecgstore.storage.remote.units import Request

_ALL_BYTES: Final = 16 << 20
"""Bytes of checksums of blocks up to which all of them are fetched at once."""


@dataclass(frozen=True, slots=True)
class Checksums:
    """A table of checksums.

    Attributes
    ----------
    content : ByteSource
        The file that it is in: that of the signals, or the collection of its parts.
    begin, row_bytes : int
        Offset of the first row, and bytes of each.
    """

    content: ByteSource
    begin: int
    row_bytes: int

    def row(self, row: int) -> NDArray[np.uint32]:
        """Return the checksums of a row, which must be there."""
        begin = self.begin + row * self.row_bytes
        content = self.content.bytes[begin : begin + self.row_bytes]
        values: NDArray[np.uint32] = content.view("<u4")
        return values


@dataclass(frozen=True, slots=True)
class SignalUnits:
    """Which units of a file are signals.

    Attributes
    ----------
    first, n_rows, per_row, row_bytes : int
        Number of the first one, number of rows, and units and bytes of a row.
    """

    first: int
    n_rows: int
    per_row: int
    row_bytes: int

    @property
    def end(self) -> int:
        """Number behind the last one."""
        return self.first + self.n_rows * self.per_row


class SignalCheck:
    """Knows which units are signals, and what their CRC-32C are.

    Whole rows are compared with `/checksums`, parts of them with `/block_checksums`.

    Parameters
    ----------
    signals : SignalUnits
        The units.
    rows, blocks : Checksums
        The checksums of rows and of their blocks; the latter in the file itself.
    fetch_rows : callable
        Fetches all checksums of rows, and compares them with their digest.
    """

    def __init__(
        self,
        signals: SignalUnits,
        rows: Checksums,
        blocks: Checksums,
        fetch_rows: Callable[[], object],
    ) -> None:
        self._signals = signals
        self._rows = rows
        self._blocks = blocks
        self._fetch_rows: Callable[[], object] | None = fetch_rows

    @property
    def place(self) -> int:
        """Where the checksums of blocks begin in the file of the signals."""
        return self._blocks.begin

    def prepare(self, numbers: IntArray) -> None:
        """Fetch the checksums of some units."""
        signals = self._signals
        numbers = numbers[(numbers >= signals.first) & (numbers < signals.end)]
        if not len(numbers):
            return
        rows, counts = np.unique(
            (numbers - signals.first) // signals.per_row, return_counts=True
        )
        fetch_rows = self._fetch_rows
        if (counts == signals.per_row).any() and fetch_rows is not None:
            fetch_rows()
            self._fetch_rows = None  # once
        parts = rows[counts < signals.per_row]
        if not len(parts):
            return
        blocks = self._blocks
        n_bytes = signals.n_rows * blocks.row_bytes
        if n_bytes <= _ALL_BYTES:
            blocks.content.need(np.array([blocks.begin]), n_bytes)
        else:
            blocks.content.need(
                blocks.begin + parts * blocks.row_bytes, blocks.row_bytes
            )

    def doubtful(self, request: Request) -> tuple[int, int]:
        """Return where the checksums of a request are that nothing has checked.

        Those of whole rows have a digest.

        Returns
        -------
        begin, end : int
            Their place in the file of the signals; equal if there are none.
        """
        signals, blocks = self._signals, self._blocks
        begin = request.first_unit - signals.first
        end = begin + request.n_units
        if not self.knows(request.first_unit) or not (
            begin % signals.per_row or end % signals.per_row
        ):
            return 0, 0
        first, last = begin // signals.per_row, (end - 1) // signals.per_row
        return (
            blocks.begin + first * blocks.row_bytes,
            blocks.begin + (last + 1) * blocks.row_bytes,
        )

    def knows(self, first_unit: int) -> bool:
        """Return whether a unit is of the signals."""
        return self._signals.first <= first_unit < self._signals.end

    def is_intact(self, first_unit: int, content: UInt8Array) -> bool:
        """Return whether successive units are what the checksums say.

        Units of other tables, which have no checksums of their own, count as intact.
        """
        if not self.knows(first_unit):
            return True
        signals = self._signals
        unit = first_unit - signals.first
        row_bytes = signals.row_bytes
        unit_bytes = row_bytes // signals.per_row
        begin = 0
        while begin < len(content):
            row, part = divmod(unit, signals.per_row)
            if part == 0 and begin + row_bytes <= len(content):
                piece = content[begin : begin + row_bytes]
                expected = self._rows.row(row)[0]
            else:
                piece = content[begin : begin + unit_bytes]
                expected = self._blocks.row(row)[part]
            if google_crc32c.value(piece.tobytes()) != expected:
                return False
            begin += len(piece)
            unit += len(piece) // unit_bytes
        return True
