"""One table of labels, patients and other columns, in memory by record."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ecgstore.config import N_FOLDS, Config
from ecgstore.errors import ConfigError, short_list
from ecgstore.label_tables.keys import names_in, tails, without_suffix
from ecgstore.label_tables.layout import Layout, layout_of
from ecgstore.label_tables.row import RowReader, TableRow
from ecgstore.system.table_files import read_table, table_columns

_AMBIGUOUS: Final = -1
"""Number of the row of a name that several rows have."""


@dataclass(slots=True)
class LabelTable:
    """A table in memory.

    Attributes
    ----------
    path : str
        The file, as it was given.
    layout : Layout
        What its columns mean.
    all_columns : list of str
        Names of all columns, also of those that are not read.
    rows : list of TableRow
        One for each record; lines about one record are joined.
    first_names : list of str
        The first name of each row, for messages.
    numbers : Mapping
        For each key column, the number of the row of each name.
    first_fold : int
        Number of the table's first fold: 0 or 1.
    not_understood : dict
        Number of lines by value that is not understood, by column.
    n_given : dict
        Number of records with which a program gave each column; empty for a file.
    only_patients : bool
        Whether all but the patients is left alone.
    """

    path: str
    layout: Layout
    all_columns: list[str]
    rows: list[TableRow] = field(default_factory=list)
    first_names: list[str] = field(default_factory=list)
    numbers: dict[str, dict[str, int]] = field(default_factory=dict)
    first_fold: int = 0
    not_understood: dict[str, dict[str, int]] = field(default_factory=dict)
    n_given: dict[str, int] = field(default_factory=dict)
    only_patients: bool = False

    def find(
        self, record_id: str, path: str, base: str = "", source: str = ""
    ) -> tuple[int, str] | None:
        """Return the row of a record, and the column by which it was found.

        Parameters
        ----------
        record_id : str
            Name of the record, which is its path if several share the name: then its
            name alone is not enough.
        path : str
            Path of its header below `base`.
        base : str
            Folder that contains all sources.
        source : str
            Its source: a table may call the record ``source/name``.

        Returns
        -------
        (int, str) or None
            Number of the row and name of the column; None if no row is about the record
            or it cannot be told which.
        """
        shares_name = record_id == path and "/" in path
        name = without_suffix(record_id)
        for column, numbers in self.numbers.items():
            names: Iterable[str] = (f"{source}/{name}", name)
            if column == "path":
                names = tails(f"{base}/{path}")
            for one in names:
                number = numbers.get(one)
                if number is None or (shares_name and "/" not in one):
                    continue
                return None if number == _AMBIGUOUS else (number, column)
        return None

    def digest(self) -> str:
        """Return a digest of everything that a build takes from the table."""
        content = (self.layout, self.numbers, self.rows, self.first_fold)
        return hashlib.sha256(repr(content).encode()).hexdigest()


def read_label_table(path: str | Path, config: Config | None) -> LabelTable:
    """Read a table of labels, patients and other columns.

    Parameters
    ----------
    path : str or Path
        A CSV file, or a Parquet file where pyarrow is installed.
    config : Config or None
        Options that name columns, and the class set. None reads patients only, all of
        which must be known.

    Raises
    ------
    ConfigError
        If the file cannot be read, has no column that names records, or has a value
        that is not understood; the message names file and line.
    """
    columns = table_columns(path)
    layout = layout_of(path, columns, config)
    reader = RowReader(layout, config)
    table = LabelTable(str(path), layout, columns, only_patients=config is None)
    table.numbers = {key: {} for key in layout.keys}
    for where, cells in read_table(path, layout.names):
        _add(table, where, cells, reader.row(where, cells))
    if not table.rows:
        raise ConfigError(
            f"{path}: no rows; expected a record and what is known of it in each"
        )
    table.not_understood = reader.not_understood
    table.first_fold = first_fold(table)
    return table


def _add(
    table: LabelTable, where: str, cells: Mapping[str, str], row: TableRow
) -> None:
    """Add a line to a table, or join it with an earlier one about the same record."""
    names = {
        key: names_in(key, cells[key], of_ptb_xl=table.layout.of_ptb_xl)
        for key in table.layout.keys
    }
    first = next(((key, found[0]) for key, found in names.items() if found), None)
    if first is None:
        raise ConfigError(
            f"{where} has an empty record or patient; fill in one of "
            f"{', '.join(table.layout.keys)}, or remove the line"
        )
    key, name = first
    number = table.numbers[key].get(name, _AMBIGUOUS)
    if number == _AMBIGUOUS:
        number = len(table.rows)
        table.rows.append(row)
        table.first_names.append(name)
    else:
        table.rows[number] = _joined(where, name, table.rows[number], row)
    for key, found in names.items():
        for one in found:
            if table.numbers[key].setdefault(one, number) != number:
                table.numbers[key][one] = _AMBIGUOUS


def _joined(where: str, name: str, before: TableRow, row: TableRow) -> TableRow:
    """Return two lines about one record as one, if they differ in codes alone."""
    if before.patient_id != row.patient_id:
        raise ConfigError(
            f"{where} gives record {name} to another patient than an earlier line; "
            "expected one"
        )
    contrary = {*before.codes} & {*row.denied} | {*before.denied} & {*row.codes}
    if contrary:
        raise ConfigError(
            f"{where} says that record {name} is in a class, and an earlier line that "
            "it is not, or the other way round; expected one of them for "
            f"{short_list(sorted(contrary))}"
        )
    codes = tuple(dict.fromkeys((*before.codes, *row.codes)))
    joined = row._replace(
        codes=codes,
        denied=tuple(dict.fromkeys((*before.denied, *row.denied))),
        unknown=tuple(dict.fromkeys((*before.unknown, *row.unknown))),
    )
    # By their texts, in which NaN is equal to itself.
    if repr(joined[3:]) != repr(before[3:]):
        raise ConfigError(
            f"{where} says something else of record {name} than an earlier line; "
            "expected one line, or lines that differ in their codes only"
        )
    return joined


def first_fold(table: LabelTable) -> int:
    """Return the number of a table's first fold."""
    folds = {row.fold for row in table.rows} - {None}
    if {0, N_FOLDS} <= folds:
        raise ConfigError(
            f"{table.path}: column {table.layout.fold} has folds from 0 to {N_FOLDS}, "
            f"which are more than {N_FOLDS}; expected 0 to {N_FOLDS - 1} or 1 to "
            f"{N_FOLDS}"
        )
    return 0 if 0 in folds or not folds else 1
