"""Convert row numbers in every form that readers of a store accept to an array."""

from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

import numpy as np

from ecgstore.arrays import BoolArray, IntArray
from ecgstore.errors import short_repr

_LARGEST: Final = 2**63 - 1


class HasRows(Protocol):
    """An object that holds row numbers, such as a `Selection`."""

    @property
    def rows(self) -> IntArray:
        """Row numbers of shape (n_rows,)."""


Rows: TypeAlias = Sequence[int] | IntArray | BoolArray | slice | HasRows
"""Row numbers of a store, a mask of its rows, or a `Selection`."""


def row_numbers(rows: Rows, n_rows: int) -> IntArray:
    """Return row numbers as an array.

    Parameters
    ----------
    rows : sequence of int, ndarray, slice or Selection
        Row numbers in any order, which may be repeated; or a mask, a boolean for each
        row of the store.
    n_rows : int
        Number of rows of the store.

    Returns
    -------
    ndarray of shape (n,)
        Row numbers from 0 to ``n_rows - 1``.

    Raises
    ------
    TypeError
        If the rows are not integers or a mask in one dimension.
    IndexError
        If a row is not in the store, or a mask has another length.

    Examples
    --------
    >>> row_numbers([2, 0, 2], n_rows=3), row_numbers(slice(1, None), n_rows=3)
    (array([2, 0, 2]), array([1, 2]))
    >>> row_numbers([False, True, True], n_rows=3)
    array([1, 2])
    """
    # Not isinstance(rows, HasRows), which takes longer than all the rest.
    numbers = index_array(getattr(rows, "rows", rows), n_rows, "rows")
    # As unsigned numbers, negative ones are the largest.
    outside = numbers[numbers.view(np.uint64) >= n_rows]
    if outside.size:
        raise IndexError(f"no row {outside[0]}; rows go from 0 to {n_rows - 1}")
    return numbers


def index_array(values: object, length: int, name: str) -> IntArray:
    """Return indices, a slice or a mask of something as an array of integers.

    Parameters
    ----------
    values : object
        The indices.
    length : int
        Number of elements of what they refer to.
    name : str
        What the indices are, in the plural, for messages.

    Returns
    -------
    ndarray of shape (n,)
        Integers, which may be out of range.

    Raises
    ------
    TypeError
        If they are something else.
    IndexError
        If a mask has another length, or an integer is too large for 64 bits.
    """
    if isinstance(values, slice):
        return np.arange(length)[values]
    try:
        numbers = np.asarray(values)
    # Besides lists of unequal length: tensors that are not in main memory.
    except (TypeError, ValueError, RuntimeError):
        numbers = np.asarray(None)
    if numbers.dtype.kind == "b" and numbers.ndim == 1:
        if len(numbers) != length:
            raise IndexError(
                f"{name} are a mask of {len(numbers)} booleans; expected {length}, or "
                "integers"
            )
        return np.flatnonzero(numbers)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        what = (
            f"of type {values.dtype} and shape {numbers.shape}"
            if hasattr(values, "dtype")
            else short_repr(values)
        )
        raise TypeError(
            f"{name} are {what}; expected integers in one dimension, a mask or a slice"
        )
    if numbers.dtype == np.uint64 and numbers.size and numbers.max() > _LARGEST:
        raise IndexError(f"{name} go up to {numbers.max()}; expected below {length}")
    return numbers.astype(np.int64, copy=False)
