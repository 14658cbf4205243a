"""Sets of 12-lead ECGs in one array of an HDF5 file, as CODE-15 % and SaMi-Trop.

The dataset ``tracings`` has the shape (n_records, n_samples, 12), with zeros before and
behind shorter records. It is at 400 Hz, or at the rate of its attribute ``fs``; in mV,
or as its attributes ``unit`` and ``per_unit`` say. ``exam_id`` names its rows; without
it, their numbers do. The path of a record is that of the file, ``/`` and the name of
the row. Rows are read one by one.
"""

import functools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError, short_repr
from ecgstore.lead_names import shown_unit
from ecgstore.reasons import Reason
from ecgstore.record import LEADS, N_LEADS
from ecgstore.sources.chosen_signal import chosen_signal
from ecgstore.sources.files import file_size, printable
from ecgstore.sources.finite import check_finite
from ecgstore.sources.hdf5_dataset import check_numbers, opened_hdf5, own_dataset
from ecgstore.sources.lead_choice import VOLTS, ChooseLeads, per_mv
from ecgstore.sources.library_guard import guarded
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.row_names import read_row_names, row_of_name, row_texts
from ecgstore.sources.sampling_rate import check_sampling_rate
from ecgstore.sources.whole_signal import WholeSignal

SUFFIX: Final = ".hdf5"
"""Suffix of the files."""

_TRACINGS: Final = "tracings"
_NAMES: Final = "exam_id"
_FS: Final = 400.0


_OTHER_SCALES: Final = ("scale_factor", "add_offset")
"""Attributes by which other programs scale values, which this format does not have."""

_RATES: Final = ("fs", "sampling_frequency", "sampling_rate")
"""Attributes that say the sampling rate in Hz; all are read in any case."""

_WHAT: Final = "an HDF5 file with tracings"


@dataclass(frozen=True, slots=True)
class SetHeader:
    """The header of a record of a set, all of whose labels are in tables."""

    record_id: str
    fs: float = _FS
    age: float = float("nan")
    sex: str = "unknown"
    hospital_id: str = ""
    dx: tuple[str, ...] = ()
    dx_unknown: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    def files(self, path: Path) -> list[str]:
        """Return the name of the set's file."""
        return [path.parent.name]


class _Channel(NamedTuple):
    """A column of the array."""

    name: str
    unit: str = "mV"


_CHANNELS: Final = tuple(map(_Channel, LEADS))


class _Rows(NamedTuple):
    """Names of the rows that hold a record, as numbers or bytes, and their rate."""

    names: NDArray[Any]
    fs: float


class _NoSetError(Exception):
    """An HDF5 file holds something else."""


def discover(path: str) -> Iterable[str]:
    """Return the paths of the records in a file; see `Source`."""

    def call() -> list[str]:
        try:
            names = _rows(path).names
        except _NoSetError:
            return []
        return [f"{path}/{name}" for name in dict.fromkeys(row_texts(names))]

    try:
        return guarded(path, Reason.UNREADABLE_HEADER, _WHAT, call)
    except RecordError:
        return (path,)


def read_header(path: str) -> SetHeader:
    """Return the header of a record; see `Source`."""
    file, name = _split(path)

    def call() -> SetHeader:
        _row_of(file, name, path)
        return SetHeader(name, _rows(file).fs)

    return guarded(file, Reason.UNREADABLE_HEADER, _WHAT, call)


def open_record(path: str, choose: ChooseLeads) -> tuple[SetHeader, RecordSignal]:
    """Return header and signal of a record; see `Source`."""
    file, name = _split(path)
    header = read_header(path)
    chosen = choose(_CHANNELS, printable(path))

    def call() -> FloatArray:
        row = _row_of(file, name, path)
        with opened_hdf5(file) as opened:
            tracings = _tracings(opened, file)
            return np.asarray(tracings[row], np.float64) / _per_mv(tracings, file)

    samples = guarded(file, Reason.UNREADABLE_SIGNAL, _WHAT, call)  # (n_samples, 12)
    inside = np.flatnonzero((samples != 0).any(axis=1))
    if not len(inside):
        raise RecordError(
            Reason.ALL_SAMPLES_MISSING,
            f"{printable(path)}: holds zeros only; expected an ECG between zeros",
        )
    signal = samples[inside[0] : inside[-1] + 1, list(chosen.channels)].T
    names = [_CHANNELS[channel].name for channel in chosen.channels]
    check_finite(signal, names, printable(path))
    return header, chosen_signal(WholeSignal(signal), chosen)


def _split(path: str) -> tuple[str, str]:
    """Return the file of a record, and its name in it."""
    file, name = os.path.split(path)
    if file.lower().endswith(SUFFIX) and not os.path.isdir(file):
        return file, name
    return path, name  # the path of the file, found because it is damaged


def _tracings(file: Any, path: str) -> Any:
    """Return the dataset of all records, once it is safe to read a row of it."""
    if file.get(_TRACINGS, getlink=True) is None:
        raise _NoSetError
    tracings = own_dataset(file, _TRACINGS, path)
    shape, where = tracings.shape, f"{printable(path)}: its {_TRACINGS}"
    if len(shape) != 3 or shape[2] != N_LEADS:
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{where} are of the shape {shape}; expected (records, samples, {N_LEADS})",
        )
    check_numbers(tracings, _TRACINGS, path, shape[0])
    _per_mv(tracings, path)
    return tracings


def _per_mv(tracings: Any, path: str) -> float:
    """Return how many of the stored values are a millivolt."""
    where = f"{printable(path)}: its {_TRACINGS}"
    attributes = _attributes(tracings, "unit", "units", "per_unit", *_OTHER_SCALES)
    unit = attributes.get("unit", attributes.get("units"))
    per_unit = attributes.get("per_unit", 1)
    problem = ""
    if other := [name for name in _OTHER_SCALES if name in attributes]:
        problem = f"have the attribute {other[0]}"
    elif unit is None and tracings.dtype.kind != "f":
        problem = f"are whole numbers, {tracings.dtype}, of no unit"
    elif unit is not None and not (isinstance(unit, str) and unit in VOLTS):
        problem = f"are in {shown_unit(unit)}"
    elif not (isinstance(per_unit, int | float) and 0 < per_unit < float("inf")):
        problem = f"have {short_repr(per_unit)} values in a unit"
    if problem:
        raise RecordError(
            Reason.UNKNOWN_UNIT,
            f"{where} {problem}; expected floating-point numbers in mV, or an "
            "attribute unit, which is mV, uV or V, and perhaps per_unit, the values in "
            "a unit",
        )
    return float(per_unit) * per_mv("mV" if unit is None else unit)


def _sampling_rate(tracings: Any, path: str) -> float:
    """Return the sampling rate in Hz."""
    rates = _attributes(tracings, *_RATES)
    fs = next(iter(rates.values()), _FS)
    where = f"{printable(path)}: its {_TRACINGS}"
    if isinstance(fs, bool) or not isinstance(fs, int | float):
        raise RecordError(
            Reason.BAD_SAMPLING_RATE,
            f"{where} have the attribute {next(iter(rates))} = {short_repr(fs)}; "
            "expected a number, in Hz",
        )
    check_sampling_rate(fs, where)
    return float(fs)


def _attributes(tracings: Any, *names: str) -> dict[str, Any]:
    """Return the values of some attributes, which may be written in any case."""
    spelled = {name.lower(): name for name in tracings.attrs}
    spelled |= {name: name for name in tracings.attrs}
    return {
        name: _plain(tracings.attrs[spelled[name]]) for name in names if name in spelled
    }


def _plain(value: Any) -> Any:
    """Return the value of an attribute as a text or a number."""
    if isinstance(value, np.ndarray | np.generic) and value.size == 1:
        value = value.reshape(-1)[0]
        value = value.item() if isinstance(value, np.generic) else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _rows(path: str) -> _Rows:
    """Return the names of the rows that hold a record, and their sampling rate."""
    status = os.stat(path)
    return _rows_of(path, (status.st_ino, status.st_size, status.st_mtime_ns))


@functools.lru_cache(maxsize=4)
def _rows_of(path: str, stamp: tuple[int, ...]) -> _Rows:
    """Return names and rate in a file that has not changed since; it may have many."""
    with opened_hdf5(path) as file:
        tracings = _tracings(file, path)
        n_rows = tracings.shape[0]
        names: NDArray[Any] = np.arange(n_rows)
        if file.get(_NAMES, getlink=True) is not None:
            dataset = own_dataset(file, _NAMES, path)
            names = read_row_names(dataset, n_rows, f"{printable(path)}: its {_NAMES}")
            # The last row of a file of CODE-15 % is empty and has no name.
            is_nameless = row_texts(names[-1:]) in (["0"], [""])
            if is_nameless and not np.any(tracings[n_rows - 1]):
                names = names[:-1]
        if not len(names):
            raise RecordError(
                Reason.WRONG_SIGNAL_SIZE,
                f"{printable(path)}: its {_TRACINGS} of the shape {tracings.shape} "
                "hold no record; expected some",
            )
        return _Rows(names, _sampling_rate(tracings, path))


def _row_of(file: str, name: str, path: str) -> int:
    """Return the row of a name."""
    file_size(file, Reason.UNREADABLE_HEADER)
    rows = row_of_name(_rows(file).names, name)
    if len(rows) != 1:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(path)}: {len(rows)} rows of {_NAMES} have this name; expected "
            "one",
        )
    return int(rows[0])
