"""Numbers that callers give: whole ones, and numbers of things."""

import operator
from typing import SupportsIndex

from ecgstore.pipes.permutation import MAX_PLACES


def whole(name: str, value: SupportsIndex) -> int:
    """Return a whole number as int, which fits into JSON.

    Parameters
    ----------
    name : str
        What it is, for the error.
    value : int or NumPy integer
        The number.

    Raises
    ------
    TypeError
        If it is not a whole number.
    """
    try:
        return int(operator.index(value))
    except TypeError:
        raise TypeError(f"{name} is {value!r}; expected a whole number") from None


def count(name: str, value: SupportsIndex) -> int:
    """Return a number of things, at least one and not too many."""
    number = whole(name, value)
    if not 1 <= number <= MAX_PLACES:
        raise ValueError(f"{name} is {number}; expected 1 to {MAX_PLACES}")
    return number
