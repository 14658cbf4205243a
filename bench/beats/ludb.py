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
"""How far a mark may be from the one it is taken for, in s."""

_WAVES: Final = {
    "p": (Mark.P_ON, Mark.P_PEAK, Mark.P_OFF),
    "N": (Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF),
    "t": (Mark.T_ON, Mark.T_PEAK, Mark.T_OFF),
}
"""The symbol of each wave's peak, and what stands before, at and behind it."""


@dataclass(frozen=True)
class Annotation:
    """The cardiologists' marks of one lead, as sample indices.

    Their first and their last mark say where a missing one is an omission: the first
    and the last beat of a lead are not annotated.
    """

    marks: dict[Mark, FloatArray]
    first: int
    last: int


@dataclass(frozen=True)
class LudbRecord:
    """A raw signal in mV, of shape (12, n_samples), and the marks of its leads."""

    record_id: str
    signal: FloatArray
    annotations: list[Annotation]

    def beats(self) -> Annotation:
        """Return the beats that half of the leads have annotated, by median time."""
        peaks = [each.marks[Mark.R_PEAK] for each in self.annotations]
        in_order = np.sort(np.concatenate(peaks))
        groups = np.split(
            in_order, np.flatnonzero(np.diff(in_order) > MATCH_S * FS) + 1
        )
        beats = [np.median(each) for each in groups if len(each) >= len(LEADS) // 2]
        return Annotation(
            {Mark.R_PEAK: np.array(beats, np.float64)},
            int(np.median([each.first for each in self.annotations])),
            int(np.median([each.last for each in self.annotations])),
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
    read = wfdb.rdann(path, lead.lower())
    symbols: Sequence[str] = read.symbol
    found: dict[Mark, list[int]] = {mark: [] for mark in Mark}
    for k, symbol in enumerate(symbols):
        if symbol not in _WAVES:
            continue
        on, peak, off = _WAVES[symbol]
        found[peak].append(read.sample[k])
        if k > 0 and symbols[k - 1] == "(":
            found[on].append(read.sample[k - 1])
        if symbols[k + 1 : k + 2] == [")"]:
            found[off].append(read.sample[k + 1])
    marks = {mark: np.array(places, np.float64) for mark, places in found.items()}
    return Annotation(marks, int(read.sample.min()), int(read.sample.max()))
