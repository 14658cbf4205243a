"""What the page asks, checked, and answers as JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from starlette.responses import Response

from ecgstore.errors import EcgStoreError, short_repr

_LONGEST: Final = 10_000
"""Characters of a parameter."""


class NotThereError(EcgStoreError, LookupError):
    """What the page asks for does not exist: status 404."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the page.

    Attributes
    ----------
    path : Mapping
        Parameters in the path, such as ``row``.
    query : Mapping
        Parameters behind the question mark.
    body : object
        The JSON of a POST.
    """

    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter of the query."""
        text = self.query.get(name, default)
        if len(text) > _LONGEST:
            raise EcgStoreError(
                f"{name} has {len(text)} characters; expected {_LONGEST} at most"
            )
        return text

    def whole(self, name: str, default: int, low: int = 0, high: int = 1 << 62) -> int:
        """Return a parameter of the query that is a whole number from low to high."""
        return _whole(name, self.text(name, str(default)), low, high)

    def names(self, name: str, most: int) -> list[str]:
        """Return a parameter of the query that is a list with commas, without gaps."""
        names = [*filter(None, self.text(name).split(","))]
        if len(names) > most:
            raise EcgStoreError(f"{name} has {len(names)}; expected {most} at most")
        return names

    def row(self, n_rows: int) -> int:
        """Return the number of a row in the path, which the store has."""
        try:
            return _whole("row", str(self.path["row"]), 0, n_rows - 1)
        except EcgStoreError as error:
            raise NotThereError(str(error)) from None


def _whole(name: str, text: str, low: int, high: int) -> int:
    """Return a whole number from low to high."""
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdecimal() and len(digits) < 20:
        number = int(text)
        if low <= number <= high:
            return number
    raise EcgStoreError(
        f"{name} is {short_repr(text)}; expected a whole number from {low} to {high}"
    )


def json_response(value: Any, status: int = 200) -> Response:
    """Return an answer; numbers that are not finite are null."""
    content = json.dumps(
        plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    return Response(content, status, media_type="application/json")


def plain(value: Any) -> Any:
    """Return arrays, NumPy's numbers and mappings as what JSON has.

    Examples
    --------
    >>> plain({"age": np.float32("nan"), "rows": np.arange(2)})
    {'age': None, 'rows': [0, 1]}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
