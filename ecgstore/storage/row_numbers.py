"""Take row numbers in every form that readers of a store accept."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.storage.selection import Selection

Rows: TypeAlias = Sequence[int] | IntArray | slice | Selection
"""Row numbers of a store, or what `Store.select` returned."""


def row_numbers(rows: Rows, n_rows: int) -> IntArray:
    """Return row numbers as an array.

    Parameters
    ----------
    rows : sequence of int, ndarray, slice or Selection
        Row numbers, in any order, repeated if wished.
    n_rows : int
        Number of rows that there are.

    Returns
    -------
    ndarray of shape (n,)
        Row numbers, all of them from 0 to ``n_rows - 1``.

    Raises
    ------
    TypeError
        If they are no row numbers.
    IndexError
        If there is no such row.
    """
    if isinstance(rows, Selection):
        return rows.rows
    if isinstance(rows, slice):
        return np.arange(n_rows)[rows]
    numbers = np.asarray(rows)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise TypeError(
            "rows are not row numbers; expected a sequence of whole numbers, such as "
            "store.select(...).rows"
        )
    numbers = numbers.astype(np.int64, copy=False)
    outside = numbers[(numbers < 0) | (numbers >= n_rows)]
    if outside.size:
        raise IndexError(f"no row {outside[0]}; rows go from 0 to {n_rows - 1}")
    return numbers
