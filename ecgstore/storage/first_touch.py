"""Check the rows of a store's signals the first time that they are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgstore.arrays import IntArray, UInt8Array
from ecgstore.errors import SchemaError
from ecgstore.storage.format import schema
from ecgstore.storage.format.native_crc32c import native_crc32c
from ecgstore.storage.tables import Tables


@dataclass(frozen=True, slots=True, eq=False)
class RowCheck:
    """A prepared check of some rows, which kernels do while they gather them.

    Attributes
    ----------
    owner : FirstTouch
        Remembers which rows were checked.
    arguments : tuple
        Arguments for the kernels.
    damaged : ndarray of shape (1,)
        A row that differs from its checksum; -1 if there is none.
    """

    owner: "FirstTouch"
    arguments: tuple[Any, ...]
    damaged: IntArray

    def finish(self) -> None:
        """Raise an error if a row was found to be damaged; called after gathering."""
        if self.damaged[0] >= 0:
            raise self.owner.damage(int(self.damaged[0]))


class FirstTouch:
    """Remembers which rows were compared with their checksums, and compares the others.

    A row is checked whenever it is read until it was found to be intact once. Threads
    share what they have found; other processes check for themselves.

    Parameters
    ----------
    path : Path
        Path of the store, for messages.
    tables : Tables
        Its tables.
    n_rows : int
        Number of its rows.
    """

    def __init__(self, path: Path, tables: Tables, n_rows: int) -> None:
        self._path = path
        self._tables = tables
        self._checked: UInt8Array = np.zeros(n_rows, np.uint8)
        self._crc32c = native_crc32c()

    def check(
        self, file: UInt8Array, rows: IntArray, offsets: IntArray, n_bytes: int
    ) -> RowCheck | None:
        """Prepare to compare rows with their checksums; None if all were before.

        Parameters
        ----------
        file : ndarray of shape (n_file_bytes,)
            The mapped file.
        rows, offsets : ndarray of shape (n_rows,)
            Row numbers, and the offsets of the rows in the file.
        n_bytes : int
            Length of a row.
        """
        if self._checked[rows].all():
            return None
        damaged = np.full(1, -1, np.int64)
        checksums = self._tables[schema.CHECKSUMS][rows]
        arguments = (
            file,
            offsets,
            n_bytes,
            rows,
            checksums,
            self._crc32c.address,
            self._checked,
            damaged,
        )
        return RowCheck(self, arguments, damaged)

    def damage(self, row: int) -> SchemaError:
        """Return the error for a damaged row."""
        name = self._tables[f"{schema.RECORDS}/record_id"][row].decode(errors="replace")
        return damaged_row(self._path, row, name)


def damaged_row(path: Path, row: int, record_id: str) -> SchemaError:
    """Return the error for a row of signals that differs from its checksum."""
    return SchemaError(
        f"{path}: row {row} ({record_id}) is damaged, its signal does not have the "
        "CRC-32C in /checksums; `ecgstore verify` lists all damage: build the store "
        "again or restore it from a copy"
    )
