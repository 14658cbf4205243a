"""Labels, patients and other columns that a program gives together with its records."""

import json
import math
from collections.abc import Mapping, Set as AbstractSet
from dataclasses import replace
from typing import Final

import numpy as np

from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, short_repr
from ecgstore.label_tables.layout import Layout, layout_of
from ecgstore.label_tables.row import RowReader, TableRow
from ecgstore.label_tables.table import LabelTable, first_fold

_KEY: Final = "path"

_TITLE: Final = "the columns given with the records"


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
        self._names: dict[str, None] = {}  # as an ordered set
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
        if not (isinstance(columns, Mapping) and all(map(_is_name, columns))):
            raise EcgStoreError(
                f"{where} has the columns {short_repr(columns)}; expected a dict with "
                "texts as keys, such as {'dx': '426783006', 'patient_id': 7}"
            )
        cells = {name: _cell(where, name, value) for name, value in columns.items()}
        if not cells:
            return
        layout, reader = self._reader(tuple(cells))
        self._numbers[path] = len(self._rows)
        self._record_ids.append(record_id)
        blank = dict.fromkeys(layout.names, "")
        self._rows.append(reader.row(where, blank | cells))

    def _reader(self, names: tuple[str, ...]) -> tuple[Layout, RowReader]:
        """Return what columns of some names mean, and a reader of their rows."""
        if names not in self._readers:
            self._names |= dict.fromkeys(names)
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
        table = LabelTable(_TITLE, layout, [*self._names], is_given=True)
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
    return isinstance(name, str) and bool(name) and name != _KEY


def _cell(where: str, name: str, value: object) -> str:
    """Return a value as a table writes it."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or str(value) in ("nan", "NaT", "<NA>"):  # as pandas has them
        return ""
    if isinstance(value, bool | str):
        return str(value).strip()
    if isinstance(value, int | float):
        return f"{value:.0f}" if _is_whole(value) else repr(value)
    if isinstance(value, AbstractSet):
        value = sorted(map(str, value))
    if isinstance(value, list | tuple):
        return ",".join(_cell(where, name, one) for one in value)
    if isinstance(value, Mapping):
        return json.dumps({str(code): one for code, one in value.items()})
    raise EcgStoreError(
        f"{where} has {short_repr(value)} in column {name}; expected a text, a number, "
        "true or false, or a list or dict of codes"
    )


def _is_whole(value: float) -> bool:
    """Return whether a number is a whole one that a float holds exactly."""
    return math.isfinite(value) and float(value).is_integer() and abs(value) < 2**53
