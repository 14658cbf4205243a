"""Check arguments: integers within limits, and functions that must return a value."""

import operator
from typing import SupportsIndex, TypeVar

T = TypeVar("T")


def require_integer(
    name: str,
    value: SupportsIndex,
    lowest: int | None = None,
    highest: int | None = None,
) -> int:
    """Return an integer as int, so that it can be written to JSON.

    Parameters
    ----------
    name : str
        Name of the argument, for the error message.
    value : int or NumPy integer
        The integer.
    lowest, highest : int, optional
        Smallest and largest value allowed; `highest` needs `lowest`.

    Raises
    ------
    TypeError
        If the value is not an integer.
    ValueError
        If it is below `lowest` or above `highest`.

    Examples
    --------
    >>> require_integer("batch_size", 0, lowest=1)
    Traceback (most recent call last):
        ...
    ValueError: batch_size is 0; expected 1 or more
    """
    try:
        number = int(operator.index(value))
    except TypeError:
        raise TypeError(f"{name} is {value!r}; expected an integer") from None
    is_too_low = lowest is not None and number < lowest
    is_too_high = highest is not None and number > highest
    if is_too_low or is_too_high:
        limits = f"{lowest} or more" if highest is None else f"{lowest} to {highest}"
        raise ValueError(f"{name} is {number}; expected {limits}")
    return number


def require_result(function: object, result: T | None) -> T:
    """Return the result of a user's function.

    Raises
    ------
    TypeError
        If it is None, as of a function that lacks its return statement.
    """
    if result is None:
        raise TypeError(
            f"{function!r} returned None; expected a batch: return the batch it "
            "received, or a new one"
        )
    return result
