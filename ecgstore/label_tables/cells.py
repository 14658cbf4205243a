"""Read single values in the cells of a table; what is missing is said to be so."""

import math
import re
from typing import Final

import numpy as np

from ecgstore.record import MAX_AGE, SEXES

_MISSING: Final = frozenset({"", "nan", "na", "n/a", "none", "null", "<na>"})
"""Cells without a value, in lower case."""

_TRUE: Final = frozenset({"true", "yes", "t", "y"})
_FALSE: Final = frozenset({"false", "no", "f", "n"})

_THRESHOLD: Final = 0.5
"""Probabilities from here on mean that a record is in a class."""

_PLAIN: Final = re.compile(r"\w{1,3}|[a-z]{1,8}|[+-]?\d{1,3}(\.\d{1,3})?", re.ASCII)
"""Cells that are hardly a person's name: codes, short words and small numbers."""

MAX_TARGET: Final = float(np.finfo(np.float32).max)
"""Largest size of a target: stores hold them as float32."""

_FLOAT_INTEGER: Final = re.compile(r"(\d+)\.0+", re.ASCII)


def is_missing(cell: str) -> bool:
    """Return whether a cell has no value.

    Examples
    --------
    >>> is_missing(""), is_missing("NaN"), is_missing("0")
    (True, True, False)
    """
    return cell.lower() in _MISSING


def number_in(cell: str) -> float:
    """Return the number in a cell; NaN if it is missing.

    ``True`` and ``False`` are 1 and 0.

    Raises
    ------
    ValueError
        If it is no number, or infinite.
    """
    if is_missing(cell):
        return math.nan
    word = cell.lower()
    if word in ("true", "false"):
        return float(word == "true")
    if "_" in cell or not cell.isascii():
        raise ValueError(cell)
    value = float(cell)
    if math.isinf(value):
        raise ValueError(cell)
    return value


def target_in(cell: str) -> float:
    """Return the value of a target; NaN if it is missing.

    Raises
    ------
    ValueError
        If it is no number, or too large for a store.

    Examples
    --------
    >>> target_in("55.5")
    55.5
    """
    value = number_in(cell)
    if abs(value) > MAX_TARGET:
        raise ValueError(cell)
    return value


def truth_in(cell: str) -> bool | None:
    """Return whether a record is in a class; None if the cell is missing.

    Raises
    ------
    ValueError
        If the cell is neither a word for true or false nor a number from 0 to 1.

    Examples
    --------
    >>> [truth_in(cell) for cell in ("1", "False", "0.37", "0.5", "")]
    [True, False, False, True, None]
    """
    word = cell.lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    value = number_in(cell)
    if math.isnan(value):
        return None
    if not 0 <= value <= 1:
        raise ValueError(cell)
    return value >= _THRESHOLD


def identifier_in(cell: str) -> str:
    """Return a name or a number in a cell, without the ``.0`` that pandas writes.

    Examples
    --------
    >>> identifier_in("15709.0"), identifier_in("00012"), identifier_in("nan")
    ('15709', '00012', '')
    """
    if is_missing(cell):
        return ""
    match = _FLOAT_INTEGER.fullmatch(cell)
    return match[1] if match else cell


def age_in(cell: str) -> float:
    """Return an age in years; NaN where it is missing or impossible, such as 300."""
    try:
        age = number_in(cell)
    except ValueError:
        return math.nan
    return age if 0 <= age <= MAX_AGE else math.nan


def sex_in(cell: str) -> str:
    """Return ``"male"``, ``"female"`` or ``"unknown"``; see `SEXES`."""
    return SEXES.get(cell.lower(), "unknown")


def shown(cell: str) -> str:
    """Return a cell as a message may show it: a name in a wrong column stays hidden.

    Examples
    --------
    >>> shown("X2"), shown("-3"), shown("Mary Poppins")
    ("'X2'", "'-3'", 'a text of 12 characters')
    """
    return repr(cell) if _PLAIN.fullmatch(cell) else f"a text of {len(cell)} characters"
