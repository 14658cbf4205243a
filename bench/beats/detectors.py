"""The detectors of beats and waves that are compared, called as users call them."""

import contextlib
import functools
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import neurokit2
import numpy as np
from wfdb import processing

from bench.beats.networks import Network, NetworkOf
from bench.beats.neurokit import neurokit_peaks, neurokit_waves
from ecgstore.arrays import FloatArray
from ecgstore.beats import Beats, find_beats
from ecgstore.beats.unet.decoding import RULES
from ecgstore.beats.unet.engine import find_beats_with
from ecgstore.beats.unet.evidence import weights
from ecgstore.config import Config
from ecgstore.models.delineator.databases.annotated import AnnotatedRecord
from ecgstore.record import N_LEADS, Mark
from ecgstore.signals.preprocess import bandpass

ECGSTORE: Final = "ecgstore"
NEUROKIT_ENGINE: Final = "ecgstore --beats neurokit"
PROMINENCE: Final = "NeuroKit2 prominence"
DWT: Final = "NeuroKit2 dwt"
CLEANING: Final = ", cleaning"
SLEEPECG: Final = "sleepecg"
XQRS: Final = "wfdb xqrs"

NO_SLEEPECG: Final = (
    "sleepecg is missing and left out of the comparison; install it with: "
    "pip install -c constraints.txt -e '.[bench]'"
)

MOST_BEATS_PER_S: Final = 5
"""More beats than any record has."""

Marks = dict[Mark, FloatArray]
"""Sample indices by mark, NaN or -1 where a beat lacks one."""


@dataclass(frozen=True, eq=False, slots=True)
class Leads:
    """Some leads of a record.

    Attributes
    ----------
    record_id : str
    fs : float
        Sampling rate in Hz.
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV, not filtered.
    filtered : ndarray of shape (n_leads, n_samples)
        Band-passed as in a build.
    """

    record_id: str
    fs: float
    signal: FloatArray
    filtered: FloatArray

    def only(self, rows: Sequence[int]) -> "Leads":
        """Return these leads of it."""
        chosen = [*rows]
        return Leads(
            self.record_id, self.fs, self.signal[chosen], self.filtered[chosen]
        )


@dataclass
class Detections:
    """The result of one detector for some leads of a record.

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


Detect = Callable[[Leads], Detections]


def leads_of(record: AnnotatedRecord, config: Config) -> Leads:
    """Return all leads of a record, filtered as a build does."""
    band = config.low_hz, config.high_hz, config.filter_order
    filtered = bandpass(record.signal, record.fs, *band)
    return Leads(record.record_id, record.fs, record.signal, filtered)


def make_engine(network_of: NetworkOf) -> Detect:
    """Return the detector `ECGSTORE`, which takes any number of leads up to 12.

    Parameters
    ----------
    network_of : callable
        Returns the network for a record_id; None for the package's own.
    """

    def ecgstore(leads: Leads) -> Beats:
        network = network_of(leads.record_id)
        n_leads, n_samples = leads.filtered.shape
        max_beats = round(MOST_BEATS_PER_S * n_samples / leads.fs) + 1
        if network is None and n_leads == N_LEADS:
            return find_beats(leads.filtered, leads.fs, max_beats=max_beats)
        if network is None:
            network = Network(weights(), RULES)
        return find_beats_with(
            network.weights, leads.filtered, leads.fs, max_beats, network.rules
        )

    return functools.partial(_detect_with_engine, ecgstore)


def detect_with_neurokit_engine(leads: Leads) -> Detections:
    """Return the detections of ``--beats neurokit``, which needs all 12 leads."""
    max_beats = round(MOST_BEATS_PER_S * leads.filtered.shape[1] / leads.fs) + 1
    return _detect_with_engine(
        lambda of: find_beats(
            of.filtered, of.fs, max_beats=max_beats, engine="neurokit"
        ),
        leads,
    )


def make_single_lead_detectors() -> dict[str, Detect]:
    """Return the detectors of other projects by name, which take each lead alone."""
    detectors: dict[str, Detect] = {}
    for name, method in ((PROMINENCE, "prominence"), (DWT, "dwt")):
        for cleaning in (False, True):
            detectors[name + CLEANING * cleaning] = functools.partial(
                _detect_with_neurokit, method, cleaning
            )
    with contextlib.suppress(ImportError):  # not installed: `NO_SLEEPECG`
        sleepecg = importlib.import_module("sleepecg.heartbeats")
        detectors[SLEEPECG] = functools.partial(
            _detect_peaks, sleepecg.detect_heartbeats
        )
    return detectors | {XQRS: functools.partial(_detect_peaks, _xqrs)}


def _detect_with_engine(engine: Callable[[Leads], Beats], leads: Leads) -> Detections:
    """Return the detections of an engine, which uses all leads together."""
    try:
        beats = engine(leads)
    except Exception as error:
        return Detections([{} for _ in leads.filtered], None, [_one_line(error)])
    marks = [
        dict(zip(Mark, lead.T.astype(float), strict=True))
        for lead in beats.fiducials[: len(leads.filtered)]
    ]
    return Detections(marks, beats.r_peaks.astype(float), [])


def _detect_with_neurokit(method: str, cleaning: bool, leads: Leads) -> Detections:
    """Return NeuroKit2's detections of each lead; R-peaks only if its waves fail."""
    detections = Detections([], None, [])
    fs = leads.fs
    for lead in leads.signal if cleaning else leads.filtered:
        marks: Marks = {}
        try:
            clean = neurokit2.ecg_clean(lead, sampling_rate=fs) if cleaning else lead
            marks[Mark.R_PEAK] = neurokit_peaks(clean, fs)
            marks |= neurokit_waves(clean, fs, marks[Mark.R_PEAK], method)
        except Exception as error:
            detections.exceptions.append(_one_line(error))
        detections.leads.append(marks)
    return detections


def _detect_peaks(
    detector: Callable[[FloatArray, float], Any], leads: Leads
) -> Detections:
    """Return the R-peaks of each lead, from a detector with a filter of its own."""
    detections = Detections([], None, [])
    for lead in leads.signal:
        marks: Marks = {}
        try:
            marks[Mark.R_PEAK] = np.asarray(detector(lead, leads.fs), np.float64)
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
