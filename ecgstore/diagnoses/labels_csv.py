"""Read the diagnoses of many records from one CSV file, without their signals."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ecgstore.diagnoses.snomed import find_code
from ecgstore.system.csv_files import read_csv_rows

_SEPARATOR: Final = re.compile("[;,]")


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
    """

    record_id: str
    source: str
    dx: tuple[str, ...]


def read_labels_csv(path: str | Path) -> Iterator[LabelRow]:
    """Yield the diagnoses of every record in a CSV file.

    Parameters
    ----------
    path : str or Path
        A CSV file with the columns ``record_id`` (or ``record``), ``source`` (or
        ``tranche_name``) and ``dx`` (or ``diagnosis``). The last contains codes or
        abbreviations separated by ``;`` or ``,``. Unknown abbreviations are returned
        unchanged, so that they are counted as unknown codes.

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
        texts = (text.strip() for text in _SEPARATOR.split(dx))
        codes = dict.fromkeys(find_code(text) or text for text in texts if text)
        yield LabelRow(record_id, source, tuple(codes))
