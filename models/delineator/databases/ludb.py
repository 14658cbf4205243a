"""The Lobachevsky University Database (LUDB): twelve leads, each one annotated.

Kalyakulina et al. 2020, IEEE Access 8:186181; 10 s at 500 Hz, one record a patient.
"""

from pathlib import Path
from typing import Final

import numpy as np
import wfdb

from ecgstore.models.delineator.databases.annotated import (
    WAVES,
    AnnotatedRecord,
    Annotation,
    annotation,
)
from ecgstore.record import LEADS, Mark
from ecgstore.sources import read_record

FS: Final = 500.0
"""Sampling rate of all records in Hz."""

SAME_BEAT_S: Final = 0.15
"""R marks of two leads that are no farther apart belong to one beat."""

_RHYTHM: Final = "Rhythm:"
"""Begins the line of a header that names the rhythm."""


def read_ludb(folder: Path) -> list[AnnotatedRecord]:
    """Return the records in the order of their numbers.

    The first and the last beat of a lead are not annotated, so everything before its
    first mark and after its last one is outside of the annotated spans.

    Parameters
    ----------
    folder : Path
        Folder with the headers, signals and annotations (``1.hea``, ``1.dat``,
        ``1.i``, ...), at any depth.

    Raises
    ------
    SystemExit
        If there is no record, or one has another sampling rate.
    """
    headers = sorted(folder.rglob("*.hea"), key=lambda path: path.stem.zfill(5))
    if not headers:
        raise SystemExit(
            f"{folder}: has no record of LUDB; expected its headers (1.hea, ...)"
        )
    return [_read(header) for header in headers]


def _read(header: Path) -> AnnotatedRecord:
    """Return one record."""
    record = read_record(header)
    if record.fs != FS:
        raise SystemExit(f"{header}: {record.fs:g} Hz; expected LUDB's {FS:g} Hz")
    path = str(header.with_suffix(""))
    lines = header.read_text(encoding="utf-8").splitlines()
    rhythms = [
        line.partition(_RHYTHM)[2].strip(" .") for line in lines if _RHYTHM in line
    ]
    return AnnotatedRecord(
        record_id=record.record_id,
        patient=record.record_id,
        rhythm=", ".join(rhythms),
        fs=FS,
        leads=LEADS,
        signal=record.signal,
        annotations=tuple(_annotation(path, lead) for lead in LEADS),
    )


def _annotation(path: str, lead: str) -> Annotation:
    """Return the marks of one lead: "(" peak ")" for each of p, N (QRS) and t."""
    file = wfdb.rdann(path, lead.lower())
    span = np.array([[file.sample.min(), file.sample.max()]], np.float64)
    return annotation(file.symbol, file.sample, dict.fromkeys(WAVES, span))


def beats_of(record: AnnotatedRecord) -> Annotation:
    """Return the beats that are annotated in half of the leads, by median time."""
    peaks = [lead.marks()[Mark.R_PEAK] for lead in record.annotations]
    in_order = np.sort(np.concatenate(peaks))
    groups = np.split(
        in_order, np.flatnonzero(np.diff(in_order) > SAME_BEAT_S * FS) + 1
    )
    beats = [np.median(group) for group in groups if len(group) >= len(peaks) // 2]
    spans = [lead.spans["QRS"] for lead in record.annotations]
    return annotation("N" * len(beats), beats, {"QRS": np.median(spans, axis=0)})
