"""Find a part of the names of records and patients, in bytes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, UInt8Array


def holding(texts: NDArray[Any], part: str) -> BoolArray:
    """Return which texts hold a part; A to Z equal a to z.

    Parameters
    ----------
    texts : ndarray of shape (n,)
        UTF-8 bytes.
    part : str
        What is searched, not empty.

    Examples
    --------
    >>> holding(np.array([b"HR00001", b"A0001", b""]), "hr0")
    array([ True, False, False])
    """
    letters = np.ascontiguousarray(texts).view(np.uint8).reshape(len(texts), -1)
    low, high = part.encode().lower(), part.encode().upper()
    found = np.zeros(len(texts), bool)
    for begin in range(letters.shape[1] - len(low) + 1):
        # Most rows are decided by the first letter.
        rows = np.flatnonzero(_is_letter(letters[:, begin], low[0], high[0]) & ~found)
        for place in range(1, len(low)):
            of_rows = letters[rows, begin + place]
            rows = rows[_is_letter(of_rows, low[place], high[place])]
        found[rows] = True
    return found


def _is_letter(letters: UInt8Array, low: int, high: int) -> BoolArray:
    """Return where a letter is, in lower or upper case."""
    found: BoolArray = letters == low
    return found if low == high else found | (letters == high)
