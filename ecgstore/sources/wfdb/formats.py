"""Read signal formats other than interleaved 16-bit, through the wfdb library.

The library receives a header made from our parsed one, so that a single parser
interprets headers. It reads the counts, which are scaled here.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import N_LEADS
from ecgstore.sources.files import file_size, printable
from ecgstore.sources.wfdb.header import LeadHeader
from ecgstore.sources.wfdb.leads import TwelveLeads
from ecgstore.sources.wfdb.samples import (
    Samples,
    checksum_differs,
    first_value_differs,
    n_wanted,
    no_difference,
)
from ecgstore.sources.wfdb.signal_files import SignalFile

# Number of samples in a number of bytes of a file, by format; see signal(5).
_SAMPLES_IN_BYTES: Final = {
    8: (1, 1),
    16: (1, 2),
    24: (1, 3),
    32: (1, 4),
    61: (1, 2),
    80: (1, 1),
    160: (1, 2),
    212: (2, 3),
    310: (3, 4),
    311: (3, 4),
}
_FLAC: Final = (508, 516, 524)

# The count that stands for a missing sample. Format 8 has none.
_MISSING: Final = {
    16: -(1 << 15),
    24: -(1 << 23),
    32: -(1 << 31),
    61: -(1 << 15),
    80: -(1 << 7),
    160: -(1 << 15),
    212: -(1 << 11),
    310: -(1 << 9),
    311: -(1 << 9),
    508: -(1 << 7),
    516: -(1 << 15),
    524: -(1 << 23),
}


def read_with_wfdb(
    files: Sequence[SignalFile],
    leads: TwelveLeads,
    n_samples: int,
    max_samples: int | None,
    where: str,
) -> Samples:
    """Read the signal of a record from any of WFDB's formats.

    Where a lead has several samples a frame, the signal is their mean, as in the WFDB
    library; it is missing if one of them is.

    Parameters
    ----------
    files : sequence of SignalFile
        The files that hold the leads.
    leads : TwelveLeads
        The leads to return.
    n_samples : int
        Samples per lead by the header; 0 if the shortest file determines the length.
    max_samples : int or None
        Maximum number of samples to read.
    where : str
        The header's path, for errors.

    Returns
    -------
    Samples
        The signal in mV.

    Raises
    ------
    RecordError
        If a file is missing, truncated or not in its format.
    """
    n_in_files = min(_n_frames(file) for file in files)
    if n_in_files < max(n_samples, 1):
        raise RecordError(
            Reason.TRUNCATED_SIGNAL_FILE,
            f"{where}: its signal files hold {n_in_files} samples; expected "
            f"{n_samples or 'one or more'}",
        )
    n_in_record = n_samples or n_in_files
    n_read = n_wanted(n_in_record, max_samples)
    longest_skew = max(lead.skew for lead in leads.headers)
    n_frames = min(n_read + longest_skew, n_in_record)
    counts = _read_counts(files, leads, n_in_record, n_frames, where)
    return Samples(
        np.stack([_scale(counts[row], row, leads, n_read) for row in range(N_LEADS)]),
        n_in_record,
        checksum_differs(leads.headers, [int(lead.sum()) for lead in counts])
        if n_read == n_samples
        else no_difference(N_LEADS),
        first_value_differs(leads.headers, [int(lead[0]) for lead in counts]),
    )


def _n_frames(file: SignalFile) -> int:
    """Return the number of sampling periods in a file, from its size."""
    format_, offset = file.leads[0].format, file.leads[0].byte_offset
    samples_per_frame = sum(lead.samples_per_frame for lead in file.leads)
    if format_ in _FLAC:
        return max(0, _flac_length(file) - offset) // file.leads[0].samples_per_frame
    if format_ not in _SAMPLES_IN_BYTES:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(file.path)}: is in format {format_}; expected one of "
            f"{sorted((*_SAMPLES_IN_BYTES, *_FLAC))}",
        )
    n_samples, n_bytes = _SAMPLES_IN_BYTES[format_]
    size = file_size(file.path, Reason.MISSING_SIGNAL_FILE)
    return max(0, size - offset) * n_samples // (n_bytes * samples_per_frame)


def _flac_length(file: SignalFile) -> int:
    """Return the number of samples per lead in a FLAC file."""
    import soundfile  # type: ignore[import-untyped]  # wfdb's own dependency

    file_size(file.path, Reason.MISSING_SIGNAL_FILE)
    try:
        return int(soundfile.info(file.path).frames)
    except (RuntimeError, OSError, ValueError) as error:
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{printable(file.path)}: not a FLAC file ({error})",
        ) from error


def _read_counts(
    files: Sequence[SignalFile],
    leads: TwelveLeads,
    n_samples: int,
    n_frames: int,
    where: str,
) -> list[IntArray]:
    """Return the counts of the twelve leads, each (n_frames * samples_per_frame,)."""
    import wfdb

    channels: dict[int, int] = {}  # position in our header: position in the library's
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ecgstore-") as folder:
        for number, file in enumerate(files):
            name = f"{number}.dat"
            _link(os.path.abspath(file.path), os.path.join(folder, name))
            for position, lead in enumerate(file.leads, file.first):
                channels[position] = len(lines)
                lines.append(_lead_line(name, lead))
        lines.insert(0, f"record {len(lines)} 1 {n_samples}")
        path = os.path.join(folder, "record")
        with open(f"{path}.hea", "w", encoding="ascii") as header:
            header.write("\n".join(lines))
        try:
            record = wfdb.rdrecord(
                path,
                sampto=n_frames,
                channels=[channels[position] for position in leads.positions],
                physical=True,  # with a gain of 1; as integers, format 61 fails
                smooth_frames=False,
            )
        except Exception as error:  # the library raises many types for broken files
            raise RecordError(
                Reason.UNREADABLE_SIGNAL,
                f"{where}: the wfdb library cannot read its signals "
                f"({type(error).__name__}: {error})",
            ) from error
    return [
        np.nan_to_num(counts, nan=_MISSING.get(lead.format, 0)).astype(np.int64)
        for lead, counts in zip(leads.headers, record.e_p_signal, strict=True)
    ]


def _lead_line(name: str, lead: LeadHeader) -> str:
    """Return a header's line that makes the library return the counts of a lead.

    Without the skew: the library fails if two leads have different skews.
    """
    storage = f"{lead.format}x{lead.samples_per_frame}+{lead.byte_offset}"
    return f"{name} {storage} 1(0)/mV 0 0 {lead.initial_value or 0} 0 0 lead"


def _link(target: str, path: str) -> None:
    """Make a file available under another name, by a link or else by a copy."""
    try:
        os.symlink(target, path)
    except OSError:  # on Windows, only some users may create links
        shutil.copyfile(target, path)


def _scale(counts: IntArray, row: int, leads: TwelveLeads, n_read: int) -> FloatArray:
    """Return one lead in mV, (n_read,), from its counts."""
    lead = leads.headers[row]
    values = (counts - leads.baseline[row]) / leads.adc_gain[row]
    if lead.format in _MISSING:
        values[counts == _MISSING[lead.format]] = np.nan
    frames = values.reshape(-1, lead.samples_per_frame).mean(axis=1)
    # The first samples of a skewed lead precede the record; its end is missing.
    frames = frames[lead.skew : lead.skew + n_read]
    signal = np.full(n_read, np.nan)
    signal[: frames.size] = frames
    return signal
