"""The diagnoses of the PhysioNet/CinC Challenge 2020: SNOMED CT codes and names.

The table beside this module lists all SNOMED CT codes that occur in the Challenge's
public records, with the organisers' abbreviations (Perez Alday et al. 2020, *Physiol.
Meas.* 41 124003): first the 27 that the Challenge scores, in the order of its weight
matrix, then the others.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from ecgstore.errors import ConfigError
from ecgstore.similar_names import did_you_mean

# Other names of diagnoses. The headers of the Challenge's first phase name the nine
# classes of CPSC 2018: Normal, AF, I-AVB, LBBB, RBBB, PAC, PVC, STD and STE.
_OTHER_NAMES: Final = {
    "normal": "426783006",
    "normal sinus rhythm": "426783006",
    "I-AVB": "270492004",
    "1st degree AVB": "270492004",
    "2nd degree AVB": "195042002",
    "3rd degree AV block": "27885002",
    "3rd degree AVB": "27885002",
    "complete AV block": "27885002",
    "ST segment depression": "429622005",
    "ST segment elevation": "164931005",
    "WPW syndrome": "74390002",
}

# Words with two spellings; the second one is looked up.
_SAME_WORDS: Final = {
    "atrioventricular": "av",
    "first": "1st",
    "second": "2nd",
    "third": "3rd",
    "ischaemia": "ischemia",
    "ischaemic": "ischemic",
    "preexcitation": "pre excitation",
}

# Punctuation that does not matter. Question marks and the like do: "AF?" is not AF.
_PUNCTUATION: Final = str.maketrans(dict.fromkeys("_-/+&:=,;|()[]{}'\"`", " "))


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


def words_of(text: str) -> list[str]:
    """Return the words of a diagnosis, so that words are equal if it is the same.

    In lower case, without punctuation and the s of plurals.

    Examples
    --------
    >>> words_of("First-degree (atrioventricular) blocks.")
    ['1st', 'degree', 'av', 'block']
    """
    words = (word.strip(".") for word in text.lower().translate(_PUNCTUATION).split())
    return [_SAME_WORDS.get(word, _singular(word)) for word in words if word]


def _singular(word: str) -> str:
    """Return a word without the s of a plural."""
    is_plural = len(word) > 4 and word[-1] == "s" and word[-2] not in "isu"
    return word[:-1] if is_plural else word


@cache
def code_by_words() -> Mapping[str, str]:
    """Return the code of every name and abbreviation, as the words of `words_of`."""
    codes = {}
    for diagnosis in diagnoses().values():
        codes[" ".join(words_of(diagnosis.name))] = diagnosis.code
    for name, code in _OTHER_NAMES.items():
        codes[" ".join(words_of(name))] = code
    for diagnosis in diagnoses().values():
        codes[" ".join(words_of(diagnosis.abbreviation))] = diagnosis.code
    return codes


def is_code(text: str) -> bool:
    """Return whether a text can be a SNOMED CT code: digits only."""
    return text.isascii() and text.isdigit()


def find_code(text: str) -> str | None:
    """Return the SNOMED CT code that a text is, abbreviates or names; None if unknown.

    Names and abbreviations are those of the table, and a few other common ones, in
    upper or lower case and with any punctuation.
    """
    return text if is_code(text) else code_by_words().get(" ".join(words_of(text)))


def code_of(text: str) -> str:
    """Return the SNOMED CT code of a code, an abbreviation or a name.

    Parameters
    ----------
    text : str
        A code, known or not, or an abbreviation or a name of the Challenge in upper or
        lower case. An abbreviation stands for its own code only, not for codes that are
        scored as the same diagnosis.

    Raises
    ------
    ConfigError
        If it is none of these.

    Examples
    --------
    >>> code_of("AF"), code_of("164889003"), code_of("atrial fibrillation")
    ('164889003', '164889003', '164889003')
    """
    code = find_code(text)
    if code is not None:
        return code
    hint = did_you_mean(text, [row.abbreviation for row in diagnoses().values()], n=3)
    raise ConfigError(
        f"unknown diagnosis {text!r}; {hint}expected a SNOMED CT code (digits), or an "
        "abbreviation or a name of the Challenge 2020, such as AF; "
        "`ecgstore classes` lists them (a file of a class set takes other codes after "
        'the line codes = "text")'
    )
