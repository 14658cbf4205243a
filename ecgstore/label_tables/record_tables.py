"""Everything that headers and tables say about a record, joined."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from ecgstore.config import Config
from ecgstore.errors import ConfigError
from ecgstore.label_tables.cells import is_missing, number_in
from ecgstore.label_tables.doubts import doubts_about, require_use
from ecgstore.label_tables.given_columns import GivenColumns
from ecgstore.label_tables.layout import require_columns
from ecgstore.label_tables.row import TableRow
from ecgstore.label_tables.table import LabelTable, read_label_table


class FoundRecord(Protocol):
    """A record as a scan found it; `ecgstore.builder.journal.Entry` explains it."""

    @property
    def record_id(self) -> str:
        """Name of the record."""

    @property
    def source(self) -> str:
        """Name of its source."""

    @property
    def path(self) -> str:
        """Path of its header below the folder that all sources share."""

    @property
    def dx(self) -> str:
        """Codes of the header, separated by commas."""

    @property
    def denied(self) -> str:
        """Codes that the header says it has not, separated by commas."""

    @property
    def age(self) -> float | None:
        """Age in years; None where unknown."""

    @property
    def sex(self) -> str:
        """``"male"``, ``"female"`` or ``"unknown"``."""

    @property
    def patient_id(self) -> str:
        """The patient by the header; empty where unknown."""


class Description(NamedTuple):
    """What is known of a record. Where header and table differ, the table counts.

    Attributes
    ----------
    dx : tuple of str
        Codes of the tables, then those of the header, each once; without those of
        classes that a table says the record is not in.
    denied : tuple of str
        Codes that the record is said not to have.
    patient_id : str
        Empty where unknown.
    age : float
        Age in years; NaN where unknown.
    sex : str
        ``"male"``, ``"female"`` or ``"unknown"``.
    fold : int or None
        Fold from 0; None where no table has one.
    columns : tuple of str
        Values of the columns of `Config.columns`; empty where missing.
    targets : tuple of float
        Values of `Config.targets`; NaN where missing.
    """

    dx: tuple[str, ...]
    denied: tuple[str, ...]
    patient_id: str
    age: float
    sex: str
    fold: int | None
    columns: tuple[str, ...]
    targets: tuple[float, ...]


class RecordTables:
    """The tables of a build.

    Parameters
    ----------
    tables : sequence of LabelTable
        The tables; of two that have a value for a record, the first counts. Codes are
        joined.
    config : Config
        Options of the build.
    base : str
        Folder that contains all sources.
    """

    def __init__(
        self, tables: Sequence[LabelTable], config: Config, base: str = ""
    ) -> None:
        self.tables = tuple(tables)
        self._base = base
        self._config = config
        self._class_columns = config.classes.columns
        self._columns = config.columns
        self._targets = config.targets
        self.is_number = tuple(map(self._is_number, config.columns))

    def describe(self, record: FoundRecord) -> Description:
        """Return what headers and tables say about a record."""
        rows = list(self._rows(record)) if self.tables else []
        if not rows:
            return self._by_header(record)
        asserted = dict.fromkeys(code for _, row in rows for code in row.codes)
        by_tables = dict.fromkeys(code for _, row in rows for code in row.denied)
        absent = {self._class_columns.get(code) for code in by_tables} - {None}
        of_header = (
            code
            for code in _codes(record.dx)
            if self._class_columns.get(code) not in absent
        )
        dx = tuple(dict.fromkeys((*asserted, *of_header)))
        denied = dict.fromkeys((*by_tables, *_codes(record.denied)))
        age = _first_known(row.age for _, row in rows)
        if math.isnan(age) and record.age is not None:
            age = record.age
        sexes = (*(row.sex for _, row in rows), record.sex)
        return Description(
            dx=dx,
            denied=tuple(code for code in denied if code not in asserted),
            patient_id=next(
                (row.patient_id for _, row in rows if row.patient_id),
                record.patient_id,
            ),
            age=age,
            sex=next((sex for sex in sexes if sex != "unknown"), "unknown"),
            fold=next(
                (
                    row.fold - table.first_fold
                    for table, row in rows
                    if row.fold is not None
                ),
                None,
            ),
            columns=tuple(_column(name, rows) for name in self._columns),
            targets=tuple(_target(name, rows, age) for name in self._targets),
        )

    def _by_header(self, record: FoundRecord) -> Description:
        """Return what the header of a record says that no table has a row for."""
        age = math.nan if record.age is None else record.age
        return Description(
            dx=_distinct_codes(record.dx),
            denied=_distinct_codes(record.denied),
            patient_id=record.patient_id,
            age=age,
            sex=record.sex,
            fold=None,
            columns=("",) * len(self._columns),
            targets=tuple(_target(name, (), age) for name in self._targets),
        )

    def _rows(self, record: FoundRecord) -> Iterable[tuple[LabelTable, TableRow]]:
        """Yield every table that has a row about a record, and the row."""
        for table in self.tables:
            found = self.find(table, record)
            if found is not None:
                yield table, table.rows[found[0]]

    def find(self, table: LabelTable, record: FoundRecord) -> tuple[int, str] | None:
        """Return the row of a record in one table; see `LabelTable.find`."""
        return table.find(record.record_id, record.path, self._base, record.source)

    def doubts_about(self, table: LabelTable) -> list[str]:
        """Return what is doubtful about the columns of a table; see `doubts`."""
        return doubts_about(table, self.tables, self._config)

    def for_selection(self) -> Self:
        """Return the tables with codes alone, for processes that select records.

        There may be many of them, and rows with the same codes share their memory.
        """
        return type(self)(
            [_codes_only(table) for table in self.tables],
            replace(self._config, columns=(), targets=()),
            self._base,
        )

    def digests(self) -> list[str]:
        """Return a digest of every table."""
        return [table.digest() for table in self.tables]

    def _is_number(self, name: str) -> bool:
        """Return whether all values of a stored column are numbers."""
        is_any = False
        for table in self.tables:
            if name not in table.layout.columns:
                continue
            place = table.layout.columns.index(name)
            for row in table.rows:
                cell = row.columns[place]
                if is_missing(cell):
                    continue
                is_any = True
                if not _is_plain_number(cell):
                    return False
        return is_any


def _codes_only(table: LabelTable) -> LabelTable:
    """Return a table without all that does not select records."""
    shared: dict[tuple[tuple[str, ...], tuple[str, ...]], TableRow] = {}
    rows = [
        shared.setdefault(
            (row.codes, row.denied), TableRow(codes=row.codes, denied=row.denied)
        )
        for row in table.rows
    ]
    layout = replace(table.layout, columns=(), targets=())
    return replace(table, layout=layout, rows=rows, first_names=[])


def _is_plain_number(cell: str) -> bool:
    """Return whether a cell is a number, and no name like 00012."""
    digits = cell.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return False
    try:
        number_in(cell)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1 << 12)
def _distinct_codes(text: str) -> tuple[str, ...]:
    """Return the codes in a text of a journal, each once."""
    return tuple(dict.fromkeys(_codes(text)))


def _codes(text: str) -> list[str]:
    """Return the codes in a text of a journal."""
    return text.split(",") if text else []


def _first_known(values: Iterable[float]) -> float:
    """Return the first value that is not NaN."""
    return next((value for value in values if not math.isnan(value)), math.nan)


def _column(name: str, rows: Sequence[tuple[LabelTable, TableRow]]) -> str:
    """Return the first value of a column that is not missing."""
    values = (
        row.columns[table.layout.columns.index(name)]
        for table, row in rows
        if name in table.layout.columns
    )
    return next(filter(None, values), "")


def _target(
    name: str, rows: Sequence[tuple[LabelTable, TableRow]], age: float
) -> float:
    """Return the first value of a target that is known."""
    value = _first_known(
        row.targets[table.layout.targets.index(name)]
        for table, row in rows
        if name in table.layout.targets
    )
    return age if name == "age" else value


def read_tables(
    config: Config,
    *,
    labels: str | Path | Iterable[str | Path] = (),
    patients: str | Path | None = None,
    base: str = "",
) -> RecordTables:
    """Read the tables of a build.

    Parameters
    ----------
    config : Config
        Options of the build.
    labels : str, Path, or iterable of them
        Tables of labels, patients and other columns.
    patients : str or Path, optional
        A table from which only patients are read.
    base : str
        Folder that contains all sources.

    Raises
    ------
    ConfigError
        If a table cannot be read or says nothing, or none has a column that the options
        name.
    """
    if isinstance(labels, str | Path):
        labels = [labels]
    tables = [read_label_table(path, config) for path in labels]
    require_columns(config, {table.path: table.all_columns for table in tables})
    require_use(tables, tables, config)
    if patients is not None:
        tables.insert(0, read_patients(patients))
    return RecordTables(tables, config, base)


def tables_of_build(
    config: Config, given: GivenColumns, labels: Iterable[str | Path], *, base: str
) -> RecordTables:
    """Return the tables of a build from records that a program gives.

    Parameters
    ----------
    config : Config
        Options of the build.
    given : GivenColumns
        The columns that came with the records, which count first.
    labels : iterable of str or Path
        Tables in files.
    base : str
        Folder that contains the records.

    Raises
    ------
    ConfigError
        As `read_tables`.
    """
    own = given.table()
    files = [read_label_table(path, config) for path in labels]
    tables = [*([] if own is None else [own]), *files]
    require_columns(config, {table.path: table.all_columns for table in tables})
    require_use(files, tables, config)
    return RecordTables(tables, config, base)


def read_patients(path: str | Path) -> LabelTable:
    """Read a table from which only the patient of every record is taken.

    Parameters
    ----------
    path : str or Path
        A CSV file with the columns ``record_id`` and ``patient_id``, or ``ecg_id`` and
        ``patient_id`` as in PTB-XL's ``ptbxl_database.csv``; other columns are ignored.

    Raises
    ------
    ConfigError
        If the file cannot be read, lacks a column or has no rows, if a record or a
        patient is empty, or if a record has two patients.
    """
    if not Path(path).exists():
        raise ConfigError(
            f"{path}: no such file; expected a table of patients, which keeps all "
            "records of a patient in one fold. ptbxl_database.csv comes with PTB-XL's "
            "own download (physionet.org/content/ptb-xl), not with the Challenge's; "
            "a build without --patients works, but folds may share patients"
        )
    return read_label_table(path, None)
