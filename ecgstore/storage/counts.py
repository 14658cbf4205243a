"""Count values of tables block by block, in little memory."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BytesArray, IntArray
from ecgstore.distinct_texts import distinct

_BLOCK_ROWS: Final = 1 << 16


def blocks(n_rows: int) -> Iterator[slice]:
    """Yield slices that together are all rows."""
    for begin in range(0, n_rows, _BLOCK_ROWS):
        yield slice(begin, min(begin + _BLOCK_ROWS, n_rows))


def text_counts(texts: BytesArray) -> dict[str, int]:
    """Return the number of occurrences of each text, by text in ascending order.

    Bytes that are not UTF-8 are shown as escapes.

    Examples
    --------
    >>> text_counts(np.array([b"ptb", b"ludb", b"ptb"]))
    {'ludb': 1, 'ptb': 2}
    """
    first, numbers = distinct(texts)
    names = [text.decode(errors="backslashreplace") for text in texts[first].tolist()]
    counts = np.bincount(numbers, minlength=len(first))
    return dict(sorted(zip(names, counts.tolist(), strict=True)))


def column_sums(values: NDArray[Any], rows: IntArray | None = None) -> IntArray:
    """Return the sum of every column, of all rows or of some.

    Parameters
    ----------
    values : ndarray of shape (n_records, n_columns)
        Integers or booleans.
    rows : ndarray of shape (n_rows,), optional
        Row numbers; all rows if left out.

    Examples
    --------
    >>> column_sums(np.array([[0, 1], [1, 1], [0, 0]]), np.array([0, 1]))
    array([1, 2])
    """
    sums = np.zeros(values.shape[1], np.int64)
    for block in blocks(len(values) if rows is None else len(rows)):
        part = values[block] if rows is None else values[rows[block]]
        sums += part.sum(axis=0, dtype=np.int64)
    return sums
