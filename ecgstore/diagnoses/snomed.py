"""The diagnoses of the PhysioNet/CinC Challenge 2020: SNOMED CT codes and names.

The table beside this module lists all SNOMED CT codes that occur in the Challenge's
public records, with the organisers' abbreviations (Perez Alday et al. 2020, *Physiol.
Meas.* 41 124003): first the 27 that the Challenge scores, in the order of its weight
matrix, then the others.
"""

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ecgstore.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One SNOMED CT code of the Challenge 2020.

    Attributes
    ----------
    code : str
        SNOMED CT code, digits only.
    abbreviation : str
        The Challenge's abbreviation; unique, also without regard to upper and lower
        case.
    name : str
        Full name.
    scored : bool
        Whether the Challenge scores it.
    equivalent_to : str
        Code of the diagnosis with which the Challenge merges it; ``""`` if it is scored
        as itself, or not at all.
    """

    code: str
    abbreviation: str
    name: str
    scored: bool
    equivalent_to: str


@cache
def diagnoses() -> Mapping[str, Diagnosis]:
    """Return all diagnoses by code, in the order of the table.

    Examples
    --------
    >>> diagnoses()["426783006"].abbreviation
    'NSR'
    >>> len(diagnoses())
    111
    """
    table = files("ecgstore.diagnoses").joinpath("challenge2020.csv")
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return {
        row["code"]: Diagnosis(
            code=row["code"],
            abbreviation=row["abbreviation"],
            name=row["name"],
            scored=row["scored"] == "1",
            equivalent_to=row["equivalent_to"],
        )
        for row in rows
    }


@cache
def _codes_by_abbreviation() -> Mapping[str, str]:
    """Return the code of every abbreviation in lower case."""
    return {
        diagnosis.abbreviation.lower(): diagnosis.code
        for diagnosis in diagnoses().values()
    }


def is_code(text: str) -> bool:
    """Return whether a text can be a SNOMED CT code: digits only."""
    return text.isascii() and text.isdigit()


def find_code(text: str) -> str | None:
    """Return the SNOMED CT code that a text is or abbreviates; None if unknown."""
    return text if is_code(text) else _codes_by_abbreviation().get(text.lower())


def code_of(text: str) -> str:
    """Return the SNOMED CT code of a code or an abbreviation.

    Parameters
    ----------
    text : str
        A code, known or not, or an abbreviation of the Challenge in upper or lower
        case. An abbreviation stands for its own code only, not for codes that are
        scored as the same diagnosis.

    Raises
    ------
    ConfigError
        If it is neither.

    Examples
    --------
    >>> code_of("AF"), code_of("164889003")
    ('164889003', '164889003')
    """
    code = find_code(text)
    if code is not None:
        return code
    known = _codes_by_abbreviation()
    close = difflib.get_close_matches(text.lower(), known, n=3)
    similar = [diagnoses()[known[name]].abbreviation for name in close]
    hint = f"did you mean {', '.join(similar)}? " if similar else ""
    raise ConfigError(
        f"unknown diagnosis {text!r}; {hint}expected a SNOMED CT code (digits) or an "
        "abbreviation of the Challenge 2020, such as AF; "
        "`ecgstore classes` lists them"
    )
