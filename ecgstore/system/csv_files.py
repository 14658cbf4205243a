"""Read and write CSV files: UTF-8, a line of column names, then a line per row.

Cells are written as they are, so that they read back the same: a name that begins with
``=`` is not changed, though a spreadsheet would take it for a formula.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from ecgstore.errors import ConfigError, short_list, short_repr
from ecgstore.similar_names import did_you_mean
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.regular_files import require_regular_file

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_LONGEST_ROW: Final = 1 << 22
"""Characters of a row that is read."""

MOST_COLUMNS: Final = 10_000
"""Columns of a file that is read."""

_DELIMITERS: Final = (",", ";", "\t")
"""Separators of values: that of a file is the first one that its first line has."""


def write_csv(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    float_format: str = "",
) -> None:
    """Write a CSV file that gets its name only when it is complete.

    Parameters
    ----------
    path : Path
        The file; an older file of that name stays until the new one is complete.
    columns : sequence of str
        Names of the columns.
    rows : iterable of sequence
        Values of each row, in the order of the columns. None, NaN and `pandas.NA`
        become empty.
    float_format : str
        Format specification of floating-point values, such as ``".6f"``; by default
        the shortest text that reads back as the same number.

    Raises
    ------
    EcgStoreError
        If the file cannot be written.
    """
    with replace_file(path) as file:
        write_csv_rows(file, columns, rows, float_format)


def write_csv_rows(
    file: "SupportsWrite[str]",
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    float_format: str = "",
) -> None:
    r"""Write CSV to an open text file, each row as soon as `rows` yields it.

    Lines end with ``\n`` on every system. Parameters are those of `write_csv`.
    """
    # With this end of a line, cells with a carriage return are quoted, too.
    writer = csv.writer(_LineFeeds(file), lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value, float_format) for value in row])


class _LineFeeds:
    r"""Writes the lines of `csv.writer` to a file, each with ``\n`` for ``\r\n``."""

    def __init__(self, file: "SupportsWrite[str]") -> None:
        self._file = file

    def write(self, line: str) -> None:
        r"""Write a line that ends with ``\r\n``."""
        self._file.write(line[:-2] + "\n")


def _cell(value: Any, float_format: str) -> Any:
    """Return a value for `csv.writer`: formatted, or empty where it is undefined."""
    try:
        if value is None or value != value:  # only NaN differs from itself
            return ""
    except TypeError:  # whether pandas.NA does is not defined either
        return ""
    return format(value, float_format) if isinstance(value, float) else value


def read_csv_rows(
    path: str | Path, *columns: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the values of some columns of every row.

    Parameters
    ----------
    path : str or Path
        A file in UTF-8, whose first line names the columns and tells the separator:
        a comma, or, if it has none, a semicolon or a tab.
    *columns : tuple of str
        The names that each column may have; the first one present is read. If no column
        is named, all are read.

    Yields
    ------
    where : str
        File and line, for error messages.
    row : dict
        Values by the column's name in the file, in the order of `columns`, without
        surrounding white space.

    Raises
    ------
    ConfigError
        If the file cannot be read, a column is missing or there twice, or a row has
        another number of values.
    """
    with _opened(path) as (header, rows):
        present = {name: index for index, name in enumerate(header)}
        wanted = columns or tuple((name,) for name in header)
        chosen = [_present_name(path, present, names) for names in wanted]
        check_once(path, chosen, header)
        indices = [present[name] for name in chosen]
        for number, row in rows:
            if not row:
                continue
            where = f"{path}: line {number}"
            if len(row) <= max(indices, default=-1) or any(row[len(header) :]):
                raise ConfigError(
                    f"{where} has {len(row)} values; expected {len(header)}, as in "
                    "its first line (a value with separators needs quotes)"
                )
            yield where, {header[k]: row[k].strip() for k in indices}


def csv_columns(path: str | Path) -> list[str]:
    """Return the names of the columns of a CSV file.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    """
    with _opened(path) as (header, _):
        return header


class _Lines:
    """The lines of an open file, of which those of one row take little memory."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.n_characters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_LONGEST_ROW + 1)
        if not line:
            raise StopIteration
        self.n_characters += len(line)
        if self.n_characters > _LONGEST_ROW:
            raise csv.Error("a row is too long")
        return line


@contextmanager
def _opened(
    path: str | Path,
) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
    """Return the names of the columns, and the rows with the number of their line."""
    require_regular_file(path)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            lines = _Lines(file)
            first = next(lines, "")
            delimiter = next((one for one in _DELIMITERS if one in first), ",")
            reader = csv.reader(chain([first], lines), delimiter=delimiter)

            def rows() -> Iterator[tuple[int, list[str]]]:
                for row in reader:
                    yield reader.line_num, row
                    lines.n_characters = 0

            header = [name.strip() for name in next(reader, [])]
            if len(header) > MOST_COLUMNS:
                raise ConfigError(
                    f"{path}: has {len(header)} columns; expected a table of at most "
                    f"{MOST_COLUMNS}: remove those that are not needed"
                )
            yield header, rows()
    except OSError as error:
        raise ConfigError(
            f"{path}: not a readable CSV file ({error.strerror}); check that it exists "
            "and may be read"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            f"{path}: not a readable CSV file; expected UTF-8 text with a line of "
            f"column names, and at most {csv.field_size_limit()} characters per value "
            f"and {_LONGEST_ROW} per row"
        ) from error


def _present_name(
    path: str | Path, present: Mapping[str, int], names: tuple[str, ...]
) -> str:
    """Return the first of these names that a column has."""
    for name in names:
        if name in present:
            return name
    raise ConfigError(
        f"{path}: no column {' or '.join(names)}; "
        f"{named_columns(names[:1], [*present])}"
    )


def named_columns(wanted: Iterable[str], columns: Sequence[str]) -> str:
    """Return the end of a message about a column that a table lacks.

    Parameters
    ----------
    wanted : iterable of str
        The columns that are wanted: one of the table may be similar.
    columns : sequence of str
        The columns that the table has.

    Examples
    --------
    >>> named_columns(["age"], ["agee", "sex"])
    'did you mean agee? its columns are agee, sex'
    >>> named_columns(["age"], ["age|sex"])
    'its columns are age|sex; expected names in the first line, separated by commas, \
semicolons or tabs'
    """
    listed = f"its columns are {short_list(columns)}"
    first = columns[0] if columns else ""
    is_split = len(columns) > 1 or re.fullmatch(r"[\w.-]+", first)
    if not is_split or first.lower().startswith("sep="):
        return (
            f"{listed}; expected names in the first line, separated by commas, "
            "semicolons or tabs"
        )
    questions = (did_you_mean(name, columns) for name in wanted)
    return next(filter(None, questions), "") + listed


def check_once(path: str | Path, names: Iterable[str], columns: Iterable[str]) -> None:
    """Refuse columns whose name another one has, too.

    Raises
    ------
    ConfigError
        If several columns have one of the names.
    """
    numbers = Counter(columns)
    for name in names:
        if numbers[name] > 1:
            raise ConfigError(
                f"{path}: has {numbers[name]} columns {short_repr(name)}; expected "
                "one: rename or remove the others"
            )
