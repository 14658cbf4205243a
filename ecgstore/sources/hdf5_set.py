"""Sets of 12-lead ECGs in one array of an HDF5 file, as CODE-15 % and SaMi-Trop.

The dataset ``tracings`` has the shape (n_records, n_samples, 12), in mV at 400 Hz, with
zeros before and behind shorter records. ``exam_id`` names its rows; without it, their
numbers do. The path of a record is that of the file, ``/`` and the name of the row.
Rows are read one by one.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS, N_LEADS
from ecgstore.sources.chosen_signal import chosen_signal
from ecgstore.sources.files import file_size, printable
from ecgstore.sources.lead_choice import ChooseLeads
from ecgstore.sources.library_guard import guarded
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.whole_signal import WholeSignal

_TRACINGS: Final = "tracings"
_NAMES: Final = "exam_id"
_FS: Final = 400.0

_MOST_ROWS: Final = 1 << 24
_MOST_CHUNK_BYTES: Final = 1 << 28
"""Bytes of a row, and of a chunk, which HDF5 reads as a whole."""

_FILTERS: Final = frozenset({1, 2, 3, 32000})
"""Deflate, shuffle, Fletcher's checksum and LZF: what needs no plugin."""

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
        with _opened(path) as file:
            tracings = _tracings(file, path)
            names = _names(file, tracings.shape[0])
            # The last row of a file of CODE-15 % is empty and has no name.
            if len(names) and names[-1] == 0 and not np.any(tracings[len(names) - 1]):
                names = names[:-1]
            return [f"{path}/{name}" for name in dict.fromkeys(names.tolist())]

    try:
        return guarded(path, Reason.UNREADABLE_HEADER, _WHAT, lambda: _or_none(call))
    except RecordError:
        return (path,)


def read_header(path: str) -> SetHeader:
    """Return the header of a record; see `Source`."""
    file, name = _split(path)

    def call() -> None:
        with _opened(file) as opened:
            _row_of(opened, _tracings(opened, file), name, path)

    guarded(file, Reason.UNREADABLE_HEADER, _WHAT, call)
    return SetHeader(name)


def open_record(path: str, choose: ChooseLeads) -> tuple[SetHeader, RecordSignal]:
    """Return header and signal of a record; see `Source`."""
    file, name = _split(path)
    chosen = choose(_CHANNELS, printable(path))

    def call() -> FloatArray:
        with _opened(file) as opened:
            tracings = _tracings(opened, file)
            row = tracings[_row_of(opened, tracings, name, path)]
            return np.asarray(row, np.float64)

    samples = guarded(file, Reason.UNREADABLE_SIGNAL, _WHAT, call)  # (n_samples, 12)
    inside = np.flatnonzero((samples != 0).any(axis=1))
    if not len(inside):
        raise RecordError(
            Reason.ALL_SAMPLES_MISSING,
            f"{printable(path)}: holds zeros only; expected an ECG between zeros",
        )
    signal = samples[inside[0] : inside[-1] + 1, list(chosen.channels)].T
    return SetHeader(name), chosen_signal(WholeSignal(signal), chosen)


def _or_none(call: Any) -> Any:
    """Return what a function returns; nothing for a file that is no set."""
    try:
        return call()
    except _NoSetError:
        return []


def _split(path: str) -> tuple[str, str]:
    """Return the file of a record, and its name in it."""
    file, name = os.path.split(path)
    if os.path.splitext(name)[1]:  # the path of the file, found because it is damaged
        return path, name
    return file, name


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Open a regular file with h5py."""
    import h5py

    file_size(path, Reason.UNREADABLE_HEADER)
    with h5py.File(path, "r", locking=False) as file:
        yield file


def _tracings(file: Any, path: str) -> Any:
    """Return the dataset of all records, once it is safe to read a row of it."""
    tracings = _dataset(file, _TRACINGS)
    if tracings is None:
        raise _NoSetError
    shape, dtype = tracings.shape, tracings.dtype
    if len(shape) != 3 or shape[2] != N_LEADS or dtype.kind != "f":
        raise _NoSetError
    n_bytes = int(np.prod((tracings.chunks or shape[1:]), dtype=object)) * 8
    too_many = shape[0] > min(_MOST_ROWS, file_size(path, Reason.UNREADABLE_HEADER))
    if too_many or max(n_bytes, shape[1] * N_LEADS * 8) > _MOST_CHUNK_BYTES:
        raise RecordError(
            Reason.TOO_LARGE,
            f"{printable(path)}: tracings of the shape {shape} in chunks of "
            f"{tracings.chunks}; expected at most {_MOST_ROWS} rows and "
            f"{_MOST_CHUNK_BYTES} bytes in a row and in a chunk",
        )
    return tracings


def _dataset(file: Any, name: str) -> Any:
    """Return a dataset that lies in its file and needs no plugin; None if none."""
    import h5py

    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        return None
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        return None
    settings = dataset.id.get_create_plist()
    filters = {settings.get_filter(n)[0] for n in range(settings.get_nfilters())}
    return dataset if filters <= _FILTERS else None


def _names(file: Any, n_rows: int) -> IntArray:
    """Return the names of all rows."""
    names = _dataset(file, _NAMES)
    if names is None:
        return np.arange(n_rows)
    chunk = names.chunks or (0,)
    if (
        names.shape != (n_rows,)
        or names.dtype.kind not in "iu"
        or chunk[0] > _MOST_ROWS
    ):
        raise _NoSetError
    read: IntArray = names[...]
    return read


def _row_of(file: Any, tracings: Any, name: str, path: str) -> int:
    """Return the row of a name."""
    names = _names(file, tracings.shape[0])
    rows = np.flatnonzero(names == int(name)) if _is_number(name) else names[:0]
    if len(rows) != 1:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(path)}: {len(rows)} rows of {_NAMES} have this name; expected "
            "one",
        )
    return int(rows[0])


def _is_number(name: str) -> bool:
    """Return whether a name can be one of a row."""
    digits = name.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19
