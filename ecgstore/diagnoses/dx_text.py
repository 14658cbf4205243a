"""Read the diagnoses in a text, in whatever spelling: codes, abbreviations or names."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from ecgstore.diagnoses.scp_ecg import scp_statements
from ecgstore.diagnoses.snomed import code_by_words, words_of
from ecgstore.system.visible import visible

_MOST_CHARACTERS: Final = 4096
"""Length of a text that is read; real ones have up to some hundred characters."""

_LONGEST_KEPT: Final = 100
"""Length of a text whose diagnoses are kept for the next record with the same text."""

_MOST_UNKNOWN: Final = 16
"""Number of parts that are returned as unknown; the others are counted."""

_LONGEST_UNKNOWN: Final = 80
"""Characters of such a part that are returned."""

_MOST_WORDS: Final = 40
"""Words of a part in which names are looked for."""

_LONGEST_NAME: Final = 8
"""Words of the longest name in the table, and some more."""

# Commas, semicolons and lists in the punctuation of Chinese texts are separators too.
_SEPARATOR: Final = re.compile(r"[,;|\n\r\uff0c\uff1b\u3001\uff5c]+")

# As in nearly all headers: codes without anything to remove.
_PLAIN: Final = re.compile(r"[\s,]*(?:[1-9]\d{0,17}(?:[\s,]+|$))*", re.ASCII)

# Leading zeros and the decimals of a spreadsheet do not belong to a code, which has 6
# to 18 digits. Shorter numbers are read only where nothing else is in a part.
_NUMBER: Final = re.compile(r"0*([1-9]\d{0,17})(?:\.0*)?", re.ASCII)
_SHORTEST_CODE: Final = 6

# Other programs write -1 for a missing code; a code with a minus sign is none.
_NEGATIVE: Final = re.compile(r"(?<![\w.)\]])[-\u2212]\d[\w.]*", re.ASCII)

# Words between diagnoses, and in front of codes as in "SNOMED CT: 426783006".
_LINKS: Final = frozenset({"and", "ct", "sct", "snomed", "snomedct"})

# Texts that stand for no diagnosis at all. "Unknows" is in headers of the Challenge.
_NOTHING: Final = frozenset(
    " ".join(words_of(text))
    for text in (
        "unknown",
        "unknows",
        "n/a",
        "na",
        "nan",
        "nil",
        "none",
        "not available",
        "null",
        "unspecified",
    )
)


class Dx(NamedTuple):
    """The diagnoses in a text.

    Attributes
    ----------
    codes : tuple of str
        SNOMED CT codes in the order of the text, each once.
    unknown : tuple of str
        The parts of the text that could not be understood, each once and shortened; if
        there are many, the last one says how many more there are.
    """

    codes: tuple[str, ...]
    unknown: tuple[str, ...]


def read_dx(text: str) -> Dx:
    r"""Return the diagnoses in a text.

    They are codes (also as ``426783006.0`` or ``SNOMED:426783006``), or the
    abbreviations and names of `find_code`. Separators are commas, semicolons, bars and
    line ends, and also slashes and blanks where everything between them is understood.
    Brackets and quotes do not matter. ``Unknown``, ``n/a`` and the like are no
    diagnosis. What is not understood is returned as it is, not guessed: ``AF?`` or ``no
    AF`` is not AF, and ``-426783006`` is no code.

    Parameters
    ----------
    text : str
        Any text; beyond some thousand characters, the rest is not read, but counted
        among the unknown parts.

    Examples
    --------
    >>> read_dx("426783006,39732003")
    Dx(codes=('426783006', '39732003'), unknown=())
    >>> read_dx("['AF'; right bundle branch block / I-AVB | foo]")
    Dx(codes=('164889003', '59118001', '270492004'), unknown=('foo',))
    """
    return (_read if len(text) > _LONGEST_KEPT else _read_kept)(text)


def shown_dx(text: str, where: str) -> str:
    """Return a part that is not understood as a message may show it.

    Free text may hold a person's name, so that only numbers and known codes are shown.

    Parameters
    ----------
    text : str
        One of `Dx.unknown`.
    where : str
        The place of the text, which is named instead.

    Examples
    --------
    >>> shown_dx("AF?", "headers"), shown_dx("-1", "headers")
    ('AF?', '-1')
    >>> shown_dx("Mary Poppins", "headers")
    '[texts in headers]'
    """
    known = code_by_words()
    words = re.findall(r"[^\W_]+", text)
    if all(_is_shown(word, known) for word in words):
        return text
    return f"[texts in {where}]"


def _is_shown(word: str, known: Mapping[str, str]) -> bool:
    """Return whether a word is a number or a known code."""
    return word.isdecimal() or word.lower() in known or word in scp_statements()


def _read(text: str) -> Dx:
    """Return the diagnoses in a text."""
    if len(text) <= _MOST_CHARACTERS and _PLAIN.fullmatch(text):
        return Dx(tuple(dict.fromkeys(text.replace(",", " ").split())), ())
    begin = _beginning(text)
    codes: dict[str, None] = {}  # as ordered sets
    unknown: dict[str, None] = {}
    for part in _SEPARATOR.split(begin):
        found, not_understood = _read_part(part)
        codes.update(dict.fromkeys(found))
        if not_understood:
            unknown[not_understood] = None
    return Dx(tuple(codes), _bounded(tuple(unknown), n_unread=len(text) - len(begin)))


# Kept, because many records of a source have the same few diagnoses.
_read_kept: Final = lru_cache(maxsize=4096)(_read)


def _beginning(text: str) -> str:
    """Return the part of a text that is read; it ends between two words."""
    if len(text) <= _MOST_CHARACTERS:
        return text
    begin = text[:_MOST_CHARACTERS]
    return begin[: max(begin.rfind(separator) for separator in ",;| \t\n/") + 1]


def _read_part(part: str) -> tuple[list[str], str]:
    """Return the codes between two separators, and what was not understood of it."""
    negative = _NEGATIVE.findall(part)
    if negative:
        found, unknown = _read_part(_NEGATIVE.sub(" ", part))
        return found, _shown(" ".join([*negative, unknown]))
    words = words_of(part)
    if " ".join(words) in _NOTHING:
        return [], ""
    numbers = [_NUMBER.fullmatch(word) for word in words]
    codes = [number.group(1) for number in numbers if number]
    if len(codes) == len(words):
        return codes, ""
    understood = _all_codes(words) if len(words) <= _MOST_WORDS else None
    if understood:
        return understood, ""
    long_codes = {code for code in codes if len(code) >= _SHORTEST_CODE}
    if not long_codes:
        return [], _shown(part)
    rest = [
        word
        for word, number in zip(words, numbers, strict=True)
        if word not in _LINKS and not (number and number.group(1) in long_codes)
    ]
    return [code for code in codes if code in long_codes], _shown(" ".join(rest))


def _all_codes(words: Sequence[str]) -> list[str] | None:
    """Return the codes of words, the longest names first; None unless all are known."""
    known = code_by_words()
    codes: list[str] = []
    begin = 0
    while begin < len(words):
        number = _NUMBER.fullmatch(words[begin])
        if number is not None and len(number.group(1)) >= _SHORTEST_CODE:
            codes.append(number.group(1))
            begin += 1
            continue
        for end in range(min(begin + _LONGEST_NAME, len(words)), begin, -1):
            code = known.get(" ".join(words[begin:end]))
            if code is not None:
                codes.append(code)
                begin = end
                break
        else:
            if words[begin] not in _LINKS:
                return None
            begin += 1
    return codes


def _shown(text: str) -> str:
    """Return a text as one printable line without brackets and quotes around it."""
    line = " ".join(text.split()).strip("[]{}'\"` ")[: _LONGEST_UNKNOWN + 1]
    if len(line) > _LONGEST_UNKNOWN:
        line = f"{line[: _LONGEST_UNKNOWN - 3]}..."
    return visible(line)


def _bounded(unknown: tuple[str, ...], n_unread: int) -> tuple[str, ...]:
    """Return unknown parts, or some of them and the number of the others."""
    notes = []
    if len(unknown) > _MOST_UNKNOWN:
        notes.append(f"[{len(unknown) - _MOST_UNKNOWN} more texts]")
    if n_unread:
        notes.append(f"[{n_unread} more characters, not read]")
    return (*unknown[:_MOST_UNKNOWN], *notes)
