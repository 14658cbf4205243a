"""Sets of 12-lead ECGs in one array of an HDF5 file, as CODE-15 % and SaMi-Trop.

The dataset ``tracings`` has the shape (n_records, n_samples, 12), at 400 Hz, with zeros
before and behind shorter records. It is in mV, or as its attributes ``unit`` and
``per_unit`` say. ``exam_id`` names its rows; without it, their numbers do. The path of
a record is that of the file, ``/`` and the name of the row. Rows are read one by one.
"""

import functools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
from ecgstore.sources.lead_choice import VOLTS, ChooseLeads, per_mv
from ecgstore.sources.library_guard import guarded
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.row_names import read_row_names, row_of_name, row_texts
from ecgstore.sources.whole_signal import WholeSignal

SUFFIX: Final = ".hdf5"
"""Suffix of the files."""

_TRACINGS: Final = "tracings"
_NAMES: Final = "exam_id"
_FS: Final = 400.0

_MOST_ROWS: Final = 1 << 24
_MOST_CHUNK_BYTES: Final = 1 << 28
"""Bytes of a row, and of a chunk, which HDF5 reads as a whole."""

_FILTERS: Final = frozenset({1, 2, 3, 32000})
"""Deflate, shuffle, Fletcher's checksum and LZF: what needs no plugin."""

_OTHER_SCALES: Final = ("scale_factor", "add_offset")
"""Attributes by which other programs scale values, which this format does not have."""

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


class _NoSetError(Exception):
    """An HDF5 file holds something else."""


def discover(path: str) -> Iterable[str]:
    """Return the paths of the records in a file; see `Source`."""

    def call() -> list[str]:
        try:
            names = _row_names(path)
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
    guarded(file, Reason.UNREADABLE_HEADER, _WHAT, lambda: _row_of(file, name, path))
    return SetHeader(name)


def open_record(path: str, choose: ChooseLeads) -> tuple[SetHeader, RecordSignal]:
    """Return header and signal of a record; see `Source`."""
    file, name = _split(path)
    chosen = choose(_CHANNELS, printable(path))

    def call() -> FloatArray:
        row = _row_of(file, name, path)
        with _opened(file) as opened:
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
    return SetHeader(name), chosen_signal(WholeSignal(signal), chosen)


def _split(path: str) -> tuple[str, str]:
    """Return the file of a record, and its name in it."""
    file, name = os.path.split(path)
    if file.lower().endswith(SUFFIX) and not os.path.isdir(file):
        return file, name
    return path, name  # the path of the file, found because it is damaged


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Open a regular file with h5py."""
    import h5py

    file_size(path, Reason.UNREADABLE_HEADER)
    with h5py.File(path, "r", locking=False) as file:
        yield file


def _tracings(file: Any, path: str) -> Any:
    """Return the dataset of all records, once it is safe to read a row of it."""
    if file.get(_TRACINGS, getlink=True) is None:
        raise _NoSetError
    tracings = _dataset(file, _TRACINGS, path)
    shape, where = tracings.shape, f"{printable(path)}: its {_TRACINGS}"
    if len(shape) != 3 or shape[2] != N_LEADS:
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{where} are of the shape {shape}; expected (records, samples, {N_LEADS})",
        )
    if tracings.dtype.kind not in "fiu":
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{where} are of type {str(tracings.dtype)[:40]}; expected numbers",
        )
    _per_mv(tracings, path)
    n_bytes = int(np.prod((tracings.chunks or shape[1:]), dtype=object)) * 8
    too_many = shape[0] > min(_MOST_ROWS, file_size(path, Reason.UNREADABLE_HEADER))
    if too_many or max(n_bytes, shape[1] * N_LEADS * 8) > _MOST_CHUNK_BYTES:
        raise RecordError(
            Reason.TOO_LARGE,
            f"{where} are of the shape {shape} in chunks of {tracings.chunks}; "
            f"expected at most {_MOST_ROWS} rows and {_MOST_CHUNK_BYTES} bytes in a "
            "row and in a chunk",
        )
    return tracings


def _dataset(file: Any, name: str, path: str) -> Any:
    """Return a dataset that lies in its file and needs no plugin."""
    import h5py

    where = f"{printable(path)}: its {name}"
    dataset = None
    if isinstance(file.get(name, getlink=True), h5py.HardLink):
        dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{where} is no dataset in this file itself; expected one, which is "
            "neither virtual nor in another file",
        )
    settings = dataset.id.get_create_plist()
    filters = {settings.get_filter(n)[0] for n in range(settings.get_nfilters())}
    if not filters <= _FILTERS:
        numbers = ", ".join(map(str, sorted(filters - _FILTERS)))
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{where} is compressed by HDF5's filter {numbers}, which is not read; "
            "expected deflate (gzip) or LZF: h5repack -f GZIP=4 writes such a file",
        )
    return dataset


def _per_mv(tracings: Any, path: str) -> float:
    """Return how many of the stored values are a millivolt."""
    where = f"{printable(path)}: its {_TRACINGS}"
    attributes = {
        name: _plain(tracings.attrs[name])
        for name in ("unit", "units", "per_unit", *_OTHER_SCALES)
        if name in tracings.attrs
    }
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


def _plain(value: Any) -> Any:
    """Return the value of an attribute as a text or a number."""
    if isinstance(value, np.ndarray | np.generic) and value.size == 1:
        value = value.reshape(-1)[0].item() if value.ndim else value.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _row_names(path: str) -> NDArray[Any]:
    """Return the names of the rows that hold a record, as numbers or as bytes."""
    status = os.stat(path)
    return _row_names_of(path, (status.st_ino, status.st_size, status.st_mtime_ns))


@functools.lru_cache(maxsize=4)
def _row_names_of(path: str, stamp: tuple[int, ...]) -> NDArray[Any]:
    """Return the names in a file that has not changed since, which has many records."""
    with _opened(path) as file:
        tracings = _tracings(file, path)
        n_rows = tracings.shape[0]
        names: NDArray[Any] = np.arange(n_rows)
        if file.get(_NAMES, getlink=True) is not None:
            dataset = _dataset(file, _NAMES, path)
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
        return names


def _row_of(file: str, name: str, path: str) -> int:
    """Return the row of a name."""
    file_size(file, Reason.UNREADABLE_HEADER)
    rows = row_of_name(_row_names(file), name)
    if len(rows) != 1:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(path)}: {len(rows)} rows of {_NAMES} have this name; expected "
            "one",
        )
    return int(rows[0])
