"""Labels, patients and other columns that a program gives together with its records."""

import csv
import json
import math
from collections.abc import Mapping, Set as AbstractSet
from dataclasses import replace
from typing import Any, Final

import numpy as np

from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, short_repr
from ecgstore.label_tables.layout import Layout, layout_of
from ecgstore.label_tables.row import RowReader, TableRow
from ecgstore.label_tables.table import LabelTable, first_fold

_KEY: Final = "path"

_TITLE: Final = "the columns given with the records"

_LONGEST_NAME: Final = 200
"""Characters of the name of a column."""

_LONGEST_TEXT: Final = csv.field_size_limit()
"""Characters of a text: as in CSV files."""

_DEEPEST: Final = 2
"""Lists of lists are read, as arrays of codes are; what is nested deeper is not."""

_MISSING_TYPES: Final = ("NaTType", "NAType")
"""Types of the missing values of pandas."""


class GivenColumns:
    """The columns of records, joined to a table in memory.

    They mean what columns of these names mean in a file of ``--labels``. Records need
    not have the same ones.

    Parameters
    ----------
    config : Config
        Options that name columns, and the class set.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._names: dict[str, int] = {}  # with the number of their records
        self._readers: dict[tuple[str, ...], tuple[Layout, RowReader]] = {}
        self._rows: list[TableRow] = []
        self._record_ids: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, path: str, record_id: str, columns: object) -> None:
        """Add the columns of a record.

        Parameters
        ----------
        path : str
            Path of the record below the folder that all sources share.
        record_id : str
            Name of the record.
        columns : Mapping
            Value by name: texts, numbers or flags; lists or dicts of codes; None, NaN
            or an empty text where a value is unknown.

        Raises
        ------
        EcgStoreError
            If a value is not understood; the message names the record.
        """
        where = f"record {record_id}"
        odd = f"columns of type {type(columns).__name__}"
        if isinstance(columns, Mapping):
            odd = next(
                (f"a column {short_repr(one)}" for one in columns if not _is_name(one)),
                "",
            )
        if odd or not isinstance(columns, Mapping):
            raise EcgStoreError(
                f"{where} has {odd}; expected a dict with printable texts as keys, "
                f"other than {_KEY}, such as {{'dx': '426783006', 'patient_id': 7}}"
            )
        cells = {name: _cell(where, name, value) for name, value in columns.items()}
        if not cells:
            return
        for name in cells:
            self._names[name] = self._names.get(name, 0) + 1
        layout, reader = self._reader(tuple(cells))
        self._numbers[path] = len(self._rows)
        self._record_ids.append(record_id)
        blank = dict.fromkeys(layout.names, "")
        self._rows.append(reader.row(where, blank | cells))

    def _reader(self, names: tuple[str, ...]) -> tuple[Layout, RowReader]:
        """Return what columns of some names mean, and a reader of their rows."""
        if names not in self._readers:
            # With all columns of the options, the rows of all readers look the same.
            options = (*self._config.columns, *self._config.targets)
            every = dict.fromkeys((_KEY, *names, *options))
            layout = layout_of(_TITLE, [*every], self._config)
            layout = replace(layout, keys=(_KEY,))
            self._readers[names] = layout, RowReader(layout, self._config)
        return self._readers[names]

    def table(self) -> LabelTable | None:
        """Return the table of all records; None if none has a column."""
        if not self._rows:
            return None
        layout = layout_of(_TITLE, [_KEY, *self._names], self._config)
        options = self._config.columns, self._config.targets
        layout = replace(layout, keys=(_KEY,), columns=options[0], targets=options[1])
        table = LabelTable(_TITLE, layout, [*self._names], n_given=self._names)
        table.rows, table.first_names = self._rows, self._record_ids
        table.numbers = {_KEY: self._numbers}
        for _, reader in self._readers.values():
            for column, counts in reader.not_understood.items():
                known = table.not_understood.setdefault(column, {})
                for value, number in counts.items():
                    known[value] = known.get(value, 0) + number
        table.first_fold = first_fold(table)
        return table


def _is_name(name: object) -> bool:
    """Return whether a key can be the name of a column."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= _LONGEST_NAME
        and name.isprintable()
        and name != _KEY
    )


def _cell(where: str, name: str, value: Any, depth: int = 0) -> str:
    """Return a value as a table writes it."""
    if isinstance(value, np.generic | np.ndarray) or _is_of_pandas(value):
        value = value.tolist() if hasattr(value, "tolist") else value
    if value is None or type(value).__name__ in _MISSING_TYPES:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return _text(where, name, value)
    if isinstance(value, int | float):
        return _number(where, name, value)
    if depth <= _DEEPEST:
        if isinstance(value, AbstractSet):
            return ",".join(sorted(_cell(where, name, one, depth + 1) for one in value))
        if isinstance(value, list | tuple):
            return ",".join(_cell(where, name, one, depth + 1) for one in value)
        if isinstance(value, Mapping):
            return json.dumps(
                {
                    _cell(where, name, code, _DEEPEST + 1): _likelihood(
                        where, name, one
                    )
                    for code, one in value.items()
                }
            )
    raise _not_understood(where, name, f"a value of type {type(value).__name__}")


def _is_of_pandas(value: object) -> bool:
    """Return whether a value is of pandas, such as a series; without loading it."""
    return type(value).__module__.partition(".")[0] == "pandas"


def _text(where: str, name: str, text: str) -> str:
    """Return a text as a table could hold it."""
    if len(text) > _LONGEST_TEXT:
        raise _not_understood(where, name, f"a text of {len(text)} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _not_understood(where, name, "a text that is no valid Unicode") from None
    return text.strip()


def _number(where: str, name: str, value: float) -> str:
    """Return a number as a text; empty for NaN."""
    if value != value:
        return ""
    try:
        if isinstance(value, int):
            return str(int(value))
        return f"{value:.0f}" if _is_whole(value) else repr(float(value))
    except ValueError:  # Python refuses to print thousands of digits
        raise _not_understood(where, name, "a very large number") from None


def _likelihood(where: str, name: str, value: Any) -> float:
    """Return a value of a dict of codes; NaN where it is missing."""
    cell = _cell(where, name, value, _DEEPEST + 1)
    try:
        return float(cell or "nan")
    except ValueError:
        raise _not_understood(where, name, "a likelihood that is no number") from None


def _not_understood(where: str, name: str, what: str) -> EcgStoreError:
    """Return the error for a value that no table could hold."""
    return EcgStoreError(
        f"{where} has {what} in column {name}; expected a text of at most "
        f"{_LONGEST_TEXT} characters, a number, true or false, or a list or dict of "
        "codes"
    )


def _is_whole(value: float) -> bool:
    """Return whether a number is a whole one that a float holds exactly."""
    return math.isfinite(value) and value.is_integer() and abs(value) < 2**53
