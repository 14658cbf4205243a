"""Count which rows of the tables are about which records, for messages and JSON."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from ecgstore.builder.entry import Entry, Status
from ecgstore.errors import counted
from ecgstore.label_tables import LabelTable, RecordTables
from ecgstore.record import MAX_AGE

_N_NAMED: Final = 3
"""Number of rows and records that are named."""

_YEARS: Final = f"years from 0 to {MAX_AGE:g}"
_SEXES: Final = "male, female, M or F, or a column is_male with true or false"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableUse:
    """What a build takes from one table.

    Attributes
    ----------
    path : str
        The table.
    n_rows : int
        Number of its rows; lines about one record count as one.
    n_rows_used : int
        Rows that are about a record found.
    n_records : int
        Number of records found, selected or not.
    n_records_with_row : int
        Records that have a row.
    found_by : dict
        Number of these records by the column by which their row was found.
    read : dict
        Columns by what is read from them.
    rows_without_record, records_without_row : list of str
        The first few of either.
    rows_of_several : list of str
        The first few rows that are about several stored records of different ECGs.
    not_understood : dict
        Number of lines by age or sex that is not understood, by column; long values are
        not shown.
    doubts : list of str
        What is doubtful about the columns.
    """

    path: str
    n_rows: int
    n_rows_used: int
    n_records: int
    n_records_with_row: int
    found_by: dict[str, int]
    read: dict[str, list[str]]
    rows_without_record: list[str]
    records_without_row: list[str]
    rows_of_several: list[str]
    not_understood: dict[str, dict[str, int]]
    doubts: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """What was found by what, and what is read, as one line."""
        by = ", ".join(
            f"{count} by {column}" for column, count in self.found_by.items()
        )
        read = "; ".join(
            f"{what} from {', '.join(columns)}" for what, columns in self.read.items()
        )
        return (
            f"{self.path}: a row for {self.n_records_with_row} of "
            f"{counted(self.n_records, 'record')}{f' (found {by})' if by else ''}; "
            f"{read or 'nothing is read'}"
        )

    @property
    def unmatched(self) -> list[str]:
        """Lines about rows without a record, and records without a row."""
        lines = []
        for number, what, names in (
            (
                self.n_rows - self.n_rows_used,
                f"of {counted(self.n_rows, 'row')} about no record found",
                self.rows_without_record,
            ),
            (
                self.n_records - self.n_records_with_row,
                f"of {counted(self.n_records, 'record')} without a row",
                self.records_without_row,
            ),
        ):
            if number:
                more = ", ..." if number > len(names) else ""
                lines.append(f"{number} {what}: {', '.join(names)}{more}")
        return lines

    def warnings(self, limit: int | None) -> list[str]:
        """Return problems that do not stop a build, one sentence each.

        With a `limit`, most records are not looked at.
        """
        warnings = []
        if not self.n_rows_used and not limit:
            warnings.append(f"no record found is in {self.path}: is it the right file?")
        if self.rows_of_several:
            warnings.append(
                f"{self.path}: a row is taken for several records, such as "
                f"{', '.join(self.rows_of_several)}; if they are not one ECG, give "
                "their paths in a column path"
            )
        for column, values in self.not_understood.items():
            such_as = ", ".join([*values][:_N_NAMED])
            expected = _YEARS if column == "age" else _SEXES
            warnings.append(
                f"{self.path}: {counted(sum(values.values()), 'value')} of {column} "
                f"not understood: {such_as}; expected {expected}"
            )
        return [*warnings, *(f"{self.path}: {doubt}" for doubt in self.doubts)]


def table_uses(
    records: Callable[[], Iterable[Entry]], tables: RecordTables
) -> list[TableUse]:
    """Count which rows are about which records, table by table.

    Parameters
    ----------
    records : callable
        Returns all records that were found.
    tables : RecordTables
        The tables.
    """
    return [_use(records(), tables, table) for table in tables.tables]


def _use(records: Iterable[Entry], tables: RecordTables, table: LabelTable) -> TableUse:
    """Count the rows and the records of one table."""
    used: set[int] = set()
    stored: dict[int, tuple[str, str]] = {}
    found_by: Counter[str] = Counter()
    several: dict[int, None] = {}
    without_row: list[str] = []
    n_records = 0
    for entry in records:
        n_records += 1
        found = tables.find(table, entry)
        if found is None:
            if len(without_row) < _N_NAMED:
                without_row.append(entry.record_id)
            continue
        number, column = found
        found_by[column] += 1
        used.add(number)
        ecg = (entry.source, entry.sha256)
        if entry.status == Status.SELECTED and stored.setdefault(number, ecg) != ecg:
            several[number] = None
    without_record = (
        name for number, name in enumerate(table.first_names) if number not in used
    )
    return TableUse(
        path=table.path,
        n_rows=len(table.rows),
        n_rows_used=len(used),
        n_records=n_records,
        n_records_with_row=found_by.total(),
        found_by=dict(found_by),
        read=_read(table),
        rows_without_record=[*islice(without_record, _N_NAMED)],
        records_without_row=without_row,
        rows_of_several=[table.first_names[number] for number in several][:_N_NAMED],
        not_understood=table.not_understood,
        doubts=tables.doubts_about(table),
    )


def _read(table: LabelTable) -> dict[str, list[str]]:
    """Return the columns of a table by what is read from them."""
    layout = table.layout
    read = {
        "codes": [layout.codes],
        "classes": [*layout.classes],
        "patients": [layout.patient],
        "ages": [layout.age],
        "sexes": [layout.is_male, layout.sex],
        "folds": [layout.fold],
        "columns": [*layout.columns],
        "targets": [*layout.targets],
    }
    present = {what: [name for name in names if name] for what, names in read.items()}
    return {what: names for what, names in present.items() if names}
