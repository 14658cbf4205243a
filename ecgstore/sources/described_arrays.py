"""ECGs in plain arrays, ``.npy``, ``.csv`` or HDF5, with a TOML file on them.

`ecgstore.sources.array_layout` shows such a file. The path of a record is that of the
TOML file, ``/`` and the number of the row in its array, or the name of its file.
"""

import fnmatch
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.errors import RecordError, short_repr
from ecgstore.lead_names import shown_unit
from ecgstore.reasons import Reason
from ecgstore.sources.array_layout import (
    MOST_TOML_BYTES,
    TABLE,
    ArrayLayout,
    is_hdf5,
    read_layout,
)
from ecgstore.sources.chosen_signal import chosen_signal
from ecgstore.sources.csv_array import read_csv_array
from ecgstore.sources.files import file_size, printable, read_start
from ecgstore.sources.finite import check_finite
from ecgstore.sources.hdf5_dataset import check_numbers, opened_hdf5, own_dataset
from ecgstore.sources.lead_choice import VOLTS, ChooseLeads, per_mv
from ecgstore.sources.library_guard import guarded
from ecgstore.sources.npy_file import NpyFile, open_npy
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.sampling_rate import check_sampling_rate
from ecgstore.sources.whole_signal import WholeSignal

_HDF5: Final = "an HDF5 file with the dataset that its description names"
_MOST_ROWS: Final = 1 << 24
_MOST_ROW_BYTES: Final = 1 << 28
_MOST_BYTES: Final = 1 << 34
"""Bytes of a record in a file: all of them are read, and a sparse file has any."""


class _Channel(NamedTuple):
    """A lead of an array."""

    name: str
    unit: str


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
        data = read_start(path, MOST_TOML_BYTES, Reason.UNREADABLE_HEADER)[0]
        if TABLE.encode() not in data:
            return ()
        layout = read_layout(path)
        names = _array_names(path, layout)
        if "record" not in layout.axes:
            return [f"{path}/{name}" for name in names] or (path,)
        [name] = names
        n_rows = _n_rows(os.path.join(os.path.dirname(path), name), layout)
    except (RecordError, ValueError):
        return (path,)
    return (f"{path}/{row}" for row in range(n_rows))


def read_header(path: str) -> ArrayHeader:
    """Return the header of a record; see `Source`."""
    file, name = os.path.split(path)
    if file.lower().endswith(".toml"):
        layout = read_layout(file)
        return _header(layout, name, _array_of(file, name, layout))
    layout = read_layout(path)
    found = _array_names(path, layout)
    if "record" in layout.axes and len(found) == 1:
        _n_rows(os.path.join(os.path.dirname(path), found[0]), layout)
    raise RecordError(
        Reason.MISSING_SIGNAL_FILE,
        f"{printable(path)}: files = {layout.files!r} finds {len(found)} files beside "
        "it; expected one array of records, or a file for each record",
    )


def open_record(path: str, choose: ChooseLeads) -> tuple[ArrayHeader, RecordSignal]:
    """Return header and signal of a record; see `Source`."""
    header = read_header(path)
    file, name = os.path.split(path)
    layout = read_layout(file)
    where = printable(path)
    chosen = choose([_Channel(lead, layout.unit) for lead in layout.leads], where)
    check_sampling_rate(layout.fs, where)
    if layout.unit not in VOLTS:
        raise RecordError(
            Reason.UNKNOWN_UNIT,
            f"{where}: is in {shown_unit(layout.unit)}; expected mV, uV or V",
        )
    array = _leads_of(os.path.join(os.path.dirname(file), header.array), name, layout)
    if not array.shape[1]:
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE, f"{where}: holds no sample; expected an ECG"
        )
    scale, channels = layout.per_unit * per_mv(layout.unit), list(chosen.channels)
    names = [layout.leads[channel] for channel in channels]
    if isinstance(array, NpyFile):
        parts = _ArraySignal(array, channels, scale, names, where)
        return header, chosen_signal(parts, chosen)
    signal = _in_mv(array[channels], scale)
    check_finite(signal, names, where)
    return header, chosen_signal(WholeSignal(signal), chosen)


class _ArraySignal:
    """Some leads of an array of shape (n_leads, n_samples)."""

    def __init__(
        self,
        array: NpyFile,
        channels: list[int],
        scale: float,
        names: list[str],
        where: str,
    ) -> None:
        self.n_samples = array.shape[1]
        self.checksum_differs: BoolArray = np.zeros(len(channels), bool)
        self.first_value_differs = self.checksum_differs
        self._array, self._channels, self._scale = array, channels, scale
        self._names, self._where = names, where

    def read(self, begin: int, end: int) -> FloatArray:
        """Return some samples of the channels, in mV."""
        values = self._array.read(self._channels, begin, end)
        signal = _in_mv(values, self._scale)
        check_finite(signal, self._names, self._where)
        return signal


def _in_mv(values: NDArray[Any], scale: float) -> FloatArray:
    """Return values in mV; infinite where they are too large for that."""
    with np.errstate(over="ignore"):
        return values.astype(np.float64) / scale


def _array_names(path: str, layout: ArrayLayout) -> list[str]:
    """Return the names of the arrays beside a TOML file, sorted."""
    try:
        names = os.listdir(os.path.dirname(path) or ".")
    except OSError:
        return []
    return sorted(fnmatch.filter(names, layout.files))


def _array_of(path: str, name: str, layout: ArrayLayout) -> str:
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


def _header(layout: ArrayLayout, name: str, array: str) -> ArrayHeader:
    """Return the header of a record."""
    is_row = "record" in layout.axes
    record_id = name if is_row else os.path.splitext(name)[0]
    return ArrayHeader(record_id, layout.fs, array)


def _leads_of(path: str, name: str, layout: ArrayLayout) -> NpyFile | FloatArray:
    """Return the array of a record, of shape (n_leads, n_samples)."""
    array: NpyFile | FloatArray
    if path.lower().endswith(".csv"):
        array = read_csv_array(path, layout)
    elif is_hdf5(path):
        array = _hdf5(path, name, layout)
    else:
        array = _of_record(_npy(path, layout), name, layout)
    if array.shape[0] != len(layout.leads):
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{printable(path)}: has {array.shape[0]} leads by its axes; expected "
            f"{len(layout.leads)}",
        )
    return array


def _n_rows(path: str, layout: ArrayLayout) -> int:
    """Return the number of records in an array of many."""
    axis = layout.axes.index("record")
    if not is_hdf5(path):
        return _npy(path, layout).shape[axis]

    def call() -> int:
        with opened_hdf5(path) as file:
            return int(_described(file, path, layout).shape[axis])

    return guarded(path, Reason.UNREADABLE_SIGNAL, _HDF5, call)


def _hdf5(path: str, name: str, layout: ArrayLayout) -> FloatArray:
    """Return a record of an HDF5 file, of shape (n_leads, n_samples)."""

    def call() -> FloatArray:
        with opened_hdf5(path) as file:
            dataset = _described(file, path, layout)
            axes: list[str] = [*layout.axes]
            index: list[int | slice] = [slice(None)] * len(axes)
            if "record" in axes:
                place = axes.index("record")
                index[place] = _row(name, dataset.shape[place], path)
                axes.remove("record")
            values = np.asarray(dataset[tuple(index)], np.float64)
            return values if axes == ["lead", "sample"] else values.T

    return guarded(path, Reason.UNREADABLE_SIGNAL, _HDF5, call)


def _described(file: Any, path: str, layout: ArrayLayout) -> Any:
    """Return the dataset that a layout names, once it has its axes."""
    dataset = own_dataset(file, layout.dataset, path)
    where, shape = f"{printable(path)}: its {printable(layout.dataset)}", dataset.shape
    if len(shape) != len(layout.axes) or not dataset.size:
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{where} is of the shape {shape}; expected {', '.join(layout.axes)}",
        )
    n_rows = shape[layout.axes.index("record")] if "record" in layout.axes else 1
    check_numbers(dataset, layout.dataset, path, n_rows)
    return dataset


def _row(name: str, n_rows: int, path: str) -> int:
    """Return the number of a row, if there is one of this name."""
    is_row = name.isascii() and name.isdigit() and len(name) < 19
    if not is_row or int(name) >= n_rows:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(path)}: has no row {short_repr(name)}; it has {n_rows}, "
            "from 0",
        )
    return int(name)


def _of_record(array: NpyFile, name: str, layout: ArrayLayout) -> NpyFile:
    """Return the part of an array that is about a record, of (n_leads, n_samples)."""
    axes = [*layout.axes]
    if "record" in axes:
        place = axes.index("record")
        array = array.at(place, _row(name, array.shape[place], array.path))
        axes.remove("record")
    return array if axes == ["lead", "sample"] else array.transposed()


def _npy(path: str, layout: ArrayLayout) -> NpyFile:
    """Return the array in a NumPy file, of which only what is used is read."""
    file_size(path, Reason.MISSING_SIGNAL_FILE)
    n_axes = len(layout.axes)
    what = f"a .npy file of numbers with {n_axes} axes"
    array = guarded(
        path, Reason.UNREADABLE_SIGNAL, what, lambda: open_npy(path, n_axes)
    )
    n_rows, most_bytes = 1, _MOST_BYTES
    if "record" in layout.axes:
        n_rows, most_bytes = array.shape[layout.axes.index("record")], _MOST_ROW_BYTES
    if n_rows > _MOST_ROWS or array.n_bytes > n_rows * most_bytes:
        raise RecordError(
            Reason.TOO_LARGE,
            f"{printable(path)}: has the shape {array.shape}; expected at most "
            f"{_MOST_ROWS} records with {most_bytes} bytes each",
        )
    if not array.n_bytes:
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{printable(path)}: has the shape {array.shape}; expected an ECG",
        )
    return array
