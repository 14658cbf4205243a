"""Formats whose files hold one record, which a library reads as a whole."""

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.lead_names import shown_lead, shown_unit
from ecgstore.reasons import Reason
from ecgstore.sources.chosen_signal import chosen_signal
from ecgstore.sources.files import printable
from ecgstore.sources.finite import check_finite
from ecgstore.sources.hospital.header import HospitalHeader, record_id_of
from ecgstore.sources.lead_choice import VOLTS, ChooseLeads
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.sampling_rate import check_sampling_rate
from ecgstore.sources.whole_signal import WholeSignal

_MOST_KEPT_BYTES: Final = 1 << 24
"""Size of a file whose record is kept until the next one, for header and signal."""


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
                    f"{where}: lead {shown_lead(channel.name)} is in "
                    f"{shown_unit(channel.unit)}; expected mV, uV or V",
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
        samples = [channel.samples for channel in channels]
        check_finite(samples, [channel.name for channel in channels], where)
        signal = WholeSignal(samples, record.checksum_differs)
        return _header(path, record, fs), chosen_signal(signal, chosen)

    def parts(self, path: str) -> frozenset[str]:
        """Return nothing; see `Source`."""
        return frozenset()


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
