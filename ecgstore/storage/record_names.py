"""Find the rows of records by name, and suggest names similar to an unknown one."""

import difflib
import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from ecgstore.arrays import BytesArray, IntArray
from ecgstore.distinct_texts import BLOCK
from ecgstore.storage.byte_texts import decoded

_MAX_COMPARED: Final = 10_000  # comparing with all names of a large store takes seconds

_MAX_PIECES: Final = 64
"""Pieces of ascending names that are searched one by one; more of them are sorted."""


class RecordNames:
    """The names of a store's records, which are unique within a source.

    Those of a collection may be there twice, in two parts.

    Names are searched as bytes, in their table: nothing is made of all of them. Rows of
    a store are sorted by source and name, so there is a piece of ascending names for
    each source; but this is only found, never assumed.

    Parameters
    ----------
    record_ids, sources : ndarray of shape (n_records,)
        Name and source of the record in each row, as UTF-8 bytes.
    where : str
        File and table of the names, for the message of an error.

    Examples
    --------
    >>> ids, sources = [b"1", b"2", b"1"], [b"ludb", b"ludb", b"ptb"]
    >>> names = RecordNames(np.array(ids), np.array(sources), "a.h5: record_id")
    >>> [*names]
    ['ludb/1', '2', 'ptb/1']
    >>> names.rows("1"), names.rows("ptb/1")
    ([0, 2], [2])
    """

    def __init__(self, record_ids: BytesArray, sources: BytesArray, where: str) -> None:
        self._record_ids = record_ids
        self._sources = sources
        self._where = where

    def __iter__(self) -> Iterator[str]:
        """Yield the name of every record, ``source/name`` where sources share it."""
        ordered = self._record_ids[np.argsort(self._record_ids, kind="stable")]
        shared = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
        for begin in range(0, len(self._record_ids), BLOCK):
            block = self._record_ids[begin : begin + BLOCK]
            texts = decoded(block, self._where).tolist()
            for row, (text, name) in enumerate(
                zip(texts, block.tolist(), strict=True), begin
            ):
                yield self.full_name(row) if name in shared else text

    def name(self, row: int) -> str:
        """Return the name of the record in a row, as iterating yields it."""
        record_id = self._text(self._record_ids, row)
        return record_id if len(self._called(record_id)) == 1 else self.full_name(row)

    def full_name(self, row: int) -> str:
        """Return ``source/name`` of the record in a row."""
        return f"{self._text(self._sources, row)}/{self._text(self._record_ids, row)}"

    def rows(self, name: str) -> list[int]:
        """Return the rows of the records called ``name`` or ``source/name``."""
        rows = self._called(name)
        slash = name.find("/")
        while slash != -1:  # names may be paths
            source, record_id = _encoded(name[:slash]), name[slash + 1 :]
            rows += [
                row for row in self._called(record_id) if self._sources[row] == source
            ]
            slash = name.find("/", slash + 1)
        return rows

    def hint(self, name: str) -> str:
        """Return advice for a name that no single record has."""
        rows = self.rows(name)
        full_names = [*map(self.full_name, rows)]
        if len({*full_names}) < len(rows):  # in collections
            return (
                f"rows {', '.join(map(str, rows))} are of one source: read them by "
                f"their numbers, such as store.signals([{rows[0]}])"
            )
        if rows:
            return f"expected one of {', '.join(full_names)}"
        record_id = name.rpartition("/")[2]
        candidates: dict[str, None] = {}  # ordered, each name once
        same_but_case: dict[str, None] = {}
        for known in self._that_begin_like(record_id):
            if len(candidates) < _MAX_COMPARED:
                candidates[known] = None
            if known.casefold() == record_id.casefold():
                same_but_case[known] = None
        similar = [*same_but_case] or difflib.get_close_matches(
            record_id, [*candidates]
        )
        if similar:
            return f"did you mean {', '.join(similar)}?"
        return "`ecgstore info --records` lists all names"

    def _that_begin_like(self, record_id: str) -> Iterator[str]:
        """Yield names of nearly the same length with the same first letter."""
        first = record_id[:1].casefold()
        # Only a name that begins outside ASCII, if any, must be decoded to know.
        may_begin = np.array(
            [
                code in (0, *range(128, 256)) or chr(code).casefold() == first
                for code in range(256)
            ]
        )
        for begin in range(0, len(self._record_ids), BLOCK):
            block = self._record_ids[begin : begin + BLOCK]
            bytes_of = np.ascontiguousarray(block).view(np.uint8)
            first_bytes = bytes_of.reshape(len(block), -1)[:, 0]
            for known in decoded(block[may_begin[first_bytes]], self._where).tolist():
                is_near = abs(len(known) - len(record_id)) <= 2
                if is_near and known[:1].casefold() == first:
                    yield known

    def _called(self, record_id: str) -> list[int]:
        """Return the rows of the records of a name, without source, increasing."""
        encoded = _encoded(record_id)
        too_long = len(encoded) > self._record_ids.dtype.itemsize
        if too_long or encoded.endswith(b"\0"):  # NumPy takes no notice of a last zero
            return []
        # Of the type of the table: NumPy would convert the table to another one.
        key: Any = np.array(encoded, self._record_ids.dtype)
        rows: list[int] = []
        for ascending, rows_of in self._pieces:
            begin = int(np.searchsorted(ascending, key, "left"))
            end = int(np.searchsorted(ascending, key, "right"))
            rows += map(int, rows_of[begin:end])
        return rows

    @cached_property
    def _pieces(self) -> list[tuple[BytesArray, Sequence[int] | IntArray]]:
        """Pieces of ascending names, and the rows of their records."""
        names = self._record_ids
        falls = np.flatnonzero(names[1:] < names[:-1]) + 1
        if len(falls) >= _MAX_PIECES:
            order = np.argsort(names, kind="stable")
            return [(names[order], order)]
        bounds = [0, *falls.tolist(), len(names)]
        return [
            (names[begin:end], range(begin, end))
            for begin, end in itertools.pairwise(bounds)
        ]

    def _text(self, texts: BytesArray, row: int) -> str:
        """Return the text of one row."""
        return str(decoded(texts[row : row + 1], self._where)[0])


def _encoded(text: str) -> bytes:
    """Return a text as UTF-8; half of a surrogate pair as bytes that no name has."""
    return text.encode(errors="surrogatepass")
