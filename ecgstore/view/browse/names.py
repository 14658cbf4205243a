"""Find a part of the names of records and patients, in bytes."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, UInt8Array

_LOWER: Final = np.frombuffer(bytes(range(256)).lower(), np.uint8)


def lowered(texts: NDArray[Any]) -> UInt8Array:
    """Return texts as bytes, of shape (width, n), A to Z in lower case."""
    width = texts.dtype.itemsize
    view = np.ascontiguousarray(texts).view(np.uint8).reshape(len(texts), width)
    # Each place of all texts lies together: most is decided by the first one.
    return np.ascontiguousarray(_LOWER[view].T)


def holding(texts: UInt8Array, part: str) -> BoolArray:
    """Return which texts hold a part; A to Z equal a to z.

    Parameters
    ----------
    texts : ndarray of shape (width, n)
        As returned by `lowered`.
    part : str
        What is searched.

    Examples
    --------
    >>> holding(lowered(np.array([b"HR00001", b"A0001", b""])), "hr0")
    array([ True, False, False])
    """
    wanted = part.encode().lower()
    found = np.zeros(texts.shape[1], bool)
    for begin in range(len(texts) - len(wanted) + 1):
        rows = np.flatnonzero((texts[begin] == wanted[0]) & ~found)
        for place, letter in enumerate(wanted[1:], begin + 1):
            if not len(rows):
                break
            rows = rows[texts[place, rows] == letter]
        found[rows] = True
    return found
