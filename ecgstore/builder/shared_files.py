"""Find records that are read from the same signal file."""

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgstore.arrays import IntArray
from ecgstore.builder.entry import Entry, Found
from ecgstore.sources import file_of, known_formats

_NO_FILE: Final = "~"  # in a header of WFDB, in place of a file


class SharedFiles:
    """Which records are read from which signal files.

    Multi-segment records may name one segment, and several headers one signal file.
    Such records are linked, whichever part of the file each of them reads: the length
    of a compressed part is unknown, and excerpts of one file are most probably of one
    recording. Headers, such as a layout that many records name, hold no samples and
    link nothing.
    """

    def __init__(self) -> None:
        self._keys, self._rows = array("Q"), array("q")  # 16 bytes a file
        self._n_records = 0

    def add(self, records: Sequence[Entry | Found]) -> None:
        """Add the files of the next records, in the order of the rows."""
        names_of = json.loads(f"[{','.join(record.files for record in records)}]")
        for record, names in zip(records, names_of, strict=True):
            for path in _signal_files(record.path, names):
                self._keys.append(_key(path))
                self._rows.append(self._n_records)
            self._n_records += 1

    def link(self, same: IntArray) -> IntArray:
        """Return for each record the first one of its ECG, or that shares a file.

        Parameters
        ----------
        same : ndarray of shape (n_records,)
            For each record the index of one that holds the same ECG, or its own index.

        Returns
        -------
        ndarray of shape (n_records,)
            Index of the first record that is linked with each one, by `same` or by
            files.
        """
        files, rows = np.array(self._keys, np.uint64), np.array(self._rows, np.int64)
        order = np.argsort(files, kind="stable")
        is_shared = np.diff(files[order]) == 0
        one, other = rows[order][:-1][is_shared], rows[order][1:][is_shared]
        n = len(same)
        links = coo_array(
            (
                np.ones(n + len(one), np.int8),
                (np.concatenate([np.arange(n), one]), np.concatenate([same, other])),
            ),
            shape=(n, n),
        )
        groups = connected_components(links, directed=False)[1]
        first: IntArray = np.unique(groups, return_index=True)[1][groups]
        return first


def _signal_files(path: str, names: list[str]) -> Iterator[str]:
    """Yield the paths of a record's files that hold samples.

    A record that is one of many in an array has none: to be in one file says nothing.
    """
    formats = known_formats()
    folder = path.rpartition("/")[0]
    if _suffix(folder) in formats and file_of(path) != path:
        return
    for name in names:
        # The suffix on the disk may be in the other case.
        suffix = _suffix(name)
        if suffix not in formats and name != _NO_FILE:
            yield f"{folder}/{name[: len(name) - len(suffix)]}{suffix}"


def _suffix(name: str) -> str:
    """Return what is behind the last dot of a name, with it, in small letters."""
    at = name.rfind(".")
    return name[at:].lower() if at > 0 else ""


def _key(path: str) -> int:
    """Return 64 bits that stand for a path."""
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest())
