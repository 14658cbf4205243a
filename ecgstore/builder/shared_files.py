"""Find records that are read from the same signal file."""

import hashlib
import json
import os
from array import array
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgstore.arrays import IntArray
from ecgstore.builder.entry import Entry
from ecgstore.sources import file_of, known_formats

_NO_FILE: Final = "~"  # in a header of WFDB, in place of a file


def link_shared_files(entries: Iterable[Entry], same: IntArray) -> IntArray:
    """Return for each record the first one of its ECG, also if they share only a part.

    Multi-segment records may name one segment, and several headers one signal file.
    Such records are linked, whichever part of the file each of them reads: the length
    of a compressed part is unknown, and excerpts of one file are most probably of one
    recording. Headers, such as a layout that many records name, hold no samples and
    link nothing.

    Parameters
    ----------
    entries : iterable of Entry
        The records in the order of the rows. 16 bytes are kept of each signal file.
    same : ndarray of shape (n_records,)
        For each record the index of one that holds the same ECG, or its own index.

    Returns
    -------
    ndarray of shape (n_records,)
        Index of the first record that is linked with each one, by `same` or by files.
    """
    formats = known_formats()
    keys, readers = array("Q"), array("q")
    for row, entry in enumerate(entries):
        if file_of(entry.path) != entry.path:
            continue  # one of many in an array: to be in one file says nothing
        folder = PurePosixPath(entry.path).parent
        for name in json.loads(entry.files):
            # The suffix on the disk may be in the other case.
            stem, suffix = os.path.splitext(name)
            if suffix.lower() not in formats and name != _NO_FILE:
                keys.append(_key(f"{folder}/{stem}{suffix.lower()}"))
                readers.append(row)
    files, rows = np.array(keys, np.uint64), np.array(readers, np.int64)
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


def _key(path: str) -> int:
    """Return 64 bits that stand for a path."""
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest())
