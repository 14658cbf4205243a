"""Rows of a CSV file that a user brings, with errors that say what to mend."""

import csv
from collections.abc import Iterator
from pathlib import Path

from ecgstore.errors import ConfigError


def csv_rows(
    path: str | Path, *columns: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the wanted columns of every row.

    Parameters
    ----------
    path : str or Path
        A file with comma-separated values in UTF-8 and a line of column names.
    *columns : tuple of str
        The names that each wanted column may have; the first one present is taken.

    Yields
    ------
    where : str
        File and line, for messages.
    row : dict
        The row's values without blanks around them, by the name that the column
        has, in the order asked for.

    Raises
    ------
    ConfigError
        If the file cannot be read, a column is absent, or a row is too short.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            header = [name.strip() for name in next(reader, [])]
            places = [_place(path, header, names) for names in columns]
            for row in reader:
                if not row:
                    continue
                where = f"{path}: line {reader.line_num}"
                if len(row) <= max(places):
                    raise ConfigError(
                        f"{where} has {len(row)} values; expected {len(header)}, "
                        "as in its first line"
                    )
                yield where, {header[place]: row[place].strip() for place in places}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            f"{path}: not a readable CSV file ({error}); expected UTF-8 text with "
            "a line of column names"
        ) from error


def _place(path: str | Path, header: list[str], names: tuple[str, ...]) -> int:
    """Return where the column with one of these names is."""
    for name in names:
        if name in header:
            return header.index(name)
    raise ConfigError(
        f"{path}: no column {' or '.join(names)}; its columns are "
        f"{', '.join(header) or 'none'}"
    )
