"""Training records of the delineator: filtered signals and labels of LUDB."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.models.delineator.databases.annotated import AnnotatedRecord
from ecgstore.models.delineator.databases.ludb import read_ludb
from ecgstore.record import N_LEADS
from ecgstore.signals.preprocess import bandpass

UNKNOWN: Final = -1
"""Label of spans that the cardiologists did not annotate."""

BANDS: Final = (
    (0.5, 40.0, 3),
    (0.5, 24.0, 2),
    (0.67, 40.0, 2),
    (0.5, 100.0, 3),
    (0.05, 45.0, 2),
    (1.0, 30.0, 4),
    (0.05, 150.0, 2),
)
"""Band-pass filters of the training signals (low and high edge in Hz, order); the first
is the default of builds."""

_FIRST_CLASS: Final = {"p": 1, "N": 3, "t": 5}


@dataclass(frozen=True, eq=False, slots=True)
class TrainingRecord:
    """A record under several filters, with the annotated spans of each lead.

    Attributes
    ----------
    record_id : str
        Name of the record.
    signals : ndarray of shape (n_bands, 12, n_samples)
        Voltages in mV under each of `BANDS`, at 500 Hz.
    edges : list of ndarray of shape (n_spans + 1,)
        Per lead, the borders between its spans in samples; spans cover the record.
    classes : list of ndarray of shape (n_spans,)
        Per lead, the class of each span: `UNKNOWN`, 0 (no wave), or 1 to 6: P, QRS and
        T, each before and after its peak.
    quiet : ndarray of shape (n_samples,)
        Whether all leads are between a T wave and the next beat.
    """

    record_id: str
    signals: Float32Array
    edges: list[FloatArray]
    classes: list[IntArray]
    quiet: BoolArray


def read_training_records(folder: Path) -> list[TrainingRecord]:
    """Return the records of LUDB in the order of their numbers.

    Parameters
    ----------
    folder : Path
        Folder with the headers, signals and annotations (``1.hea``, ``1.dat``,
        ``1.i``, ...), at any depth.
    """
    return [_training_record(record) for record in read_ludb(folder)]


def _training_record(record: AnnotatedRecord) -> TrainingRecord:
    """Return one record."""
    n_samples = record.signal.shape[1]
    signals = np.stack(
        [bandpass(record.signal, record.fs, *band).astype(np.float32) for band in BANDS]
    )
    edges, classes = [], []
    for lead in record.annotations:
        lead_edges, lead_classes = spans_of(lead.symbols, lead.samples, n_samples)
        edges.append(lead_edges)
        classes.append(lead_classes)
    quiet = quiet_samples(edges, classes, n_samples)
    return TrainingRecord(record.record_id, signals, edges, classes, quiet)


def spans_of(
    symbols: Iterable[str], samples: Iterable[float], n_samples: int
) -> tuple[FloatArray, IntArray]:
    """Return edges and classes of the spans of one lead's annotation.

    Everything before the first and after the last mark is unknown, since the first and
    the last beat of a record are not annotated; so is the half of a wave between its
    peak and a missing onset or offset.

    Examples
    --------
    >>> edges, classes = spans_of("(N)(t", [10, 15, 20, 30, 40], 50)
    >>> edges.tolist()
    [0.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0]
    >>> classes.tolist()
    [-1, 3, 4, 0, 5, -1]
    """
    marks = [*zip(symbols, samples, strict=True)]
    edges, classes = [0.0], []
    for k, (symbol, sample) in enumerate(marks):
        before = marks[k - 1][0] if k else ""
        if k == 0:
            span = UNKNOWN
        elif symbol in _FIRST_CLASS:
            span = _FIRST_CLASS[symbol] if before == "(" else UNKNOWN
        elif symbol == ")":
            span = _FIRST_CLASS[before] + 1 if before in _FIRST_CLASS else UNKNOWN
        else:  # an onset
            span = 0 if before == ")" else UNKNOWN
        if sample > edges[-1]:
            edges.append(float(sample))
            classes.append(span)
    if n_samples > edges[-1]:
        edges.append(float(n_samples))
        classes.append(UNKNOWN)
    return np.array(edges), np.array(classes)


def quiet_samples(
    edges: list[FloatArray], classes: list[IntArray], n_samples: int
) -> BoolArray:
    """Return a mask of the samples outside all beats.

    No lead is annotated to be between the onset of P and the offset of T, and more than
    half of the leads are annotated to be between T and the next beat.
    """
    n_quiet = np.zeros(n_samples, np.int64)
    in_beat = np.zeros(n_samples, np.bool_)
    for lead_edges, lead_classes in zip(edges, classes, strict=True):
        for k, span in enumerate(lead_classes):
            where = slice(int(lead_edges[k]), int(lead_edges[k + 1]))
            if span == UNKNOWN:
                continue
            after_t = k > 0 and lead_classes[k - 1] == 6
            before_beat = k + 1 < len(lead_classes) and lead_classes[k + 1] in (1, 3)
            if span == 0 and after_t and before_beat:
                n_quiet[where] += 1
            else:
                in_beat[where] = True
    return ~in_beat & (n_quiet > N_LEADS // 2)
