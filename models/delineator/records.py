"""Training records of the delineator: filtered signals and labels of their leads."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import scipy.signal

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.models.delineator.databases.annotated import (
    AnnotatedRecord,
    Annotation,
    is_beat,
)
from ecgstore.models.delineator.databases.cpsc2019 import read_cpsc2019
from ecgstore.models.delineator.databases.ludb import read_ludb
from ecgstore.models.delineator.databases.qtdb import read_qtdb, read_qtdb_beats
from ecgstore.signals.preprocess import bandpass

FS: Final = 500.0
"""Sampling rate of the training signals in Hz."""

UNKNOWN: Final = -1
"""Label of spans that nobody annotated."""

A_QRS: Final = 7
NO_QRS: Final = 8
N_LABELS: Final = 9
"""Labels: the network's seven classes, and two for records of which only the beats are
known: either class of a QRS complex, and any other one."""

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

_GAP: Final = 1.7
"""Two annotated beats have others between them if they are farther apart than this, in
typical RR intervals of the record."""

_MARGIN_S: Final = 5.0
"""What is kept before and behind a group of annotated beats, in s."""

_PARTS: Final = (4, 30.0)
"""Number and length in s of the parts of a record of which only the beats are known."""

_WITHIN_S: Final = {"cpsc2019": 0.012, "qtdb-beats": 0.006}
_BEYOND_S: Final = {"cpsc2019": 0.14, "qtdb-beats": 0.15}
"""Up to the first distance from R is a QRS complex, beyond the second one is none; the
marks of the Challenge 2019 are less exact."""


@dataclass(frozen=True, eq=False, slots=True)
class TrainingRecord:
    """A record, or a part of one, under several filters, with the labels of its leads.

    Attributes
    ----------
    record_id : str
        Name of the record.
    patient : str
        Whose record it is.
    source : str
        Key of the database: "ludb", "qtdb", "qtdb-beats" or "cpsc2019".
    signals : ndarray of shape (n_bands, n_leads, n_samples)
        Voltages in mV under each of `BANDS`, at 500 Hz.
    edges : list of ndarray of shape (n_spans + 1,)
        Per lead, the borders between its spans in samples; spans cover the record.
    classes : list of ndarray of shape (n_spans,)
        Per lead, the label of each span: `UNKNOWN`, 0 (no wave), 1 to 6: P, QRS and T,
        each before and after its peak, or `A_QRS`, `NO_QRS`.
    quiet, in_pq, in_qrs : ndarray of shape (n_samples,)
        Whether all leads are between a T wave and the next beat; and most leads between
        a P wave and the QRS complex, or in a QRS complex.
    """

    record_id: str
    patient: str
    source: str
    signals: Float32Array
    edges: list[FloatArray]
    classes: list[IntArray]
    quiet: BoolArray
    in_pq: BoolArray
    in_qrs: BoolArray


def read_training_records(
    ludb: Path, qtdb: Path | None = None, cpsc2019: Path | None = None
) -> list[TrainingRecord]:
    """Return the records of the databases that are given.

    Parameters
    ----------
    ludb, qtdb, cpsc2019 : Path
        Folders of the databases; see their readers.
    """
    records = [training_record(record, "ludb") for record in read_ludb(ludb)]
    if qtdb:
        for record in read_qtdb(qtdb):
            records += [training_record(part, "qtdb") for part in groups_of(record)]
        parts = read_qtdb_beats(qtdb, *_PARTS)
        records += [training_record(part, "qtdb-beats") for part in parts]
    if cpsc2019:
        single = read_cpsc2019(cpsc2019)
        records += [training_record(record, "cpsc2019") for record in single]
    return records


def training_record(record: AnnotatedRecord, source: str) -> TrainingRecord:
    """Return the training record of an annotated one at 500 or 250 Hz."""
    factor = round(FS / record.fs)
    signal = scipy.signal.resample_poly(record.signal, factor, 1, axis=1)
    n_samples = signal.shape[1]
    signals = np.stack(
        [bandpass(signal, FS, *band).astype(np.float32) for band in BANDS]
    )
    edges, classes = [], []
    for lead in record.annotations:
        if source in _WITHIN_S:
            spans = _spans_of_beats(lead, factor, n_samples, source)
        else:
            spans = spans_of(lead.symbols, factor * lead.samples, n_samples)
        edges.append(spans[0])
        classes.append(spans[1])
    if len(edges) == 1:  # all leads were annotated together
        edges, classes = edges * len(signal), classes * len(signal)

    def share(is_meant: Callable[[int, int, int], bool]) -> FloatArray:
        return share_of_leads(edges, classes, n_samples, is_meant)

    resting = share(_is_rest)
    beating = share(lambda *spans: spans[0] != UNKNOWN and not _is_rest(*spans))
    return TrainingRecord(
        record_id=record.record_id,
        patient=record.patient,
        source=source,
        signals=signals,
        edges=edges,
        classes=classes,
        quiet=(resting > 0.5) & (beating == 0),
        in_pq=share(lambda *spans: spans == (0, 2, 3)) > 0.5,
        in_qrs=share(lambda *spans: spans[0] in (3, 4)) > 0.5,
    )


def groups_of(record: AnnotatedRecord) -> list[AnnotatedRecord]:
    """Return the parts of a record whose beats were annotated one after the other.

    Beats of all types have the symbol "N" in them, and U waves are no waves.
    """
    symbols, samples = _without_u_waves(*record.annotations)
    beats = [k for k, symbol in enumerate(symbols) if symbol == "N"]
    rr = np.diff(samples[beats])
    starts = [0]
    for number in np.flatnonzero(rr > _GAP * np.median(rr)) if len(rr) else ():
        # The widest gap lies behind the last mark of one beat.
        between = samples[beats[number] : beats[number + 1] + 1]
        starts.append(beats[number] + int(np.argmax(np.diff(between))) + 1)
    margin = _MARGIN_S * record.fs
    groups = []
    for first, last in zip(starts, [*starts[1:], len(symbols)], strict=True):
        begin = int(max(samples[first] - margin, 0))
        end = int(min(samples[last - 1] + margin, record.signal.shape[1]))
        marks = Annotation(symbols[first:last], samples[first:last] - begin, {})
        groups.append(
            replace(record, signal=record.signal[:, begin:end], annotations=(marks,))
        )
    return groups


def _without_u_waves(marks: Annotation) -> tuple[tuple[str, ...], FloatArray]:
    """Return symbols and samples of P, QRS and T; the symbol of all beats is "N"."""
    symbols = ["N" if is_beat(symbol) else symbol for symbol in marks.symbols]
    kept = np.ones(len(symbols), np.bool_)
    for k, symbol in enumerate(symbols):
        if symbol == "u":
            kept[k] = False
            kept[max(k - 1, 0)] &= symbols[max(k - 1, 0)] != "("
            kept[k + 1 : k + 2] &= symbols[k + 1 : k + 2] != [")"]
    chosen = np.flatnonzero(kept)
    return tuple(symbols[k] for k in chosen), marks.samples[chosen]


def _spans_of_beats(
    lead: Annotation, factor: int, n_samples: int, source: str
) -> tuple[FloatArray, IntArray]:
    """Return edges and labels of the spans of a lead of which only beats are known."""
    ((first, last),) = factor * lead.spans["QRS"]
    place = np.arange(n_samples)
    distance = np.full(n_samples, np.inf)
    for r_peak in factor * lead.samples:
        distance = np.minimum(distance, abs(place - r_peak))
    labels = np.full(n_samples, UNKNOWN)
    labels[distance >= _BEYOND_S[source] * FS] = NO_QRS
    labels[(place < first + 0.5 * FS) | (place > last - 0.5 * FS)] = UNKNOWN
    labels[distance <= _WITHIN_S[source] * FS] = A_QRS
    borders = np.flatnonzero(np.diff(labels)) + 1
    edges = np.concatenate([[0], borders, [n_samples]])
    return edges.astype(np.float64), labels[edges[:-1]]


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


def _is_rest(span: int, last: int, following: int) -> bool:
    """Return whether a span is the time between a T wave and the next beat."""
    return span == 0 and last == 6 and following in (1, 3)


def share_of_leads(
    edges: list[FloatArray],
    classes: list[IntArray],
    n_samples: int,
    is_meant: Callable[[int, int, int], bool],
) -> FloatArray:
    """Return the share of the leads that are in a span of a kind at each sample.

    `is_meant` is called with the classes of a span, of the one before it and of the one
    behind it.
    """
    share = np.zeros(n_samples)
    for lead_edges, lead_classes in zip(edges, classes, strict=True):
        around = [UNKNOWN, *lead_classes, UNKNOWN]
        for k, span in enumerate(lead_classes):
            if is_meant(span, around[k], around[k + 2]):
                share[int(lead_edges[k]) : int(lead_edges[k + 1])] += 1 / len(edges)
    return share
