"""The Lobachevsky University Database (LUDB): records and the cardiologists' marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import wfdb

from bench.common.records import headers_in
from ecgstore.arrays import FloatArray
from ecgstore.record import LEADS, Mark
from ecgstore.sources import read_record

FS: Final = 500.0
"""Sampling rate of all records in Hz."""

MATCH_S: Final = 0.15
"""Largest distance between two marks of the same event, in s."""

WAVES: Final = {
    "P": (Mark.P_ON, Mark.P_PEAK, Mark.P_OFF),
    "QRS": (Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF),
    "T": (Mark.T_ON, Mark.T_PEAK, Mark.T_OFF),
}
"""Onset, peak and offset of each wave."""

_SYMBOLS: Final = {"p": "P", "N": "QRS", "t": "T"}
"""The wave that each annotation symbol of a peak belongs to."""


@dataclass(frozen=True)
class Annotation:
    """The cardiologists' marks of one lead.

    The first and the last beat of a lead are not annotated, so that a detected mark can
    be wrong only between the first and the last annotation.

    Attributes
    ----------
    marks : dict
        Sample indices by mark.
    first, last : int
        Sample indices of the first and the last annotation.
    """

    marks: dict[Mark, FloatArray]
    first: int
    last: int


@dataclass(frozen=True)
class LudbRecord:
    """A record of LUDB.

    Attributes
    ----------
    record_id : str
    signal : ndarray of shape (12, n_samples)
        Voltages in mV, not filtered.
    annotations : list of Annotation
        One per lead, in the order of `LEADS`.
    """

    record_id: str
    signal: FloatArray
    annotations: list[Annotation]

    def beats(self) -> Annotation:
        """Return the beats that are annotated in half of the leads, by median time."""
        peaks = [annotation.marks[Mark.R_PEAK] for annotation in self.annotations]
        in_order = np.sort(np.concatenate(peaks))
        groups = np.split(
            in_order, np.flatnonzero(np.diff(in_order) > MATCH_S * FS) + 1
        )
        beats = [np.median(group) for group in groups if len(group) >= len(LEADS) // 2]
        return Annotation(
            {Mark.R_PEAK: np.array(beats, np.float64)},
            int(np.median([annotation.first for annotation in self.annotations])),
            int(np.median([annotation.last for annotation in self.annotations])),
        )


def read_ludb(folder: Path, n_records: int) -> list[LudbRecord]:
    """Return the first records of a folder, in the order of their numbers."""
    headers = sorted(headers_in(folder), key=lambda path: path.stem.zfill(5))
    return [_read(header) for header in headers[:n_records]]


def _read(header: Path) -> LudbRecord:
    """Return one record."""
    record = read_record(header)
    if record.fs != FS:
        raise SystemExit(f"{header}: {record.fs:g} Hz; expected LUDB's {FS:g} Hz")
    path = str(header.with_suffix(""))
    annotations = [_annotation(path, lead) for lead in LEADS]
    return LudbRecord(record.record_id, record.signal, annotations)


def _annotation(path: str, lead: str) -> Annotation:
    """Return the marks of one lead: "(" peak ")" for each of p, N (QRS) and t."""
    file = wfdb.rdann(path, lead.lower())
    symbols: Sequence[str] = file.symbol
    samples: dict[Mark, list[int]] = {mark: [] for mark in Mark}
    for k, symbol in enumerate(symbols):
        if symbol not in _SYMBOLS:
            continue
        on, peak, off = WAVES[_SYMBOLS[symbol]]
        samples[peak].append(file.sample[k])
        if k > 0 and symbols[k - 1] == "(":
            samples[on].append(file.sample[k - 1])
        if symbols[k + 1 : k + 2] == [")"]:
            samples[off].append(file.sample[k + 1])
    marks = {mark: np.array(indices, np.float64) for mark, indices in samples.items()}
    return Annotation(marks, int(file.sample.min()), int(file.sample.max()))
