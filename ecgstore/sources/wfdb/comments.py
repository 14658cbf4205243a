"""Age, sex and diagnoses from the comments of a header."""

import math
import re
from collections.abc import Sequence
from typing import Final

_MAX_AGE: Final = 150.0  # years; PTB-XL writes 300 for above 89
_TAG: Final = re.compile(r"<(\w+)>:?([^<]*)")
_SEXES: Final = {"m": "male", "male": "male", "f": "female", "female": "female"}


def read_comments(comments: Sequence[str]) -> tuple[float, str, tuple[str, ...]]:
    """Return age, sex and diagnoses from the comments of a header.

    Reads the Challenges' ``# Age: 74`` and ``#Age: 74``, and the tags of LUDB and
    INCART, ``#<age>: 65 <sex>: F``, in upper or lower case.

    Parameters
    ----------
    comments : sequence of str
        Comment lines, beginning with ``#``.

    Returns
    -------
    age : float
        Age in years; NaN where it is missing or impossible.
    sex : str
        ``"male"``, ``"female"`` or ``"unknown"``.
    dx : tuple of str
        SNOMED CT codes in the order of the comments, each once.

    Examples
    --------
    >>> read_comments(["# Age: 74", "#Sex: F", "# Dx: 426783006,39732003,426783006"])
    (74.0, 'female', ('426783006', '39732003'))
    """
    age = math.nan
    sex = "unknown"
    dx: dict[str, None] = {}  # as an ordered set
    for comment in comments:
        plain, tag, _ = comment.partition("<")
        key, _, value = plain.partition(":")
        entries = [(key.strip("# \t"), value)]
        if tag:
            entries += _TAG.findall(comment)
        for key, value in entries:
            key = key.lower()
            if key == "age" and math.isnan(age):
                age = _age(value)
            elif key == "sex" and sex == "unknown":
                sex = _SEXES.get(value.strip().lower(), "unknown")
            elif key == "dx":
                dx.update(dict.fromkeys(_codes(value)))
    return age, sex, tuple(dx)


def _age(text: str) -> float:
    """Return an age in years, or NaN."""
    try:
        age = float(text)
    except ValueError:
        return math.nan
    return age if 0 <= age <= _MAX_AGE else math.nan


def _codes(text: str) -> list[str]:
    """Return the SNOMED CT codes in a list; entries that are no numbers are dropped."""
    codes = text.replace(",", " ").split()
    return [code for code in codes if code.isascii() and code.isdigit()]
