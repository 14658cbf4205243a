"""The detectors of beats and waves that are compared, called as users call them."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import neurokit2
import numpy as np
from wfdb import processing

from bench.beats.ludb import FS, LudbRecord
from bench.beats.neurokit import neurokit_peaks, neurokit_waves
from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.beats import Beats, find_beats
from ecgstore.beats.unet import engine as delineator
from ecgstore.config import Config
from ecgstore.record import Mark
from ecgstore.signals.preprocess import bandpass

try:
    from sleepecg.heartbeats import detect_heartbeats
except ImportError as error:
    raise SystemExit(
        "sleepecg is missing, and the benchmark compares with it; install it with: "
        "pip install -c constraints.txt -e '.[dev]'"
    ) from error

ECGSTORE: Final = "ecgstore"
NEUROKIT_ENGINE: Final = "ecgstore --beats neurokit"
PROMINENCE: Final = "NeuroKit2 prominence"
DWT: Final = "NeuroKit2 dwt"
CLEANING: Final = ", cleaning"
SLEEPECG: Final = "sleepecg"
XQRS: Final = "wfdb xqrs"

Marks = dict[Mark, FloatArray]
"""Sample indices by mark, NaN or -1 where a beat lacks one."""


@dataclass(frozen=True)
class FilteredRecord:
    """A record of LUDB, and its signal band-passed as in a build."""

    record: LudbRecord
    filtered: FloatArray


@dataclass
class Detections:
    """The result of one detector for a record.

    Attributes
    ----------
    leads : list of dict
        The marks of each lead.
    beats : ndarray of shape (n_beats,) or None
        The record's beats, as sample indices; None from detectors of single leads.
    exceptions : list of str
        One entry per call that raised an exception.
    """

    leads: list[Marks]
    beats: FloatArray | None
    exceptions: list[str]


Detect = Callable[[FilteredRecord], Detections]


def filter_records(
    records: Sequence[LudbRecord], config: Config
) -> list[FilteredRecord]:
    """Return the records with the signals that a build passes to an engine."""
    band = config.low_hz, config.high_hz, config.filter_order
    return [
        FilteredRecord(record, bandpass(record.signal, FS, *band)) for record in records
    ]


def make_detectors(
    networks: Mapping[str, Float32Array], config: Config
) -> dict[str, Detect]:
    """Return all detectors by name.

    Parameters
    ----------
    networks : Mapping
        Weights by record_id, see `bench.beats.networks.held_out_networks`; the
        package's own weights are used for other records.
    config : Config
        Options of a build.
    """

    def ecgstore(filtered: FilteredRecord) -> Beats:
        weights = networks.get(filtered.record.record_id)
        if weights is None:
            return find_beats(filtered.filtered, FS, max_beats=config.max_beats)
        return delineator.find_beats_with(
            weights, filtered.filtered, FS, config.max_beats
        )

    def neurokit_engine(filtered: FilteredRecord) -> Beats:
        return find_beats(
            filtered.filtered, FS, max_beats=config.max_beats, engine="neurokit"
        )

    detectors: dict[str, Detect] = {
        ECGSTORE: functools.partial(_detect_with_engine, ecgstore),
        NEUROKIT_ENGINE: functools.partial(_detect_with_engine, neurokit_engine),
    }
    for name, method in ((PROMINENCE, "prominence"), (DWT, "dwt")):
        for cleaning in (False, True):
            detectors[name + CLEANING * cleaning] = functools.partial(
                _detect_with_neurokit, method, cleaning
            )
    return detectors | {
        SLEEPECG: functools.partial(_detect_peaks, detect_heartbeats),
        XQRS: functools.partial(_detect_peaks, _xqrs),
    }


def _detect_with_engine(
    engine: Callable[[FilteredRecord], Beats], filtered: FilteredRecord
) -> Detections:
    """Return the detections of an engine, which uses all leads together."""
    try:
        beats = engine(filtered)
    except Exception as error:
        return Detections([{} for _ in filtered.filtered], None, [_one_line(error)])
    leads = [
        dict(zip(Mark, lead.T.astype(float), strict=True)) for lead in beats.fiducials
    ]
    return Detections(leads, beats.r_peaks.astype(float), [])


def _detect_with_neurokit(
    method: str, cleaning: bool, filtered: FilteredRecord
) -> Detections:
    """Return NeuroKit2's detections of each lead; R-peaks only if its waves fail."""
    detections = Detections([], None, [])
    for lead in filtered.record.signal if cleaning else filtered.filtered:
        marks: Marks = {}
        try:
            clean = neurokit2.ecg_clean(lead, sampling_rate=FS) if cleaning else lead
            marks[Mark.R_PEAK] = neurokit_peaks(clean, FS)
            marks |= neurokit_waves(clean, FS, marks[Mark.R_PEAK], method)
        except Exception as error:
            detections.exceptions.append(_one_line(error))
        detections.leads.append(marks)
    return detections


def _detect_peaks(
    detector: Callable[[FloatArray, float], Any], filtered: FilteredRecord
) -> Detections:
    """Return the R-peaks of each lead, from a detector with a filter of its own."""
    detections = Detections([], None, [])
    for lead in filtered.record.signal:
        marks: Marks = {}
        try:
            marks[Mark.R_PEAK] = np.asarray(detector(lead, FS), np.float64)
        except Exception as error:
            detections.exceptions.append(_one_line(error))
        detections.leads.append(marks)
    return detections


def _xqrs(lead: FloatArray, fs: float) -> Any:
    """Return the R-peaks that wfdb's xqrs detects."""
    return processing.xqrs_detect(lead, fs, verbose=False)


def _one_line(error: Exception) -> str:
    """Return class and first line of an exception."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
