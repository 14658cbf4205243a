"""Read and write CSV files: UTF-8, a line of column names, then a line per row.

Cells are written as they are, so that they read back the same: a name that begins with
``=`` is not changed, though a spreadsheet would take it for a formula.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgstore.errors import ConfigError
from ecgstore.system.atomic_files import replace_file

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


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
        A file with comma-separated values in UTF-8, whose first line names the columns.
    *columns : tuple of str
        The names that each column may have; the first one present is read.

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
        If the file cannot be read, a column is missing, or a row is too short.
    """
    with _readable(path), Path(path).open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        header = [name.strip() for name in next(reader, [])]
        indices = [_column_index(path, header, names) for names in columns]
        for row in reader:
            if not row:
                continue
            where = f"{path}: line {reader.line_num}"
            if len(row) <= max(indices):
                raise ConfigError(
                    f"{where} has {len(row)} values; expected {len(header)}, as in "
                    "its first line"
                )
            yield where, {header[k]: row[k].strip() for k in indices}


def csv_columns(path: str | Path) -> list[str]:
    """Return the names of the columns of a CSV file.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    """
    with _readable(path), Path(path).open(encoding="utf-8-sig", newline="") as lines:
        return [name.strip() for name in next(csv.reader(lines), [])]


@contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """Convert the errors of reading a CSV file."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{path}: not a readable CSV file ({error.strerror}); check that it exists "
            "and may be read"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            f"{path}: not a readable CSV file; expected UTF-8 text with a line of "
            f"column names, and at most {csv.field_size_limit()} characters per value"
        ) from error


def _column_index(path: str | Path, header: list[str], names: tuple[str, ...]) -> int:
    """Return the index of the column that has one of these names."""
    for name in names:
        if name in header:
            return header.index(name)
    raise ConfigError(
        f"{path}: no column {' or '.join(names)}; its columns are "
        f"{', '.join(header) or 'none'}"
    )
