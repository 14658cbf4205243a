"""Age, sex and diagnoses from the comments of a header."""

import math
import re
from collections.abc import Sequence
from typing import Final

from ecgstore.diagnoses.dx_text import read_dx
from ecgstore.record import MAX_AGE, SEXES

_MOST_NOTES: Final = 64
_LONGEST_KEY: Final = 64
_LONGEST_VALUE: Final = 4096
"""Limits of `read_notes`; real comments are far below them."""

_TAG: Final = re.compile(r"<(\w+)>:?([^<]*)")
_KEYS: Final = frozenset({"age", "sex", "dx"})
_CODES: Final = re.compile(r"[\d\s,;|/]+", re.ASCII)


def read_comments(
    comments: Sequence[str],
) -> tuple[float, str, tuple[str, ...], tuple[str, ...]]:
    """Return age, sex and diagnoses from the comments of a header.

    Reads the Challenges' ``# Age: 74`` and ``#Age: 74``, and the tags of LUDB and
    INCART, ``#<age>: 65 <sex>: F``, in upper or lower case. Diagnoses may be in any
    spelling that `read_dx` understands, and in several comments: each with its key, or
    without one if the comment before ends with a separator or this one holds only
    codes.

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
    dx_unknown : tuple of str
        Parts of the diagnoses that are not understood; see `read_dx`.

    Examples
    --------
    >>> read_comments(["# Age: 74", "#Sex: F", "# Dx: 426783006,AF or so"])
    (74.0, 'female', ('426783006',), ('AF or so',))
    """
    age = math.nan
    sex = "unknown"
    dx_texts: list[str] = []
    in_dx = False  # whether the comment before was one of diagnoses
    for comment in comments:
        plain, tag, _ = comment.partition("<")
        key, colon, value = plain.partition(":")
        key = key.strip("# \t").lower()
        if not tag and key not in _KEYS:
            in_dx = in_dx and not colon and _continues(dx_texts[-1], key)
            if in_dx:
                dx_texts.append(plain.strip("# \t"))
            continue
        in_dx = False
        entries = [(key, value)]
        if tag:
            entries += [(name.lower(), text) for name, text in _TAG.findall(comment)]
        for key, value in entries:
            if key == "age" and math.isnan(age):
                age = _age(value)
            elif key == "sex" and sex == "unknown":
                sex = SEXES.get(value.strip().lower(), "unknown")
            elif key == "dx":
                dx_texts.append(value)
                in_dx = True
    return age, sex, *read_dx("\n".join(dx_texts))


def read_notes(comments: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return key and value of every comment ``# Key: value`` that says something else.

    Parameters
    ----------
    comments : sequence of str
        Comment lines, beginning with ``#``.

    Returns
    -------
    tuple of (str, str)
        As written, without surrounding blanks; the first few dozen, and none whose key
        or value is longer than any real one.

    Examples
    --------
    >>> read_notes(["# Age: 74", "# Chagas label: True", "# a remark"])
    (('Chagas label', 'True'),)
    """
    notes = []
    for comment in comments:
        key, colon, value = comment.strip("# \t").partition(":")
        key, value = key.strip(), value.strip()
        is_tag = "<" in key
        if not colon or not key or is_tag or key.lower() in _KEYS:
            continue
        if len(key) <= _LONGEST_KEY and len(value) <= _LONGEST_VALUE:
            notes.append((key, value))
    return tuple(notes[:_MOST_NOTES])


def _continues(text: str, comment: str) -> bool:
    """Return whether a comment continues the diagnoses of the one before."""
    is_open = text.rstrip()[-1:] in {",", ";", "|", "/"}
    return is_open or _CODES.fullmatch(comment) is not None


def _age(text: str) -> float:
    """Return an age in years, or NaN."""
    try:
        age = float(text)
    except ValueError:
        return math.nan
    return age if 0 <= age <= MAX_AGE else math.nan
