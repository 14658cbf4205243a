"""Read 16-bit samples of all leads in one file, frame after frame: the fast path.

The Challenges store signals in this way in MATLAB files, whose header is checked;
PTB-XL, LUDB and most other 12-lead databases in ``.dat`` files.
"""

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from ecgstore.arrays import Int16Array
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import N_LEADS
from ecgstore.sources.files import printable, read_start
from ecgstore.sources.wfdb.leads import TwelveLeads
from ecgstore.sources.wfdb.matlab import read_matlab
from ecgstore.sources.wfdb.samples import (
    Samples,
    checksum_differs,
    first_value_differs,
    n_wanted,
    no_difference,
)
from ecgstore.sources.wfdb.signal_files import SignalFile

_ADC: Final = np.dtype("<i2")
_UNKNOWN_LENGTH: Final = 1 << 62  # samples: more than any file holds

# A MATLAB 4 file of the Challenges begins with five 32-bit numbers (type, rows,
# columns, whether imaginary, length of the name) and the name. Type 30 is
# little-endian, 16-bit signed, full matrix.
_MATLAB_HEADER: Final = struct.Struct("<5i4s")
_MATLAB_INT16: Final = 30
_MATLAB_NAME: Final = b"val\0"


def is_interleaved(files: Sequence[SignalFile]) -> bool:
    """Return whether one file has 16-bit samples, one per lead in each frame."""
    return len(files) == 1 and all(
        lead.format == 16 and lead.samples_per_frame == 1 and lead.skew == 0
        for lead in files[0].leads
    )


def read_interleaved(
    file: SignalFile, leads: TwelveLeads, n_samples: int, max_samples: int | None
) -> Samples:
    """Read the signal of a record from its only file.

    Parameters
    ----------
    file : SignalFile
        A file for which `is_interleaved` holds.
    leads : TwelveLeads
        The leads to return.
    n_samples : int
        Samples per lead by the header; 0 if the file determines the length.
    max_samples : int or None
        Maximum number of samples to read.

    Returns
    -------
    Samples
        The signal in mV.

    Raises
    ------
    RecordError
        If the file is missing, truncated, of a wrong size or not in its format.
    """
    from ecgstore.sources.wfdb._samples_kernels import adc_to_mv

    n_leads = len(file.leads)
    read_counts = _matlab_counts if file.path.lower().endswith(".mat") else _dat_counts
    adc, n_in_record = read_counts(file, n_samples, max_samples)
    n_read = adc.size // n_leads
    rows = [-1] * n_leads  # row of the signal by the lead's position in a frame
    for row, position in enumerate(leads.positions):
        rows[position - file.first] = row
    signal = np.empty((N_LEADS, n_read))
    sums = np.empty(N_LEADS, dtype=np.int64)
    words = adc.view(np.int64) if n_leads % 4 == 0 else adc
    adc_to_mv(words, np.array(rows), leads.adc_gain, leads.baseline, signal, sums)
    first_frame = adc[:n_leads].tolist()
    firsts = [first_frame[position - file.first] for position in leads.positions]
    # By header(5), a header without a length has no checksums either.
    is_complete = n_read == n_samples
    return Samples(
        signal,
        n_in_record,
        checksum_differs(leads.headers, sums.tolist())
        if is_complete
        else no_difference(N_LEADS),
        first_value_differs(leads.headers, firsts),
    )


def _dat_counts(
    file: SignalFile, n_samples: int, max_samples: int | None
) -> tuple[Int16Array, int]:
    """Return the counts read from a .dat file, and the length of the record."""
    n_leads = len(file.leads)
    frame_bytes = _ADC.itemsize * n_leads
    offset = file.leads[0].byte_offset
    n_read = n_wanted(n_samples or _UNKNOWN_LENGTH, max_samples)
    data, size = read_start(
        file.path, offset + n_read * frame_bytes, Reason.MISSING_SIGNAL_FILE
    )
    n_in_file = max(0, size - offset) // frame_bytes
    # Bytes after the last sample are allowed: some software pads to whole blocks.
    if n_in_file < max(n_samples, 1):
        raise _truncated(file, n_in_file, n_samples)
    n_samples = n_samples or n_in_file
    n_counts = min(n_read, n_samples) * n_leads
    return np.frombuffer(data, _ADC, n_counts, offset), n_samples


def _matlab_counts(
    file: SignalFile, n_samples: int, max_samples: int | None
) -> tuple[Int16Array, int]:
    """Return the counts read from a MATLAB file, and the length of the record."""
    n_leads = len(file.leads)
    frame_bytes = _ADC.itemsize * n_leads
    offset = _MATLAB_HEADER.size
    n_read = n_wanted(n_samples or _UNKNOWN_LENGTH, max_samples)
    data, size = read_start(
        file.path, offset + n_read * frame_bytes, Reason.MISSING_SIGNAL_FILE
    )
    n_in_file = max(0, size - offset) // frame_bytes
    if n_in_file == 0:
        raise _truncated(file, n_in_file, n_samples)
    n_expected = n_samples or n_in_file
    if _MATLAB_HEADER.unpack_from(data) != (
        _MATLAB_INT16,
        n_leads,
        n_expected,
        0,  # real numbers
        len(_MATLAB_NAME),
        _MATLAB_NAME,
    ):
        data, _ = read_start(file.path, size, Reason.MISSING_SIGNAL_FILE)
        adc = read_matlab(data, n_leads, n_samples, printable(file.path))
        n_counts = n_wanted(adc.size // n_leads, max_samples) * n_leads
        return adc[:n_counts], adc.size // n_leads
    if n_in_file < n_expected:
        raise _truncated(file, n_in_file, n_samples)
    if size != offset + n_expected * frame_bytes:
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{printable(file.path)}: has {size} bytes; expected "
            f"{offset + n_expected * frame_bytes} for {n_expected} samples of "
            f"{n_leads} leads",
        )
    n_counts = min(n_read, n_expected) * n_leads
    return np.frombuffer(data, _ADC, n_counts, offset), n_expected


def _truncated(file: SignalFile, n_in_file: int, n_samples: int) -> RecordError:
    """Return the error for a file with fewer samples than its header says."""
    return RecordError(
        Reason.TRUNCATED_SIGNAL_FILE,
        f"{printable(file.path)}: holds {n_in_file} samples of {len(file.leads)} "
        f"leads; expected {n_samples or 'one or more'}",
    )
