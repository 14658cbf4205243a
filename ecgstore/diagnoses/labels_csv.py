"""Read the diagnoses of many records from one CSV file, without their signals."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ecgstore.diagnoses.dx_text import read_dx
from ecgstore.system.csv_files import read_csv_rows


class LabelRow(NamedTuple):
    """The diagnoses of one record in a CSV file.

    Attributes
    ----------
    record_id : str
        Name of the record.
    source : str
        Its source, as named in the file.
    dx : tuple of str
        SNOMED CT codes in the file's order, without repeats.
    dx_unknown : tuple of str
        Parts of the diagnoses that are not understood; see `read_dx`.
    """

    record_id: str
    source: str
    dx: tuple[str, ...]
    dx_unknown: tuple[str, ...]


def read_labels_csv(path: str | Path) -> Iterator[LabelRow]:
    """Yield the diagnoses of every record in a CSV file.

    Parameters
    ----------
    path : str or Path
        A CSV file with the columns ``record_id`` (or ``record``), ``source`` (or
        ``tranche_name``) and ``dx`` (or ``diagnosis``). The last contains diagnoses in
        any spelling that `read_dx` understands.

    Raises
    ------
    ConfigError
        If the file cannot be read or a column is missing.
    """
    rows = read_csv_rows(
        path, ("record_id", "record"), ("source", "tranche_name"), ("dx", "diagnosis")
    )
    for _, row in rows:
        record_id, source, dx = row.values()
        yield LabelRow(record_id, source, *read_dx(dx))
