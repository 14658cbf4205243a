"""Values of JSON files that may come from anyone: checked as they are read.

Every error names the file and the key, what was expected and what to do.
"""

import json
import math
import os
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.errors import EcgStoreError, SchemaError, short_list, short_repr
from ecgstore.system.regular_files import require_regular_file

MOST_BYTES: Final = 2**28
"""Size of all files that are read for one result."""

MOST_VALUES: Final = 2**25
"""Values and lists in a file: each takes up to a hundred bytes, however short it is."""

_LONGEST_TEXT: Final = 10_000
_LONGEST_NAME: Final = 1000
_MOST_LISTED: Final = 1000
_MOST_NAMES: Final = 3_000_000

_SHOWN: Final = reprlib.Repr()
"""Writes the start of a value for messages, however large it is."""

_SHOWN.maxlevel = 4
_SHOWN.maxlist = _SHOWN.maxdict = 20
_SHOWN.maxstring = 300


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A value in a JSON file.

    Attributes
    ----------
    file : Path
        The file.
    key : str
        Where in the file it is, for messages: the names and numbers down to it.
    value : object
        The value, as Python reads it.
    remedy : str
        What to do if it is not as expected.
    """

    file: Path
    key: str
    value: Any
    remedy: str

    def __getitem__(self, name: str) -> "JsonValue":
        """Return a value of an object.

        Raises
        ------
        SchemaError
            If this is no object, or has no value of this name.
        """
        content = self._typed(dict, "an object")
        if name not in content:
            raise SchemaError(
                f"{self.file}: {self._named()} has no {short_repr(name)}, only "
                f"{short_list(content)}; {self.remedy}"
            )
        return self._inner(name, content[name])

    def items(self) -> Iterator[tuple[str, "JsonValue"]]:
        """Yield names and values of an object."""
        content = self._typed(dict, "an object")
        if len(content) > _MOST_NAMES:
            self.refuse(f"at most {_MOST_NAMES:,} values, not {len(content):,}")
        for name, value in content.items():
            if len(name) > _LONGEST_NAME:
                self.refuse(f"names of at most {_LONGEST_NAME:,} characters")
            yield name, self._inner(name, value)

    def names(self) -> tuple[str, ...]:
        """Return the names of an object's values."""
        return tuple(self._typed(dict, "an object"))

    def elements(self, most: int) -> list["JsonValue"]:
        """Return the values of a list that is not longer than `most`."""
        values = self._typed(list, "a list")
        if len(values) > most:
            self.refuse(f"a list of at most {most:,}, not of {len(values):,}")
        return [self._inner(str(number), value) for number, value in enumerate(values)]

    def text(self, longest: int = _LONGEST_TEXT) -> str:
        """Return a text."""
        text: str = self._typed(str, "a text")
        if len(text) > longest:
            self.refuse(f"a text of at most {longest:,} characters")
        return text

    def name(self) -> str:
        """Return the name of something, such as of a record."""
        return self.text(_LONGEST_NAME)

    def texts(self, most: int) -> tuple[str, ...]:
        """Return a list of names that differ."""
        texts = tuple(element.name() for element in self.elements(most))
        if len({*texts}) < len(texts):
            self.refuse("texts that differ")
        return texts

    def whole(self, minimum: int, maximum: int) -> int:
        """Return a whole number."""
        value = self.value
        if type(value) is not int or not minimum <= value <= maximum:
            self.refuse(f"a whole number, {minimum:,} to {maximum:,}")
        return int(value)

    def number(self, minimum: float = -math.inf, maximum: float = math.inf) -> float:
        """Return a finite number."""
        value = self.value
        if type(value) not in (int, float) or not minimum <= value <= maximum:
            self.refuse(f"a number, {minimum:g} to {maximum:g}")
        if not -1e300 < value < 1e300:
            self.refuse("a number that is not so large")
        return float(value)

    def numbers(
        self, shape: tuple[int, ...], minimum: float, maximum: float
    ) -> FloatArray:
        """Return numbers in nested lists of a shape."""
        expected = (
            f"numbers, {minimum:g} to {maximum:g}, in lists of shape "
            f"{' x '.join(map(str, shape))}"
        )
        # Before NumPy sees them: it makes texts as wide as the longest one.
        if not _are_numbers(self.value, shape):
            self.refuse(expected)
        try:
            array = np.asarray(self.value, np.float64)
        except OverflowError:  # a whole number that is larger than any float
            self.refuse(expected)
        if not ((array >= minimum) & (array <= maximum)).all():
            self.refuse(expected)
        return array

    def refuse(self, expected: str) -> NoReturn:
        """Raise the error for a value that is not as expected."""
        raise SchemaError(
            f"{self.file}: {self._named()} is {_start(self.value)}; expected "
            f"{expected}; {self.remedy}"
        )

    def _inner(self, name: str, value: Any) -> "JsonValue":
        """Return a value inside of this one."""
        key = f"{self.key}.{name}" if self.key else name
        return JsonValue(self.file, key, value, self.remedy)

    def _named(self) -> str:
        """Return the key for a message."""
        return short_repr(self.key).strip("'\"") if self.key else "the whole"

    def _typed(self, type_: type, expected: str) -> Any:
        """Return the value if it has a type."""
        if type(self.value) is not type_:
            self.refuse(expected)
        return self.value


class JsonFiles:
    """Reads JSON files that may come from anyone, of `MOST_BYTES` altogether.

    Parameters
    ----------
    remedy : str
        What to do if one is damaged.
    """

    def __init__(self, remedy: str) -> None:
        self._remedy = remedy
        self._n_bytes_left = MOST_BYTES

    def read(self, path: Path) -> JsonValue:
        """Read a file.

        Raises
        ------
        EcgStoreError
            If it cannot be read.
        SchemaError
            If it is no JSON, has more than `MOST_VALUES`, or is larger than what is
            left of `MOST_BYTES`.
        """
        require_regular_file(path, SchemaError)
        try:
            with path.open("rb") as file:
                n_bytes = os.fstat(file.fileno()).st_size
                is_small = n_bytes <= self._n_bytes_left
                content = file.read(n_bytes) if is_small else b""
        except OSError as error:
            raise EcgStoreError(
                f"{path}: cannot be read ({error.strerror}); {self._remedy}"
            ) from error
        if not is_small:
            raise SchemaError(
                f"{path}: has {n_bytes:,} bytes; expected at most {MOST_BYTES:,} in "
                "all JSON files of the folder together: predict fewer records, or keep "
                "the files in several folders"
            )
        self._n_bytes_left -= n_bytes
        if sum(map(content.count, (b",", b"[", b"{"))) > MOST_VALUES:
            raise SchemaError(
                f"{path}: has more than {MOST_VALUES:,} values, which are not read; "
                f"{self._remedy}"
            )
        try:
            value = json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:  # no UTF-8, too deep, too long
            raise SchemaError(
                f"{path}: is no JSON ({type(error).__name__}); {self._remedy}"
            ) from error
        return JsonValue(path, "", value, self._remedy)


def stacked(
    values: Sequence[JsonValue], shape: tuple[int, ...], minimum: float, maximum: float
) -> FloatArray:
    """Return the numbers of several values, each in lists of the same shape.

    Parameters
    ----------
    values : sequence of JsonValue
        The values.
    shape, minimum, maximum
        See `JsonValue.numbers`.

    Returns
    -------
    ndarray of shape (n_values, *shape)
    """
    # Row by row: the arrays of short rows would take ten times as much as their values.
    numbers = np.empty((len(values), *shape))
    for row, value in enumerate(values):
        numbers[row] = value.numbers(shape, minimum, maximum)
    return numbers


def plain_settings(settings: JsonValue) -> dict[str, Any]:
    """Return settings: texts, numbers, truth values, None, lists of texts, and groups.

    Raises
    ------
    SchemaError
        If there is something else.
    """
    return {
        name: {key: _plain(one) for key, one in value.items()}
        if isinstance(value.value, dict)
        else _plain(value)
        for name, value in settings.items()
    }


def _plain(value: JsonValue) -> object:
    """Return a setting that is no group."""
    if isinstance(value.value, list):
        return list(value.texts(_MOST_LISTED))
    if isinstance(value.value, str):
        return value.text()
    if isinstance(value.value, bool) or value.value is None:
        return value.value
    if isinstance(value.value, int):
        return value.whole(-(2**63), 2**63 - 1)
    return value.number()


def _are_numbers(value: object, shape: Sequence[int]) -> bool:
    """Return whether a value is numbers, no truth values, in lists of a shape."""
    if not isinstance(value, list) or len(value) != shape[0]:
        return False
    if len(shape) == 1:
        return {*map(type, value)} <= {int, float}
    return all(_are_numbers(one, shape[1:]) for one in value)


def _start(value: object) -> str:
    """Return the start of a value for a message of one line."""
    text = _SHOWN.repr(value)
    return text if len(text) <= _SHOWN.maxstring else f"{text[: _SHOWN.maxstring]}..."


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and infinities, which are no JSON."""
    raise ValueError(name)
