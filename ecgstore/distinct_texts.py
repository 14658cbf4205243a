"""Number the distinct texts of a long array, without a Python object per element."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BytesArray, IntArray, UInt64Array

BLOCK: Final = 1 << 14
"""Elements that are worked on at a time: they stay in the cache of the processor."""

_WORD_BYTES: Final = 8
_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(32)


def distinct(texts: NDArray[Any]) -> tuple[IntArray, IntArray]:
    """Return where every distinct text occurs, and which of them each element is.

    Parameters
    ----------
    texts : ndarray of shape (n,)
        Bytes of a fixed width, as HDF5 files hold them, or str.

    Returns
    -------
    first : ndarray of shape (n_distinct,)
        An index of each distinct text, in no particular order.
    numbers : ndarray of shape (n,)
        Position in `first` of the text of every element: ``texts[first][numbers]``
        equals `texts`.

    Examples
    --------
    >>> texts = np.array([b"ptb", b"ptb", b"ludb"])
    >>> first, numbers = distinct(texts)
    >>> texts[first][numbers].tolist()
    [b'ptb', b'ptb', b'ludb']

    Notes
    -----
    Equal neighbours count once, so a column in runs, such as the source of records that
    are sorted by it, costs one comparison per element. Elements are then told apart by
    64-bit digests, and every element is compared with the one that stands for it: two
    texts of one digest would be noticed.
    """
    if texts.dtype.kind != "S":
        return _by_keys(texts.astype(object))
    starts = run_starts(texts)
    if len(starts) > len(texts) // 2:
        return _distinct_bytes(texts)
    first, of_runs = _distinct_bytes(texts[starts])
    lengths = np.diff(starts, append=len(texts))
    return starts[first], np.repeat(of_runs, lengths)


def run_starts(values: NDArray[Any]) -> IntArray:
    """Return the indices of elements that differ from the one before them.

    Examples
    --------
    >>> run_starts(np.array([b"a", b"a", b"b", b"a"]))
    array([0, 2, 3])
    """
    differs = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=differs[1:])
    return np.flatnonzero(differs)


def _distinct_bytes(texts: BytesArray) -> tuple[IntArray, IntArray]:
    """Return `distinct` of bytes by their digests, or by sorting if two collide."""
    first, numbers = _by_keys(_digests(texts))
    for begin in range(0, len(texts), BLOCK):
        block = slice(begin, begin + BLOCK)
        if (texts[first[numbers[block]]] != texts[block]).any():
            _, first, numbers = np.unique(texts, return_index=True, return_inverse=True)
            break
    return first, numbers


def _by_keys(keys: NDArray[Any]) -> tuple[IntArray, IntArray]:
    """Return where every distinct key first occurs, and the number of each key."""
    import pandas as pd  # its hash table: seconds faster than sorting ten million

    numbers, values = pd.factorize(keys)
    first = np.empty(len(values), np.int64)
    backwards = np.arange(len(keys))[::-1]
    first[numbers[backwards]] = backwards  # the last write stays: the first index
    return first, numbers


def _digests(texts: BytesArray) -> UInt64Array:
    """Return a 64-bit digest of each text."""
    n_words = max(1, -(-texts.dtype.itemsize // _WORD_BYTES))
    digests = np.empty(len(texts), np.uint64)
    for begin in range(0, len(texts), BLOCK):
        block = slice(begin, begin + BLOCK)
        padded = texts[block].astype(f"S{n_words * _WORD_BYTES}")
        words = padded.view(np.uint64).reshape(-1, n_words)  # (n_in_block, n_words)
        digest = digests[block]
        digest[:] = words[:, 0]
        for word in words.T[1:]:
            digest *= _FACTOR
            digest ^= digest >> _SHIFT
            digest += word
    return digests
