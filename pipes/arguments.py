"""Check arguments: integers within limits, and functions of batches."""

import operator
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex, TypeVar

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


def require_functions(name: str, value: object) -> list[Any]:
    """Return a function or a sequence of functions as a list.

    Parameters
    ----------
    name : str
        Name of the argument, for the error message.
    value : callable or sequence of callable
        The functions.

    Raises
    ------
    TypeError
        If it is something else, or a class whose instance was meant.
    """
    functions = [value]
    if isinstance(value, Sequence) and not isinstance(value, str):
        functions = [*value]
    for function in functions:
        if isinstance(function, type):
            raise TypeError(
                f"{name} is the class {function.__name__}; expected an instance, such "
                f"as {function.__name__}(...)"
            )
        if not callable(function):
            raise TypeError(
                f"{name} is {function!r}; expected a function from a batch to a batch, "
                "or a list of such functions"
            )
    return functions


def require_same_type(function: Callable[[T], object], argument: T) -> T:
    """Call a user's function of a batch, and return its result.

    Raises
    ------
    TypeError
        If the result is not of the type of the argument: None, as of a function that
        lacks its return statement, or the changed signals alone.
    RuntimeError
        If the function raises StopIteration: passed on, it would end the epoch, and the
        rest would be lost silently.
    """
    try:
        result = function(argument)
    except StopIteration as error:
        raise RuntimeError(
            f"{function!r} raised StopIteration; expected a result for every batch"
        ) from error
    expected = type(argument)
    if isinstance(result, expected):
        return result
    returned = "None" if result is None else f"a {type(result).__name__}"
    raise TypeError(
        f"{_described(function)} returned {returned}; expected a {expected.__name__}: "
        "return the batch it received, or a changed copy, such as "
        "batch.replace(signals=...)"
    )


def _described(function: object) -> str:
    """Return name and place of a function, or the text of another callable."""
    code = getattr(function, "__code__", None)
    if code is None:
        return f"the transform {function!r}"
    return (
        f"the transform {getattr(function, '__qualname__', code.co_name)} "
        f"({code.co_filename}, line {code.co_firstlineno})"
    )
