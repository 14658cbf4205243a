"""What callers give: whole numbers, numbers of things, functions that return some."""

import operator
from typing import Final, SupportsIndex, TypeVar

MAX_PLACES: Final = 2**40
"""The most places that `permute` is made and tested for."""

T = TypeVar("T")


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


def not_none(function: object, result: T | None) -> T:
    """Return what a transform returned, unless it forgot to."""
    if result is None:
        raise TypeError(
            f"{function!r} returned None; expected a batch: return the batch it was "
            "given, or a changed one"
        )
    return result
