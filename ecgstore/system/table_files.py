"""Read tables in files: CSV, and Parquet where pyarrow is installed."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ecgstore.errors import ConfigError
from ecgstore.system.csv_files import check_once, csv_columns, read_csv_rows
from ecgstore.system.regular_files import require_regular_file

PARQUET_SUFFIXES: Final = (".parquet", ".pq")

TABLE_SUFFIXES: Final = (".csv", *PARQUET_SUFFIXES)
"""Suffixes of files that `read_table` reads."""


def table_columns(path: str | Path) -> list[str]:
    """Return the names of the columns of a table.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    """
    if Path(path).suffix.lower() not in PARQUET_SUFFIXES:
        return csv_columns(path)
    with _opened(path) as file:
        return [str(name) for name in file.schema_arrow.names]


def read_table(
    path: str | Path, columns: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the values of some columns of every row, as texts.

    Parameters
    ----------
    path : str or Path
        A CSV file, as `read_csv_rows` reads it, or a Parquet file.
    columns : sequence of str
        Names of the columns to read.

    Yields
    ------
    where : str
        File and line or row, for error messages.
    row : dict
        Value by column, without surrounding white space. Of Parquet, missing values are
        empty, and lists and dicts are JSON.

    Raises
    ------
    ConfigError
        If the file cannot be read, a column is missing or there twice, or a row has
        another number of values.
    """
    if Path(path).suffix.lower() not in PARQUET_SUFFIXES:
        yield from read_csv_rows(path, *((name,) for name in columns))
        return
    with _opened(path) as file:
        present = [str(name) for name in file.schema_arrow.names]
        check_once(path, columns, present)
        number = 0
        for batch in file.iter_batches(columns=list(columns)):
            for row in batch.to_pylist():
                number += 1
                yield (
                    f"{path}: row {number}",
                    {name: _text(row[name]) for name in columns},
                )


def _opened(path: str | Path) -> Any:
    """Return an open Parquet file."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{path}: reading Parquet needs pyarrow, which is not installed; pip "
            "install pyarrow, or give the table as CSV"
        ) from error
    require_regular_file(path)
    try:
        return ParquetFile(path)
    except (OSError, ArrowException) as error:
        raise ConfigError(
            f"{path}: not a readable Parquet file; check that it exists, is complete "
            "and may be read"
        ) from error


def _text(value: Any) -> str:
    """Return a value of a Parquet file as CSV would have it."""
    if value is None:
        return ""
    if isinstance(value, dict):  # absent members of a struct are None
        value = {key: member for key, member in value.items() if member is not None}
        return json.dumps(value, default=str)
    if isinstance(value, list):
        if value and all(isinstance(one, tuple) for one in value):  # a map
            return json.dumps(dict(value), default=str)
        return json.dumps(value, default=str)
    return str(value).strip()
