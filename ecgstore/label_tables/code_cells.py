"""Read the codes in one cell of a table: a separated list, or a list or dict of Python.

Cells are scanned by a small grammar and never evaluated, so that no content of a table
can do more than be refused.
"""

import re
from typing import Final

from ecgstore.diagnoses import is_text_code
from ecgstore.label_tables.cells import shown

_MOST_CHARACTERS: Final = 16_384
"""Length of a cell; real ones have up to some hundred characters."""

_MOST_CODES: Final = 256

_BRACKETS: Final = {"[": "]", "{": "}", "(": ")"}

_NOTHING: Final = frozenset({"", "nan", "none", "null", "n/a", "na", "set()"})
"""Cells without any code, in lower case."""

# A quoted text with escapes, or anything up to the next separator or colon; then
# perhaps a likelihood. Every character is in one place only: the time is linear.
_ITEM: Final = re.compile(
    r"""\s*(?:'(?P<single>(?:[^'\\]|\\.)*)'|"(?P<double>(?:[^"\\]|\\.)*)"
    |(?P<bare>[^,;|:'"\n]+))\s*(?::\s*(?P<likelihood>[^,;|:'"\s]+)\s*)?""",
    re.VERBOSE,
)
_SEPARATORS: Final = re.compile(r"[\s,;|]*")
_ESCAPED: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))")


def read_codes(cell: str, min_likelihood: float = 0.0) -> tuple[str, ...]:
    """Return the codes in a cell of a table, in its order and each once.

    Parameters
    ----------
    cell : str
        Codes with commas, semicolons, bars or line ends between them; or the same in
        brackets and quotes, as Python and JSON write lists, sets and dicts. The values
        of a dict are likelihoods, as in the column ``scp_codes`` of PTB-XL.
    min_likelihood : float
        Codes with a smaller likelihood are left out; those without one stay.

    Raises
    ------
    ValueError
        If the cell is none of these, or too long; the message says what is wrong.

    Examples
    --------
    >>> read_codes("{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}")
    ('NORM', 'LVOLT', 'SR')
    >>> read_codes("{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}", min_likelihood=50)
    ('NORM',)
    >>> read_codes("AFIB; PRC(S)"), read_codes('["AFIB", "LAO/LAE"]'), read_codes("[]")
    (('AFIB', 'PRC(S)'), ('AFIB', 'LAO/LAE'), ())
    """
    if len(cell) > _MOST_CHARACTERS:
        raise ValueError(
            f"has {len(cell)} characters; expected at most {_MOST_CHARACTERS}"
        )
    text = cell.strip()
    if text.lower() in _NOTHING:
        return ()
    if text[0] in _BRACKETS:
        if text[-1] != _BRACKETS[text[0]]:
            raise ValueError(f"begins with {text[0]} and does not end with its partner")
        text = text[1:-1]
    codes: dict[str, None] = {}  # as an ordered set
    position = _after_separators(text, 0)
    while position < len(text):
        item = _ITEM.match(text, position)
        if item is None:
            raise ValueError(f"cannot be read from character {position + 1} on")
        code = _code(item)
        if _is_likely(item["likelihood"], min_likelihood):
            codes[code] = None
        if len(codes) > _MOST_CODES:
            raise ValueError(f"has more than {_MOST_CODES} codes")
        position = _after_separators(text, item.end())
    return tuple(codes)


def _after_separators(text: str, position: int) -> int:
    """Return the position after separators."""
    separators = _SEPARATORS.match(text, position)
    return position if separators is None else separators.end()


def _code(item: re.Match[str]) -> str:
    """Return the code of one item; raise ValueError if it is none."""
    quoted = item["single"] if item["double"] is None else item["double"]
    if quoted is None:
        code = item["bare"].strip()
    else:
        code = _ESCAPED.sub(_unescaped, quoted)
        # JSON writes a character of 17 bits or more as two.
        utf_16 = code.encode("utf-16", "surrogatepass")
        code = utf_16.decode("utf-16", "replace").strip()
    if not is_text_code(code):
        raise ValueError(f"has the code {shown(code)}, which no class can have")
    return code


def _unescaped(escape: re.Match[str]) -> str:
    """Return the character that an escape stands for."""
    number = escape[1] or escape[2]
    return chr(int(number, 16)) if number else escape[3]


def _is_likely(likelihood: str | None, minimum: float) -> bool:
    """Return whether a likelihood is large enough; raise ValueError if it is none."""
    if likelihood is None:
        return True
    try:
        value = float(likelihood)
    except ValueError:
        raise ValueError(
            f"has the likelihood {shown(likelihood)}; expected a number"
        ) from None
    # A likelihood that is not known, NaN, is like none.
    return not value < minimum
