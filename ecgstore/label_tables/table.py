"""One table of labels, patients and other columns, in memory by record."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Final, NamedTuple, TypeVar

from ecgstore.config import N_FOLDS, Config
from ecgstore.diagnoses import read_dx
from ecgstore.errors import ConfigError, short_repr
from ecgstore.label_tables.cells import (
    age_in,
    identifier_in,
    is_missing,
    number_in,
    sex_in,
    truth_in,
)
from ecgstore.label_tables.code_cells import read_codes
from ecgstore.label_tables.keys import names_in, tails, without_suffix
from ecgstore.label_tables.layout import Layout, layout_of
from ecgstore.system.table_files import read_table, table_columns

_T = TypeVar("_T")

_AMBIGUOUS: Final = -1
"""Number of the row of a name that several rows have."""

_PTB_XL_SEXES: Final = {"0": "male", "0.0": "male", "1": "female", "1.0": "female"}


class TableRow(NamedTuple):
    """What a table says about one record.

    Attributes
    ----------
    codes, denied : tuple of str
        Codes that the record has, and that it is said not to have.
    unknown : tuple of str
        Parts of the codes that are not understood; see `ecgstore.diagnoses.read_dx`.
    patient_id : str
        Empty where unknown.
    age : float
        Age in years; NaN where unknown.
    sex : str
        ``"male"``, ``"female"`` or ``"unknown"``.
    fold : int or None
        As the table numbers them; None where it has none.
    columns : tuple of str
        Values in the order of `Layout.columns`; empty where missing.
    targets : tuple of float
        Values in the order of `Layout.targets`; NaN where missing.
    source : str
        Database, as the table names it; empty where it does not.
    """

    codes: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    patient_id: str = ""
    age: float = math.nan
    sex: str = "unknown"
    fold: int | None = None
    columns: tuple[str, ...] = ()
    targets: tuple[float, ...] = ()
    source: str = ""


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
    unknown_sexes : dict
        Number of lines by sex that is not understood.
    """

    path: str
    layout: Layout
    all_columns: list[str]
    rows: list[TableRow] = field(default_factory=list)
    first_names: list[str] = field(default_factory=list)
    numbers: dict[str, dict[str, int]] = field(default_factory=dict)
    first_fold: int = 0
    unknown_sexes: dict[str, int] = field(default_factory=dict)

    def find(self, record_id: str, path: str, base: str = "") -> tuple[int, str] | None:
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

        Returns
        -------
        (int, str) or None
            Number of the row and name of the column; None if no row is about the record
            or it cannot be told which.
        """
        shares_name = record_id == path and "/" in path
        name = without_suffix(record_id)
        for column, numbers in self.numbers.items():
            names = tails(f"{base}/{path}") if column == "path" else iter((name,))
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
    reader = _Reader(str(path), layout, config)
    table = LabelTable(str(path), layout, columns)
    table.numbers = {key: {} for key in layout.keys}
    for where, cells in read_table(path, layout.names):
        _add(table, where, cells, reader.row(where, cells))
    if not table.rows:
        raise ConfigError(
            f"{path}: no rows; expected a record and what is known of it in each"
        )
    table.unknown_sexes = reader.unknown_sexes
    table.first_fold = _first_fold(table)
    return table


class _Reader:
    """Reads the cells of the rows of one table."""

    def __init__(self, path: str, layout: Layout, config: Config | None) -> None:
        self._path = path
        self._layout = layout
        self._needs_patient = config is None
        self._min_likelihood = 0.0 if config is None else config.min_likelihood
        self.unknown_sexes: dict[str, int] = {}

    def row(self, where: str, cells: Mapping[str, str]) -> TableRow:
        """Return what the cells of a row say."""
        layout = self._layout
        codes, unknown = self._codes(where, cells)
        denied: list[str] = []
        for column, code in layout.classes.items():
            is_in = _value(truth_in, where, column, cells, "0, 1, true, false or blank")
            if is_in is not None:
                (codes if is_in else denied).append(code)
        patient = identifier_in(cells[layout.patient]) if layout.patient else ""
        if self._needs_patient and not patient:
            raise ConfigError(
                f"{where} has an empty record or patient; fill it in, or remove "
                "the line: a record without one has no known patient"
            )
        return TableRow(
            codes=tuple(map(intern, dict.fromkeys(codes))),
            denied=tuple(intern(code) for code in denied if code not in codes),
            unknown=unknown,
            patient_id=patient,
            age=age_in(cells[layout.age]) if layout.age else math.nan,
            sex=self._sex(cells),
            fold=self._fold(where, cells),
            columns=tuple(
                "" if is_missing(cells[name]) else intern(cells[name])
                for name in layout.columns
            ),
            targets=tuple(
                _value(number_in, where, name, cells, "a number or blank")
                for name in layout.targets
            ),
            source=intern(cells[layout.source]) if layout.source else "",
        )

    def _codes(
        self, where: str, cells: Mapping[str, str]
    ) -> tuple[list[str], tuple[str, ...]]:
        """Return the codes of a row, and what is not understood of them."""
        column = self._layout.codes
        if not column:
            return [], ()
        if self._layout.is_dx:
            dx = read_dx(cells[column])
            return [*dx.codes], dx.unknown
        try:
            return [*read_codes(cells[column], self._min_likelihood)], ()
        except ValueError as error:
            raise ConfigError(
                f"{where}: column {column} {error}; expected codes separated by "
                "commas, or a list or dict as in {'NORM': 100.0}"
            ) from error

    def _sex(self, cells: Mapping[str, str]) -> str:
        """Return the sex in a row."""
        layout = self._layout
        if layout.is_male:
            is_male = {"true": True, "1": True, "false": False, "0": False}
            known = is_male.get(cells[layout.is_male].lower().removesuffix(".0"))
            if known is not None:
                return "male" if known else "female"
        if not layout.sex or is_missing(cells[layout.sex]):
            return "unknown"
        cell = cells[layout.sex]
        sex = _PTB_XL_SEXES.get(cell) if layout.of_ptb_xl else None
        sex = sex or sex_in(cell)
        if sex == "unknown" and cell.lower() != sex:
            self.unknown_sexes[cell] = self.unknown_sexes.get(cell, 0) + 1
        return sex

    def _fold(self, where: str, cells: Mapping[str, str]) -> int | None:
        """Return the fold in a row, as the table numbers it."""
        if not self._layout.fold:
            return None
        number = _value(number_in, where, self._layout.fold, cells, "a fold or blank")
        if math.isnan(number):
            return None
        if not (number.is_integer() and 0 <= number <= N_FOLDS):
            raise ConfigError(
                f"{where} has the fold {cells[self._layout.fold]!r}; expected a whole "
                f"number, 0 to {N_FOLDS - 1} or 1 to {N_FOLDS}"
            )
        return int(number)


def _value(
    read: Callable[[str], _T],
    where: str,
    column: str,
    cells: Mapping[str, str],
    expected: str,
) -> _T:
    """Return the value of a cell; raise a ConfigError that names its place."""
    try:
        return read(cells[column])
    except ValueError as error:
        raise ConfigError(
            f"{where} has {short_repr(cells[column])} in column {column}; expected "
            f"{expected}"
        ) from error


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
            f"{where} gives record {name} to patient {row.patient_id!r}, an earlier "
            f"line to patient {before.patient_id!r}; expected one"
        )
    codes = tuple(dict.fromkeys((*before.codes, *row.codes)))
    denied = tuple(dict.fromkeys((*before.denied, *row.denied)))
    joined = row._replace(
        codes=codes,
        denied=tuple(code for code in denied if code not in codes),
        unknown=tuple(dict.fromkeys((*before.unknown, *row.unknown))),
    )
    # By their texts, in which NaN is equal to itself.
    if repr(joined[3:]) != repr(before[3:]):
        raise ConfigError(
            f"{where} says something else of record {name} than an earlier line; "
            "expected one line, or lines that differ in their codes only"
        )
    return joined


def _first_fold(table: LabelTable) -> int:
    """Return the number of a table's first fold."""
    folds = {row.fold for row in table.rows} - {None}
    if {0, N_FOLDS} <= folds:
        raise ConfigError(
            f"{table.path}: column {table.layout.fold} has folds from 0 to {N_FOLDS}, "
            f"which are more than {N_FOLDS}; expected 0 to {N_FOLDS - 1} or 1 to "
            f"{N_FOLDS}"
        )
    return 0 if 0 in folds or not folds else 1
