"""Formats whose files hold one record, which a library reads as a whole."""

import functools
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.chosen_signal import chosen_signal
from ecgstore.sources.files import printable
from ecgstore.sources.hospital.header import HospitalHeader, record_id_of
from ecgstore.sources.lead_choice import VOLTS, ChooseLeads
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.sampling_rate import check_sampling_rate

_MOST_KEPT_BYTES: Final = 1 << 24
"""Size of a file whose record is kept until the next one, for header and signal."""

_PER_VOLT: Final = {"m": 1.0, "V": 1e-3, "v": 1e-3}


class HospitalChannel(NamedTuple):
    """A channel of a record.

    Attributes
    ----------
    name, unit : str
        As in `ecgstore.sources.lead_choice.Channel`.
    fs : float
        Sampling rate in Hz.
    samples : ndarray of shape (n_samples,)
        In mV if the unit is one of volts; NaN where missing.
    """

    name: str
    unit: str
    fs: float
    samples: FloatArray


class HospitalRecord(NamedTuple):
    """A whole record, and what is kept of the person; see `HospitalHeader`.

    A checksum in the file may differ from that of its content.
    """

    age: float
    sex: str
    hospital_id: str
    channels: Sequence[HospitalChannel]
    checksum_differs: bool = False


@dataclass(frozen=True, slots=True)
class HospitalFormat:
    """A `Source` of files that are read as a whole.

    Attributes
    ----------
    parse : callable
        Returns the record in the file of a path; raises `RecordError`.
    is_ecg : callable
        Returns whether the file of a path may hold an ECG, by its beginning.
    """

    parse: Callable[[str], HospitalRecord]
    is_ecg: Callable[[str], bool] = lambda _: True
    signal_suffixes: tuple[str, ...] = ()

    def discover(self, path: str) -> Iterable[str]:
        """Return the path, if there is an ECG; see `Source`."""
        return (path,) if self.is_ecg(path) else ()

    def read_header(self, path: str) -> HospitalHeader:
        """Return the header; see `Source`."""
        record = _parsed(self.parse, path)
        rates = {channel.fs for channel in record.channels}
        fs = max(rates, default=float("nan"))
        return _header(path, record, fs)

    def open_record(
        self, path: str, choose: ChooseLeads
    ) -> tuple[HospitalHeader, RecordSignal]:
        """Return header and signal; see `Source`."""
        where = printable(path)
        record = _parsed(self.parse, path)
        chosen = choose(record.channels, where)
        channels = [record.channels[position] for position in chosen.channels]
        for channel in channels:
            if channel.unit not in VOLTS:
                raise RecordError(
                    Reason.UNKNOWN_UNIT,
                    f"{where}: lead {channel.name[:20]} is in {channel.unit[:20]!r}; "
                    "expected mV, uV or V",
                )
        fs, n_samples = channels[0].fs, len(channels[0].samples)
        if {(one.fs, len(one.samples)) for one in channels} != {(fs, n_samples)}:
            raise RecordError(
                Reason.WRONG_SIGNAL_SIZE,
                f"{where}: its leads differ in length or sampling rate; expected all "
                "at the same times",
            )
        check_sampling_rate(fs, where)
        if not n_samples:
            raise RecordError(
                Reason.WRONG_SIGNAL_SIZE, f"{where}: holds no sample; expected an ECG"
            )
        signal = WholeSignal(
            [channel.samples for channel in channels], record.checksum_differs
        )
        return _header(path, record, fs), chosen_signal(signal, chosen)

    def parts(self, path: str) -> frozenset[str]:
        """Return nothing; see `Source`."""
        return frozenset()


class WholeSignal:
    """The channels of a record in memory; a `ChannelSignal`."""

    def __init__(self, channels: Sequence[FloatArray], checksum_differs: bool) -> None:
        self.n_samples = len(channels[0])
        self.checksum_differs: BoolArray = np.full(len(channels), checksum_differs)
        self.first_value_differs: BoolArray = np.zeros(len(channels), bool)
        self._channels = channels

    def read(self, begin: int, end: int) -> FloatArray:
        """Return some samples of the channels, in mV."""
        return np.array([channel[begin:end] for channel in self._channels])


def per_mv(unit: str) -> float:
    """Return how many of a unit are a millivolt; NaN if it is none of volts.

    Examples
    --------
    >>> [per_mv(unit) for unit in ("mV", "uV", "V", "mmHg")]
    [1.0, 1000.0, 0.001, nan]
    """
    return _PER_VOLT.get(unit[0], 1e3) if unit in VOLTS else math.nan


def _header(path: str, record: HospitalRecord, fs: float) -> HospitalHeader:
    """Return the header of a record."""
    return HospitalHeader(
        record_id=record_id_of(path),
        fs=fs,
        age=record.age,
        sex=record.sex,
        hospital_id=record.hospital_id,
    )


def _parsed(parse: Callable[[str], HospitalRecord], path: str) -> HospitalRecord:
    """Return the record in a file, which was perhaps read just before."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return parse(path)  # says what is wrong
    if status.st_size > _MOST_KEPT_BYTES:
        return parse(path)
    identity = status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return _last_parsed(parse, path, identity)


@functools.lru_cache(maxsize=1)
def _last_parsed(
    parse: Callable[[str], HospitalRecord], path: str, identity: tuple[int, ...]
) -> HospitalRecord:
    """Return the record in a file, as long as the file is the same."""
    return parse(path)
