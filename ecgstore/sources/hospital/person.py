"""What is kept of a person whom a hospital's file describes."""

import math
from datetime import date
from typing import Final

from ecgstore.record import MAX_AGE, SEXES

_NO_NUMBER: Final = {
    "x", "-", "n/a", "na", "none", "null", "unknown", "anonymous", "anonymized"
}  # fmt: skip
"""What devices and tools write for a patient without a number, in lower case."""


def age_at(
    recorded: date | None, born: date | None, stated: float | None = None
) -> float:
    """Return the age in full years when the ECG was recorded; NaN where unknown.

    Dates come first: a device may state the age at another time.

    Examples
    --------
    >>> age_at(date(2002, 11, 22), date(1953, 5, 8), stated=46)
    49.0
    >>> age_at(None, date(1953, 5, 8))
    nan
    """
    if recorded is not None and born is not None:
        has_had_birthday = (recorded.month, recorded.day) >= (born.month, born.day)
        age = float(recorded.year - born.year - (not has_had_birthday))
    else:
        age = math.nan if stated is None else float(stated)
    return age if 0 <= age <= MAX_AGE else math.nan


def sex_of(text: object) -> str:
    """Return the sex that a file's word means."""
    return SEXES.get(str(text).strip().lower(), "unknown")


def hospital_id_of(text: object) -> str:
    """Return a patient's number; "" for what means that there is none.

    Examples
    --------
    >>> [hospital_id_of(text) for text in (" 4711 ", "0000", "Unknown", None)]
    ['4711', '', '', '']
    """
    number = "" if text is None else str(text).strip()
    is_none = number.lower() in _NO_NUMBER or not number.strip("0")
    return "" if is_none else number
