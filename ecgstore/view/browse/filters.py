"""What the page wants to see, read from its JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ecgstore.errors import EcgStoreError, short_repr

_EXPECTED: Final = (
    'expected an object such as {"query": "age < 40", "search": "HR000", "in": '
    '{"sex": ["male"]}, "between": {"age": [40, 60]}}'
)
_LONGEST: Final = 1000
"""Characters of a text."""

_MOST: Final = 1000
"""Values of a column."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on records, all of which hold for those that are selected.

    Attributes
    ----------
    query : str
        An expression as for `Store.select`; none if empty.
    search : str
        Part of the name of a record or patient; none if empty.
    among : dict of str to tuple of str
        Values, of which a record has one, by column.
    between : dict of str to tuple
        Lowest value, and the value that is too high, by column; None is open.
    """

    query: str = ""
    search: str = ""
    among: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    between: Mapping[str, tuple[float | None, float | None]] = field(
        default_factory=dict
    )

    @classmethod
    def read(cls, text: str) -> "Filter":
        """Read a filter from its JSON; an empty text selects all.

        Raises
        ------
        EcgStoreError
            If it is none.

        Examples
        --------
        >>> Filter.read('{"in": {"sex": ["male"]}}').among
        {'sex': ('male',)}
        """
        if not text:
            return cls()
        try:
            given = json.loads(text)
            json.dumps(given, ensure_ascii=False).encode()  # no halves of characters
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict) or not {*given} <= {
            "query",
            "search",
            "in",
            "between",
        }:
            raise EcgStoreError(f"filter is {short_repr(text)}; {_EXPECTED}")
        return cls(
            query=_text(given.get("query", "")),
            search=_text(given.get("search", "")),
            among={
                name: _texts(values)
                for name, values in _mapping(given.get("in", {})).items()
                if values
            },
            between={
                name: _range(limits)
                for name, limits in _mapping(given.get("between", {})).items()
            },
        )

    def conditions(self) -> tuple[tuple[str, str, Any], ...]:
        """Return every condition: its kind, its column or "", and its value."""
        return (
            *((("query", "", self.query),) if self.query else ()),
            *((("search", "", self.search),) if self.search else ()),
            *(("in", name, values) for name, values in self.among.items()),
            *(("between", name, limits) for name, limits in self.between.items()),
        )


def _mapping(value: Any) -> dict[str, Any]:
    """Return an object of JSON."""
    if not isinstance(value, dict):
        raise EcgStoreError(f"filter has {short_repr(value)}; {_EXPECTED}")
    return value


def _text(value: Any) -> str:
    """Return a text that is not too long, without space around it."""
    if not isinstance(value, str):
        raise EcgStoreError(f"filter has {short_repr(value)}; {_EXPECTED}")
    if len(value) > _LONGEST:
        raise EcgStoreError(
            f"filter has a text of {len(value)} characters; expected {_LONGEST} at most"
        )
    return value.strip()


def _texts(values: Any) -> tuple[str, ...]:
    """Return texts, each once."""
    if not isinstance(values, list) or len(values) > _MOST:
        raise EcgStoreError(f"filter has {short_repr(values)}; {_EXPECTED}")
    if not all(isinstance(value, str) for value in values):
        raise EcgStoreError(f"filter has {short_repr(values)}; {_EXPECTED}")
    return tuple(dict.fromkeys(values))


def _range(limits: Any) -> tuple[float | None, float | None]:
    """Return the lowest value and the one that is too high."""
    if isinstance(limits, list) and len(limits) == 2:
        low, high = (_number(limit) for limit in limits)
        return low, high
    raise EcgStoreError(f"filter has {short_repr(limits)}; {_EXPECTED}")


def _number(value: Any) -> float | None:
    """Return a finite number, or None."""
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        number = float(value) if is_number else math.nan
    except OverflowError:
        number = math.nan
    if math.isfinite(number):
        return number
    raise EcgStoreError(f"filter has {short_repr(value)}; {_EXPECTED}")
