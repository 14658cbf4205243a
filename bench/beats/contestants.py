"""Who finds beats and marks in `bench_beats.py`, each called as its users call it."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import neurokit2
import numpy as np
from wfdb import processing

from bench.beats.ludb import FS, LudbRecord
from bench.beats.neurokit_alone import neurokit_peaks, neurokit_waves
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

OURS: Final = "ecgstore"
NEUROKIT_ENGINE: Final = "ecgstore --beats neurokit"
PROMINENCE: Final = "NeuroKit2 prominence"
DWT: Final = "NeuroKit2 dwt"
CLEANING: Final = ", cleaning"
SLEEPECG: Final = "sleepecg"
XQRS: Final = "wfdb xqrs"

Marks = dict[Mark, FloatArray]
"""Sample indices by mark, NaN or -1 where a beat lacks one."""


@dataclass(frozen=True)
class Recording:
    """A LUDB record as its file gives it, and band-passed as in a build."""

    ludb: LudbRecord
    filtered: FloatArray


@dataclass
class Found:
    """What one contestant finds in a record.

    Attributes
    ----------
    leads : list of dict
        The marks of each lead.
    beats : ndarray of shape (n_beats,) or None
        The record's beats, from those who look at all leads together.
    exceptions : list of str
        What was raised, one entry per call that failed.
    """

    leads: list[Marks]
    beats: FloatArray | None
    exceptions: list[str]


Find = Callable[[Recording], Found]


def recordings(records: Sequence[LudbRecord], config: Config) -> list[Recording]:
    """Return the records with what a build would show to an engine."""
    band = config.low_hz, config.high_hz, config.filter_order
    return [Recording(each, bandpass(each.signal, FS, *band)) for each in records]


def contestants(
    networks: Mapping[str, Float32Array], config: Config
) -> dict[str, Find]:
    """Return all contestants by name.

    `networks` has the weights for each record_id, see `networks_of`; the package's own
    are used where it has none.
    """

    def ours(recording: Recording) -> Beats:
        weights = networks.get(recording.ludb.record_id)
        if weights is None:
            return find_beats(recording.filtered, FS, max_beats=config.max_beats)
        return delineator.find_beats_with(
            weights, recording.filtered, FS, config.max_beats
        )

    def neurokit_engine(recording: Recording) -> Beats:
        return find_beats(
            recording.filtered, FS, max_beats=config.max_beats, engine="neurokit"
        )

    rivals: dict[str, Find] = {
        OURS: functools.partial(_of_record, ours),
        NEUROKIT_ENGINE: functools.partial(_of_record, neurokit_engine),
    }
    for name, method in ((PROMINENCE, "prominence"), (DWT, "dwt")):
        for cleaning in (False, True):
            rivals[name + CLEANING * cleaning] = functools.partial(
                _neurokit, method, cleaning
            )
    return rivals | {
        SLEEPECG: functools.partial(_peaks_of_leads, detect_heartbeats),
        XQRS: functools.partial(_peaks_of_leads, _xqrs),
    }


def networks_of(
    path: Path, records: Sequence[LudbRecord]
) -> tuple[dict[str, Float32Array], str]:
    """Return the network that has not seen each record, and say what was done.

    Raises
    ------
    SystemExit
        If the file has no such network for one of the records.
    """
    held_out = about(path)["held_out"]
    networks: dict[str, Float32Array] = {}
    with np.load(path) as file:
        for name, record_ids in held_out.items():
            networks |= dict.fromkeys(record_ids, file[name])
    known = [each.record_id for each in records if each.record_id in networks]
    if len(known) < len(records):
        missing = sorted({each.record_id for each in records} - {*known})
        raise SystemExit(
            f"{path}: no network that has not seen the records {', '.join(missing)}; "
            "make it with: python -m ecgstore.models.delineator.training LUDB "
            "--folds 5 -o FILE"
        )
    return networks, f"{len(held_out)} networks, each on the records it has not seen"


def about(path: Path) -> dict[str, Any]:
    """Return what a file of weights says of itself."""
    with np.load(path) as file:
        if "about" not in file:
            raise SystemExit(f"{path}: expected a file of `delineator_training`")
        described: dict[str, Any] = json.loads(str(file["about"]))
    return described


def own_network(records: Sequence[LudbRecord]) -> str:
    """Say how many of the records the package's own network was trained on."""
    trained_on = {
        *about(Path(delineator.__file__).with_name(delineator.WEIGHTS))["records"]
    }
    seen = sum(each.record_id in trained_on for each in records)
    return f"the package's own network, which was trained on {seen} of the records"


def _of_record(find: Callable[[Recording], Beats], recording: Recording) -> Found:
    """Return what an engine finds that sees all leads."""
    try:
        beats = find(recording)
    except Exception as error:
        return Found([{} for _ in recording.filtered], None, [_told(error)])
    leads = [
        dict(zip(Mark, lead.T.astype(float), strict=True)) for lead in beats.fiducials
    ]
    return Found(leads, beats.r_peaks.astype(float), [])


def _neurokit(method: str, cleaning: bool, recording: Recording) -> Found:
    """Return what NeuroKit2 finds, lead by lead; R-peaks if only its waves fail."""
    found = Found([], None, [])
    signal = recording.ludb.signal if cleaning else recording.filtered
    for lead in signal:
        marks: Marks = {}
        try:
            clean = neurokit2.ecg_clean(lead, sampling_rate=FS) if cleaning else lead
            marks[Mark.R_PEAK] = neurokit_peaks(clean, FS)
            marks |= neurokit_waves(clean, FS, marks[Mark.R_PEAK], method)
        except Exception as error:
            found.exceptions.append(_told(error))
        found.leads.append(marks)
    return found


def _peaks_of_leads(
    detect: Callable[[FloatArray, float], Any], recording: Recording
) -> Found:
    """Return the R-peaks of a detector that filters by itself, lead by lead."""
    found = Found([], None, [])
    for lead in recording.ludb.signal:
        marks: Marks = {}
        try:
            marks[Mark.R_PEAK] = np.asarray(detect(lead, FS), np.float64)
        except Exception as error:
            found.exceptions.append(_told(error))
        found.leads.append(marks)
    return found


def _xqrs(lead: FloatArray, fs: float) -> Any:
    """Return the R-peaks that wfdb finds."""
    return processing.xqrs_detect(lead, fs, verbose=False)


def _told(error: Exception) -> str:
    """Return an exception in a line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
