"""Records that a program gives: a file for each, which only lives during a build."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.chosen_signal import chosen_signal
from ecgstore.sources.files import printable, read_range, read_start
from ecgstore.sources.finite import check_finite
from ecgstore.sources.lead_choice import ChooseLeads
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.sampling_rate import check_sampling_rate

SUFFIX: Final = ".ecgspool"
"""Suffix of the files."""

_REASONS: Final = {str(reason): reason for reason in Reason}

_MAGIC: Final = b"ECGSPOOL"
_HEAD: Final = struct.Struct("<8sI")
_MOST_BYTES: Final = 1 << 20
"""Bytes of a header, in JSON."""

_ROOM: Final = 1 << 13
"""Bytes that are read first: most headers are shorter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpooledHeader:
    """The header of a record in such a file; `Record` explains the first fields.

    The file holds this header as JSON, and after it the samples in mV, all channels of
    the first sample, then all of the second, as little-endian float64 or float32.

    Attributes
    ----------
    channels : tuple of str
        Names of the leads as they were given.
    n_samples : int
        Samples per lead.
    dtype : str
        Type of the samples: ``"<f8"`` or ``"<f4"``.
    checksum_differs, first_value_differs : tuple of bool
        As in `Record`, by channel.
    reason, problem : str
        Why the record cannot be used, though it was given; else empty.
    """

    record_id: str
    fs: float
    channels: tuple[str, ...] = ()
    n_samples: int = 0
    dtype: str = "<f8"
    age: float = float("nan")
    sex: str = "unknown"
    dx: tuple[str, ...] = ()
    dx_unknown: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    checksum_differs: tuple[bool, ...] = ()
    first_value_differs: tuple[bool, ...] = ()
    reason: str = ""
    problem: str = ""

    @property
    def hospital_id(self) -> str:
        """Empty: whose record it is is given beside it."""
        return ""

    def files(self, path: Path) -> list[str]:
        """Return the name of the file."""
        return [path.name]


class _Channel(NamedTuple):
    """A channel of a record, for the choice of leads."""

    name: str
    unit: str = "mV"


def write_spooled(
    path: Path, header: SpooledHeader, signal: NDArray[np.floating[Any]] | None
) -> None:
    """Write a record.

    Parameters
    ----------
    path : Path
        The file, whose suffix is `SUFFIX`.
    header : SpooledHeader
        The header, which says of what type the samples are.
    signal : ndarray of shape (n_channels, n_samples) or None
        Voltages in mV, NaN where a sample is missing; None if the header tells of a
        problem.
    """
    values = {name: getattr(header, name) for name in header.__slots__}
    text = json.dumps(values).encode()
    with path.open("wb") as file:
        file.write(_HEAD.pack(_MAGIC, len(text)) + text)
        if signal is not None:
            file.write(np.ascontiguousarray(signal.T, header.dtype).data)


def read_header(path: str) -> SpooledHeader:
    """Read the header of a record; see `ecgstore.sources.read_header`.

    Raises
    ------
    RecordError
        With `Reason.UNREADABLE_HEADER`.
    """
    return _read(path)[0]


def open_record(path: str, choose: ChooseLeads) -> tuple[SpooledHeader, RecordSignal]:
    """Open a record; see `ecgstore.sources.open_record`.

    Raises
    ------
    RecordError
        If the record cannot be used.
    """
    header, begin = _read(path)
    if header.reason:
        reason = _REASONS.get(header.reason, Reason.UNEXPECTED_ERROR)
        raise RecordError(reason, header.problem)
    where = f"record {header.record_id}"
    check_sampling_rate(header.fs, where)
    leads = choose([_Channel(name) for name in header.channels], where)
    return header, chosen_signal(_Signal(path, header, begin, leads.channels), leads)


def _read(path: str) -> tuple[SpooledHeader, int]:
    """Return the header of a file, and where its samples begin."""
    data, size = read_start(path, _ROOM, Reason.UNREADABLE_HEADER)
    try:
        magic, length = _HEAD.unpack_from(data)
        begin = _HEAD.size + length
        if magic != _MAGIC or begin > min(size, _MOST_BYTES):
            raise ValueError(path)
        if begin > len(data):
            data = read_start(path, begin, Reason.UNREADABLE_HEADER)[0]
        values: dict[str, Any] = json.loads(data[_HEAD.size : begin])
        lists = {name: _tuple(value) for name, value in values.items()}
        header = SpooledHeader(**lists)
        n_bytes = np.dtype(header.dtype).itemsize * len(header.channels)
        if size - begin != n_bytes * header.n_samples:
            raise ValueError(path)
    except (TypeError, ValueError, struct.error) as error:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(path)}: is not a record that ecgstore.build_from wrote",
        ) from error
    return header, begin


def _tuple(value: Any) -> Any:
    """Return JSON's lists as tuples."""
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


class _Signal:
    """The channels of such a file; see `ChannelSignal`."""

    def __init__(
        self, path: str, header: SpooledHeader, begin: int, channels: Sequence[int]
    ) -> None:
        self.n_samples = header.n_samples
        self.checksum_differs = _flags(header.checksum_differs, channels)
        self.first_value_differs = _flags(header.first_value_differs, channels)
        self._path, self._begin = path, begin
        self._where, self._names = f"record {header.record_id}", header.channels
        self._channels = [*channels]
        self._dtype, self._n_channels = np.dtype(header.dtype), len(header.channels)

    def read(self, begin: int, end: int) -> FloatArray:
        """Return some samples in mV; see `ChannelSignal`."""
        n_bytes = self._n_channels * self._dtype.itemsize  # of a sample
        data, _ = read_range(
            self._path,
            self._begin + begin * n_bytes,
            (end - begin) * n_bytes,
            Reason.UNREADABLE_SIGNAL,
        )
        if len(data) != (end - begin) * n_bytes:
            raise RecordError(
                Reason.TRUNCATED_SIGNAL_FILE,
                f"{printable(self._path)}: is shorter than its header says",
            )
        samples = np.frombuffer(data, self._dtype).reshape(-1, self._n_channels)
        voltages = np.ascontiguousarray(samples.T[self._channels], np.float64)
        names = [self._names[channel] for channel in self._channels]
        check_finite(voltages, names, self._where)
        return voltages


def _flags(flags: Sequence[bool], channels: Sequence[int]) -> BoolArray:
    """Return the flags of some channels; False where there are none."""
    return np.array([bool(flags) and bool(flags[at]) for at in channels], np.bool_)
