"""Notice records whose files change while a store is built."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import google_crc32c

from ecgstore.arrays import FloatArray
from ecgstore.builder.entry import Entry
from ecgstore.record import Record
from ecgstore.sources import RecordHeader, file_of
from ecgstore.sources.files import with_its_suffix


def stamp(header: Path, files: Sequence[str]) -> tuple[int, str]:
    """Return the size of a record's files in bytes, and a text that changes with them.

    Parameters
    ----------
    header : Path
        The record's header.
    files : sequence of str
        Names of the record's files in the folder of the header's file.

    Returns
    -------
    n_bytes : int
        Size of all files; 0 for a record in a file of many.
    text : str
        Size, time of the last change of the content, and time of the last change of
        the file's status, of every file. The last one no program can set back, so a
        file that is replaced by another one of its size and its time is noticed too
        (not on Windows, where this is the time of creation). Only a change within one
        tick of the file system's clock is not.
    """
    n_bytes, stamps = 0, []
    file = Path(file_of(str(header)))
    for name in files:
        try:
            status = _status(str(file.with_name(name)))
        except (OSError, ValueError):
            stamps.append("-")
            continue
        n_bytes += status.st_size if file == header else 0
        times = f"{status.st_mtime_ns}:{status.st_ctime_ns}"
        stamps.append(f"{status.st_size}:{times}")
    return n_bytes, " ".join(stamps)


def is_unchanged(base: Path, entry: Entry) -> bool:
    """Return whether a record's files are still the ones that were scanned."""
    return stamp(base / entry.path, json.loads(entry.files))[1] == entry.stamp


def content_checksum(
    header: RecordHeader | Record, n_samples: int, signal: FloatArray
) -> str:
    """Return a checksum of what a row is made of: the header, and the samples read.

    If it is the same in scan and fill, both have read the same, whatever the clocks of
    file systems say: of 4e9 changes of the samples, one goes unnoticed.

    Parameters
    ----------
    header : RecordHeader or Record
        The header, or the record as it was read.
    n_samples : int
        Samples per lead of the whole record.
    signal : ndarray of shape (12, n_needed)
        The samples that are needed to store the record, in mV.

    Notes
    -----
    Two CRC-32C, of the header's fields and of the bytes of the samples: what the rows
    of the store are checked with, and much faster than the SHA-256 of the signal.
    """
    values = [
        header.record_id,
        float(header.fs),
        float(header.age),
        header.sex,
        list(header.dx),
        list(header.notes),
        int(n_samples),
    ]
    of_header = google_crc32c.value(json.dumps(values).encode())
    of_signal = 0
    for lead in signal:  # lead by lead, so that the copied bytes stay in the cache
        of_signal = google_crc32c.extend(of_signal, lead.tobytes())
    return f"{of_header:08x}{of_signal:08x}"


def _status(path: str) -> os.stat_result:
    """Return the status of a file, whose suffix may be in the other case on disk."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return os.stat(with_its_suffix(path))
