"""The QT Database: two leads, some 30 beats annotated in both together.

Laguna et al. 1997, Computers in Cardiology 24:673; 15 min at 250 Hz.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import wfdb

from ecgstore.arrays import FloatArray
from ecgstore.models.delineator.databases.annotated import (
    AnnotatedRecord,
    annotation,
    beats_only,
    is_beat,
)

ANNOTATOR: Final = "q1c"
"""Extension of the files with the marks of the cardiologist who annotated all."""

MARGIN_S: Final = 30.0
"""What is kept of a record before its first mark and behind its last one, in s."""

LONGEST_PR_S: Final = 0.4
"""A P wave whose peak lies farther before R is none of this beat."""

_BEATS: Final = "NLRBAaJSVrFejnE/fQ?"
"""Symbols of beats among the reference annotations."""

_EUROPEAN: Final = "sele"
"""Begins the names of the records from the European ST-T Database."""


def read_qtdb(folder: Path) -> list[AnnotatedRecord]:
    """Return the annotated parts of the records, with a margin, in the order of names.

    Only some beats are annotated. The annotated spans of QRS complexes and T waves are
    the times from the first mark of a beat to its last one. Those of P waves begin
    `LONGEST_PR_S` before R, but not before the last mark of the beat before: a beat
    without a mark of a P wave has none.

    Raises
    ------
    SystemExit
        If there is no record.
    """
    headers = sorted(folder.rglob("sel*.hea"))
    if not headers:
        raise SystemExit(
            f"{folder}: has no record of the QT Database; expected its headers "
            "(sel100.hea, ...)"
        )
    return [_read(header) for header in headers]


def _read(header: Path) -> AnnotatedRecord:
    """Return the annotated part of one record."""
    path = str(header.with_suffix(""))
    marks = wfdb.rdann(path, ANNOTATOR)
    fields = wfdb.rdheader(path)
    begin = max(0, int(marks.sample.min() - MARGIN_S * fields.fs))
    end = min(fields.sig_len, int(marks.sample.max() + MARGIN_S * fields.fs) + 1)
    record = wfdb.rdrecord(path, sampfrom=begin, sampto=end)
    samples = marks.sample - begin
    return AnnotatedRecord(
        record_id=header.stem,
        patient=_patient(header.stem, fields),
        rhythm="",
        fs=float(fields.fs),
        leads=tuple(record.sig_name),
        signal=np.ascontiguousarray(record.p_signal.T),
        annotations=(
            annotation(
                marks.symbol, samples, spans_of(marks.symbol, samples, fields.fs)
            ),
        ),
    )


def read_qtdb_beats(folder: Path, n_parts: int, part_s: float) -> list[AnnotatedRecord]:
    """Return parts of the records with their reference beats and nothing else.

    Of the records that have such beats (``.atr``); the parts are spread evenly.
    """
    parts = []
    for header in sorted(folder.rglob("sel*.atr")):
        path = str(header.with_suffix(""))
        fields = wfdb.rdheader(path)
        beats = wfdb.rdann(path, "atr")
        is_complex = np.isin(beats.symbol, [*_BEATS])
        size = round(part_s * fields.fs)
        begins = np.linspace(0, fields.sig_len - size, n_parts).astype(int)
        for begin in begins.tolist():
            record = wfdb.rdrecord(path, sampfrom=begin, sampto=begin + size)
            inside = (beats.sample >= begin) & (beats.sample < begin + size)
            r_peaks = beats.sample[is_complex & inside] - begin
            parts.append(
                AnnotatedRecord(
                    record_id=header.stem,
                    patient=_patient(header.stem, fields),
                    rhythm="",
                    fs=float(fields.fs),
                    leads=tuple(record.sig_name),
                    signal=np.ascontiguousarray(record.p_signal.T),
                    annotations=(beats_only(r_peaks, 0.0, size - 1.0),),
                )
            )
    return parts


def _patient(record_id: str, fields: Any) -> str:
    """Return whose record it is.

    The European ST-T Database has 90 records of 79 subjects and does not say which:
    its records of subjects of the same age and sex count as those of one.
    """
    if record_id.startswith(_EUROPEAN) and fields.comments:
        return f"{_EUROPEAN} {fields.comments[0]}"
    return record_id


def spans_of(
    symbols: Sequence[str], samples: Sequence[float], fs: float
) -> dict[str, FloatArray]:
    """Return the annotated spans by wave, see `read_qtdb`.

    Examples
    --------
    A beat with a P wave, and one without:

    >>> spans = spans_of("(p)(N)t)(N)t)", range(100, 1400, 100), 250)
    >>> spans["QRS"].tolist()
    [[100.0, 800.0], [900.0, 1300.0]]
    >>> spans["P"].tolist()
    [[100.0, 500.0], [900.0, 1000.0]]
    """
    beats = [k for k, symbol in enumerate(symbols) if is_beat(symbol)]
    whole, before_r = [], []
    last = -1.0  # last mark of the beat before
    for number, k in enumerate(beats):
        following = beats[number + 1] if number + 1 < len(beats) else len(symbols)
        # A beat begins with its P wave, or with the onset of its complex.
        first = _first_of_beat(symbols, k)
        final = (
            _first_of_beat(symbols, following)
            if following < len(symbols)
            else following
        )
        whole.append((samples[first], samples[final - 1]))
        begin = max(last + 1, samples[k] - LONGEST_PR_S * fs)
        before_r.append((min(samples[first], begin), samples[k]))
        last = samples[final - 1]
    complete = np.array(whole, np.float64).reshape(-1, 2)
    return {
        "P": np.array(before_r, np.float64).reshape(-1, 2),
        "QRS": complete,
        "T": complete,
    }


def _first_of_beat(symbols: Sequence[str], peak: int) -> int:
    """Return the position of the first mark of a beat, given that of its R."""
    first = peak
    if first > 0 and symbols[first - 1] == "(":
        first -= 1
    before = "".join(symbols[:first])
    for wave in ("(p)", "p)", "(p", "p"):
        if before.endswith(wave):
            return first - len(wave)
    return first
