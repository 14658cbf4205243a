"""Convert row numbers in every form that readers of a store accept to an array."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from ecgstore.arrays import IntArray


@runtime_checkable
class HasRows(Protocol):
    """An object that holds row numbers, such as a `Selection`."""

    @property
    def rows(self) -> IntArray:
        """Row numbers of shape (n_rows,)."""


Rows: TypeAlias = Sequence[int] | IntArray | slice | HasRows
"""Row numbers of a store, or a `Selection`."""


def row_numbers(rows: Rows, n_rows: int) -> IntArray:
    """Return row numbers as an array.

    Parameters
    ----------
    rows : sequence of int, ndarray, slice or Selection
        Row numbers in any order; rows may be repeated.
    n_rows : int
        Number of rows of the store.

    Returns
    -------
    ndarray of shape (n,)
        Row numbers from 0 to ``n_rows - 1``.

    Raises
    ------
    TypeError
        If the rows are not integers in one dimension.
    IndexError
        If a row is not in the store.

    Examples
    --------
    >>> row_numbers([2, 0, 2], n_rows=3), row_numbers(slice(1, None), n_rows=3)
    (array([2, 0, 2]), array([1, 2]))
    """
    if isinstance(rows, slice):
        return np.arange(n_rows)[rows]
    numbers = np.asarray(rows.rows if isinstance(rows, HasRows) else rows)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise TypeError(
            "rows must be a 1-D integer array, such as np.flatnonzero(...); got dtype "
            f"{numbers.dtype} of shape {numbers.shape}"
        )
    numbers = numbers.astype(np.int64, copy=False)
    outside = numbers[(numbers < 0) | (numbers >= n_rows)]
    if outside.size:
        raise IndexError(f"no row {outside[0]}; rows go from 0 to {n_rows - 1}")
    return numbers
