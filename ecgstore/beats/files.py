"""Write beats and marks as CSV, JSON and annotations of WFDB."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.beats.of_records import RecordBeats
from ecgstore.errors import EcgStoreError
from ecgstore.record import MARKS, Mark
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.csv_files import write_csv_rows
from ecgstore.system.visible import visible

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

COLUMNS: Final = ("record_id", "source", "fs", "beat", "beat_sample", "lead", *MARKS)
"""Columns of the table: `beat` counts from 0, and all samples from the record's
beginning."""

_PEAKS: Final = {Mark.P_PEAK: "p", Mark.R_PEAK: "N", Mark.T_PEAK: "t"}

_ENDS: Final = {
    Mark.P_ON: "(",
    Mark.P_OFF: ")",
    Mark.QRS_ON: "(",
    Mark.QRS_OFF: ")",
    Mark.T_ON: "(",
    Mark.T_OFF: ")",
}

SYMBOLS: Final = np.array([(_PEAKS | _ENDS)[mark] for mark in Mark])
"""WFDB's symbols of the marks, as in LUDB and the QT Database."""


def write_beats_csv(file: "SupportsWrite[str]", records: Iterable[RecordBeats]) -> None:
    """Write a table with a row for every beat and lead; absent marks are empty.

    Names of leads, which devices write, are as `ecgstore.system.visible` shows them: a
    pipe may lead to a terminal.

    Parameters
    ----------
    file : text file
        Where the table is written.
    records : iterable of RecordBeats
        The records, which are written one by one.
    """
    write_csv_rows(file, COLUMNS, _rows(records))


def _rows(records: Iterable[RecordBeats]) -> Iterator[list[Any]]:
    """Yield the rows of the table."""
    for record in records:
        beats = record.beats
        for number, beat in enumerate(beats.r_peaks.tolist()):
            for lead, marks in zip(
                record.leads, beats.fiducials[:, number], strict=True
            ):
                about = [record.record_id, record.source, record.fs]
                yield [*about, number, beat, visible(lead), *_samples(marks)]


def write_beats_json(
    file: "SupportsWrite[str]", records: Iterable[RecordBeats]
) -> None:
    """Write an object per record; an absent mark is null.

    Parameters are those of `write_beats_csv`.
    """
    file.write('{"records": [')
    separator = "\n"
    for record in records:
        file.write(separator + json.dumps(_for_json(record), ensure_ascii=False))
        separator = ",\n"
    file.write("\n]}\n")


def _for_json(record: RecordBeats) -> dict[str, Any]:
    """Return a record as an object of JSON."""
    beats = record.beats
    return {
        "record_id": record.record_id,
        "source": record.source,
        "fs": record.fs,
        "n_samples": record.n_samples,
        "status": beats.status.name.lower(),
        "left_out": [*map(visible, record.left_out)],
        "beats": beats.r_peaks.tolist(),
        "leads": {
            visible(lead): {
                name: _samples(marks[:, mark]) for mark, name in enumerate(MARKS)
            }
            for lead, marks in zip(record.leads, beats.fiducials, strict=True)
        },
    }


def _samples(marks: IntArray) -> list[int | None]:
    """Return sample indices, None where a mark is absent."""
    return [None if mark < 0 else mark for mark in marks.tolist()]


def refuse_existing(path: Path) -> None:
    """Raise an error if there is a file: it may hold annotations of experts."""
    if os.path.lexists(path):
        raise EcgStoreError(
            f"{path}: exists, and may hold the annotations of a database; give another "
            "name, or replace it with --overwrite (in Python: overwrite=True)"
        )


def write_annotations(
    path: Path, record: RecordBeats, *, overwrite: bool = False
) -> None:
    """Write the marks of a record as annotations of WFDB.

    The symbols are those of LUDB and the QT Database: ``(``, ``p``, ``N`` or ``t``, and
    ``)`` for onset, peak and offset. The field `chan` is the position of the lead in
    the record, so that software shows the marks at their signal.

    Parameters
    ----------
    path : Path
        The file, such as ``A0001.atr``.
    record : RecordBeats
        The record.
    overwrite : bool
        Whether to replace a file that exists: beside a record of a database, it holds
        the annotations of its experts.

    Raises
    ------
    EcgStoreError
        If the record has no beats, or the file exists or cannot be written.
    """
    import wfdb

    if not overwrite:
        refuse_existing(path)
    marks = record.beats.fiducials
    lead, _, mark = np.nonzero(marks >= 0)
    sample = marks[marks >= 0]
    if not len(sample):
        raise EcgStoreError(
            f"{path}: {record.record_id} has no beats to annotate; write a .csv or "
            ".json file, which may be empty"
        )
    order = np.lexsort((mark, lead, sample))
    # wfdb writes only under names of its own kind, and not atomically.
    with tempfile.TemporaryDirectory() as folder:
        wfdb.wrann(
            "beats",
            "atr",
            sample[order],
            SYMBOLS[mark[order]].tolist(),
            chan=np.array(record.channels)[lead[order]],
            fs=record.fs,
            write_dir=folder,
        )
        content = (Path(folder) / "beats.atr").read_bytes()
    with replace_file(path, "wb") as file:
        file.write(content)
