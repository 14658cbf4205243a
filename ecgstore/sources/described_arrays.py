"""ECGs in plain arrays, ``.npy`` or ``.csv``, with a TOML file that describes them.

::

    [ecg_arrays]
    files = "signals.npy"                # or a pattern, such as "*.csv"
    axes = ["record", "lead", "sample"]  # without "record": a file for each record
    leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    fs = 500
    unit = "mV"
    per_unit = 200                       # values in a unit; 1 if left out
    header_lines = 1                     # of CSV files; 0 if left out

The path of a record is that of the TOML file, ``/`` and the number of the row in its
array, or the name of its file.
"""

import fnmatch
import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.errors import RecordError, short_repr
from ecgstore.reasons import Reason
from ecgstore.sources.chosen_signal import chosen_signal
from ecgstore.sources.files import file_size, printable, read_start
from ecgstore.sources.hospital.guard import check_size, guarded
from ecgstore.sources.hospital.record import per_mv
from ecgstore.sources.lead_choice import VOLTS, ChooseLeads
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.sampling_rate import check_sampling_rate

_TABLE: Final = "ecg_arrays"
_AXES: Final = ("record", "lead", "sample")
_MOST_TOML_BYTES: Final = 1 << 20
_MOST_CSV_BYTES: Final = 1 << 26
_MOST_LEADS: Final = 1000
_MOST_ROWS: Final = 1 << 24
_MOST_BYTES: Final = 1 << 34
"""Bytes of a record in an array: all of them are read, and a sparse file has any."""


class _Channel(NamedTuple):
    """A lead of an array."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the TOML file says; see the module."""

    files: str
    axes: tuple[str, ...]
    leads: tuple[str, ...]
    fs: float
    unit: str
    per_unit: float
    header_lines: int


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """The header of a record in an array, all of whose labels are in tables."""

    record_id: str
    fs: float
    array: str
    age: float = math.nan
    sex: str = "unknown"
    hospital_id: str = ""
    dx: tuple[str, ...] = ()
    dx_unknown: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    def files(self, path: Path) -> list[str]:
        """Return the names of the description and of the array."""
        return [path.parent.name, self.array]


def discover(path: str) -> Iterable[str]:
    """Return the paths of the records in what a TOML file describes; see `Source`."""
    try:
        data = read_start(path, _MOST_TOML_BYTES, Reason.UNREADABLE_HEADER)[0]
        if _TABLE.encode() not in data:
            return ()
        layout = _layout(path)
        names = _array_names(path, layout)
        if "record" not in layout.axes:
            return [f"{path}/{name}" for name in names]
        [name] = names
        array = _npy(os.path.join(os.path.dirname(path), name), layout)
    except (RecordError, ValueError):
        return (path,)
    return (f"{path}/{row}" for row in range(array.shape[layout.axes.index("record")]))


def read_header(path: str) -> ArrayHeader:
    """Return the header of a record; see `Source`."""
    file, name = os.path.split(path)
    if file.lower().endswith(".toml"):
        layout = _layout(file)
        return _header(layout, name, _array_of(file, name, layout))
    layout = _layout(path)
    found = _array_names(path, layout)
    if "record" in layout.axes and len(found) == 1:
        _npy(os.path.join(os.path.dirname(path), found[0]), layout)
    raise RecordError(
        Reason.MISSING_SIGNAL_FILE,
        f"{printable(path)}: files = {layout.files!r} finds {len(found)} files beside "
        "it; expected one array of records, or a file for each record",
    )


def open_record(path: str, choose: ChooseLeads) -> tuple[ArrayHeader, RecordSignal]:
    """Return header and signal of a record; see `Source`."""
    header = read_header(path)
    file, name = os.path.split(path)
    layout = _layout(file)
    where = printable(path)
    chosen = choose([_Channel(lead, layout.unit) for lead in layout.leads], where)
    check_sampling_rate(layout.fs, where)
    if layout.unit not in VOLTS:
        raise RecordError(
            Reason.UNKNOWN_UNIT, f"{where}: is in {layout.unit!r}; expected mV, uV or V"
        )
    array = _leads_of(os.path.join(os.path.dirname(file), header.array), name, layout)
    if not array.shape[1]:
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE, f"{where}: holds no sample; expected an ECG"
        )
    scale = layout.per_unit * per_mv(layout.unit)
    signal = _ArraySignal(array, list(chosen.channels), scale)
    return header, chosen_signal(signal, chosen)


class _ArraySignal:
    """Some channels of an array of shape (n_leads, n_samples)."""

    def __init__(self, array: Any, channels: list[int], scale: float) -> None:
        self.n_samples = int(array.shape[1])
        self.checksum_differs: BoolArray = np.zeros(len(channels), bool)
        self.first_value_differs = self.checksum_differs
        self._array, self._channels, self._scale = array, channels, scale

    def read(self, begin: int, end: int) -> FloatArray:
        """Return some samples of the channels, in mV."""
        channels = [self._array[one, begin:end] for one in self._channels]
        return np.array(channels, np.float64) / self._scale


def _layout(path: str) -> _Layout:
    """Return what a TOML file says."""
    check_size(path, _MOST_TOML_BYTES)
    data = read_start(path, _MOST_TOML_BYTES, Reason.UNREADABLE_HEADER)[0]
    what = f"a TOML file with a table [{_TABLE}]"

    def call() -> Mapping[str, Any]:
        table = tomllib.loads(data.decode())[_TABLE]
        return {**table}

    table = guarded(path, Reason.UNREADABLE_HEADER, what, call)
    problem = _problem(table)
    if problem:
        raise RecordError(Reason.UNREADABLE_HEADER, f"{printable(path)}: {problem}")
    return _Layout(
        files=table["files"],
        axes=tuple(table["axes"]),
        leads=tuple(table["leads"]),
        fs=float(table["fs"]),
        unit=table["unit"],
        per_unit=float(table.get("per_unit", 1)),
        header_lines=table.get("header_lines", 0),
    )


def _problem(table: Mapping[str, Any]) -> str:
    """Return what is wrong with a table; "" if nothing is."""
    checks = {
        "files": (_is_name, "the name of a file beside it, or a pattern of such names"),
        "axes": (_is_axes, "some order of lead, sample and perhaps record"),
        "leads": (_is_texts, "the names of the leads"),
        "fs": (_is_positive, "the sampling rate in Hz"),
        "unit": (lambda value: isinstance(value, str), "mV, uV or V"),
        "per_unit": (_is_positive, "the values in a unit"),
        "header_lines": (
            lambda value: type(value) is int and 0 <= value < 1000,
            "lines",
        ),
    }
    optional = {"per_unit", "header_lines"}
    for name in table:
        if name not in checks:
            return f"has {short_repr(name)}; expected {', '.join(checks)}"
    for name, (is_good, expected) in checks.items():
        if name not in table:
            if name not in optional:
                return f"has no {name}; expected {expected}"
        elif not is_good(table[name]):
            return f"{name} is {short_repr(table[name])}; expected {expected}"
    if table["files"].lower().endswith(".csv") and "record" in table["axes"]:
        return "describes CSV files with several records; expected a file for each"
    return ""


def _is_name(value: object) -> bool:
    """Return whether a value names arrays in one folder."""
    if not isinstance(value, str):
        return False
    return value == os.path.basename(value) and value.lower().endswith((".npy", ".csv"))


def _is_axes(value: object) -> bool:
    """Return whether a value is an order of axes."""
    return _is_texts(value) and sorted(value) in (  # type: ignore[call-overload]
        sorted(_AXES), sorted(_AXES[1:]),
    )  # fmt: skip


def _is_texts(value: object) -> bool:
    """Return whether a value is a list of some texts."""
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_LEADS:
        return False
    return all(isinstance(one, str) for one in value)


def _is_positive(value: object) -> bool:
    """Return whether a value is a number above 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < float(value) < math.inf  # type: ignore[arg-type]


def _array_names(path: str, layout: _Layout) -> list[str]:
    """Return the names of the arrays beside a TOML file, sorted."""
    try:
        names = os.listdir(os.path.dirname(path) or ".")
    except OSError:
        return []
    return sorted(fnmatch.filter(names, layout.files))


def _array_of(path: str, name: str, layout: _Layout) -> str:
    """Return the name of the array that holds a record."""
    names = _array_names(path, layout)
    if "record" in layout.axes:
        if len(names) == 1:
            return names[0]
        problem = f"finds {len(names)} files; expected one"
    elif name in names:
        return name
    else:
        problem = f"finds no file {short_repr(name)}"
    raise RecordError(
        Reason.MISSING_SIGNAL_FILE,
        f"{printable(path)}: files = {layout.files!r} {problem}",
    )


def _header(layout: _Layout, name: str, array: str) -> ArrayHeader:
    """Return the header of a record."""
    is_row = "record" in layout.axes
    record_id = name if is_row else os.path.splitext(name)[0]
    return ArrayHeader(record_id, layout.fs, array)


def _leads_of(path: str, name: str, layout: _Layout) -> Any:
    """Return the array of a record, of shape (n_leads, n_samples)."""
    array = _csv(path, layout) if path.lower().endswith(".csv") else _npy(path, layout)
    axes = [*layout.axes]
    if "record" in axes:
        place = axes.index("record")
        is_row = name.isascii() and name.isdigit() and len(name) < 19
        if not is_row or int(name) >= array.shape[place]:
            raise RecordError(
                Reason.UNREADABLE_HEADER,
                f"{printable(path)}: has no row {short_repr(name)}; it has "
                f"{array.shape[place]}, from 0",
            )
        array = array[(slice(None),) * place + (int(name),)]
        axes.remove("record")
    array = array if axes == ["lead", "sample"] else array.T
    if array.shape[0] != len(layout.leads):
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{printable(path)}: has {array.shape[0]} leads by its axes; expected "
            f"{len(layout.leads)}",
        )
    return array


def _npy(path: str, layout: _Layout) -> Any:
    """Return the array in a NumPy file, of which only what is used is read."""
    file_size(path, Reason.MISSING_SIGNAL_FILE)
    what = f"a .npy file of numbers with {len(layout.axes)} axes"

    def call() -> Any:
        array = np.lib.format.open_memmap(path, mode="r")
        if array.ndim != len(layout.axes) or array.dtype.kind not in "fiu":
            raise ValueError
        return array

    array = guarded(path, Reason.UNREADABLE_SIGNAL, what, call)
    n_rows = array.shape[layout.axes.index("record")] if array.ndim > 2 else 1
    if n_rows > min(_MOST_ROWS, array.nbytes) or array.nbytes > n_rows * _MOST_BYTES:
        raise RecordError(
            Reason.TOO_LARGE,
            f"{printable(path)}: has the shape {array.shape}; expected at most "
            f"{_MOST_ROWS} records with {_MOST_BYTES} bytes each",
        )
    return array


def _csv(path: str, layout: _Layout) -> FloatArray:
    """Return the numbers in a CSV file."""
    check_size(path, _MOST_CSV_BYTES)

    def call() -> FloatArray:
        import pandas as pd

        table = pd.read_csv(path, header=None, skiprows=layout.header_lines)
        return table.to_numpy(np.float64)

    what = "a CSV file of numbers, separated by commas"
    return guarded(path, Reason.UNREADABLE_SIGNAL, what, call)
