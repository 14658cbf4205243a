"""Read a WFDB record: header and signals together, as twelve leads in mV."""

import os
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import N_LEADS, Record
from ecgstore.sources.files import printable
from ecgstore.sources.sampling_rate import check_sampling_rate
from ecgstore.sources.wfdb.formats import read_with_wfdb
from ecgstore.sources.wfdb.header import Header, Segment, read_header
from ecgstore.sources.wfdb.interleaved import is_interleaved, read_interleaved
from ecgstore.sources.wfdb.leads import twelve_leads
from ecgstore.sources.wfdb.samples import Samples, n_wanted, no_difference
from ecgstore.sources.wfdb.signal_files import signal_files

_GAP: Final = "~"


def read_record(path: str, max_samples: int | None = None) -> Record:
    """Read a WFDB record; see `ecgstore.sources.read_record`.

    Parameters
    ----------
    path : str
        The record's ``.hea`` file; its signal files are in the same folder.
    max_samples : int, optional
        Number of samples per lead to read from the beginning.

    Raises
    ------
    RecordError
        If the record cannot be used.
    """
    header = read_header(path)
    check_sampling_rate(header.fs, printable(path))
    read = _read_segments if header.segments else _read_signal
    samples = read(header, path, max_samples)
    return Record(
        record_id=header.record_id,
        signal=samples.signal,
        fs=header.fs,
        n_samples_original=samples.n_samples,
        age=header.age,
        sex=header.sex,
        dx=header.dx,
        checksum_differs=samples.checksum_differs,
        first_value_differs=samples.first_value_differs,
    )


def _read_signal(header: Header, path: str, max_samples: int | None) -> Samples:
    """Read the signal of an ordinary record."""
    where = printable(path)
    leads = twelve_leads(header.leads, where)
    files = signal_files(header.leads, leads.positions, path)
    if is_interleaved(files):
        return read_interleaved(files[0], leads, header.n_samples, max_samples)
    return read_with_wfdb(files, leads, header.n_samples, max_samples, where)


def _read_segments(header: Header, path: str, max_samples: int | None) -> Samples:
    """Read the signal of a multi-segment record."""
    where = printable(path)
    n_samples = sum(segment.n_samples for segment in header.segments)
    n_in_gaps = sum(part.n_samples for part in header.segments if part.name == _GAP)
    if header.n_samples not in (0, n_samples):
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{where}: its segments have {n_samples} samples; expected "
            f"{header.n_samples}",
        )
    # No file confirms the length of a gap, so gaps must not dominate the record.
    if n_in_gaps > n_samples // 2:
        raise RecordError(
            Reason.GAP_TOO_LONG,
            f"{where}: {n_in_gaps} of {n_samples} samples lie between its segments; "
            "expected at most half of them",
        )
    signals: list[FloatArray] = []
    checksum_differs = no_difference(N_LEADS)
    first_value_differs = no_difference(N_LEADS)
    n_left = n_wanted(n_samples, max_samples)
    for segment in header.segments:
        n_read = n_wanted(segment.n_samples, n_left)
        n_left -= n_read
        if segment.name == _GAP:
            # A view of one NaN needs no memory before all segments have been read.
            signals.append(np.broadcast_to(np.nan, (N_LEADS, n_read)))
        elif n_read:  # the first segment may be empty and only name the leads
            samples = _read_segment(segment, header, path, n_read)
            signals.append(samples.signal)
            checksum_differs |= samples.checksum_differs
            first_value_differs |= samples.first_value_differs
    if not signals:
        raise RecordError(
            Reason.TRUNCATED_SIGNAL_FILE, f"{where}: all its segments are empty"
        )
    return Samples(
        np.concatenate(signals, axis=1),
        n_samples,
        checksum_differs,
        first_value_differs,
    )


def _read_segment(segment: Segment, header: Header, path: str, n_read: int) -> Samples:
    """Read the beginning of one segment, which must have all twelve leads."""
    segment_path = os.path.join(os.path.dirname(path), f"{segment.name}.hea")
    part = read_header(segment_path)
    if part.segments or part.fs != header.fs or part.n_samples != segment.n_samples:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(segment_path)}: has {part.n_samples} samples at {part.fs:g} "
            f"Hz in {len(part.segments)} segments; expected {segment.n_samples} at "
            f"{header.fs:g} Hz in none, as a segment of {header.record_id}",
        )
    return _read_signal(part, segment_path, n_read)
