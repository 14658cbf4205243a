"""Read 16-bit samples of all leads in one file, frame after frame: the fast path.

The Challenges store signals in this way in MATLAB files, whose header is checked;
PTB-XL, LUDB and most other 12-lead databases in ``.dat`` files.
"""

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray, Int16Array
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable, read_range, read_start
from ecgstore.sources.wfdb.leads import Channels
from ecgstore.sources.wfdb.matlab import read_matlab
from ecgstore.sources.wfdb.samples import COUNTS_AT_ONCE, Comparison
from ecgstore.sources.wfdb.signal_files import SignalFile

_ADC: Final = np.dtype("<i2")

_START_BYTES: Final = 1 << 17
"""Bytes that are read when a file is opened: the whole of a record of 10 s, for whose
header and samples two calls would take longer."""

_MAX_SAVED_BYTES: Final = 32 << 20
"""Size of a MATLAB file that is read as a whole: 45 minutes at 500 Hz."""

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


class InterleavedSignal:
    """The channels of a record that has all its samples in one file.

    See `ChannelSignal`.

    Parameters
    ----------
    file : SignalFile
        A file for which `is_interleaved` holds.
    leads : Channels
        The channels to read.
    n_samples : int
        Samples per lead by the header; 0 if the file determines the length.

    Raises
    ------
    RecordError
        If the file is missing, truncated, of a wrong size or not in its format.
    """

    def __init__(self, file: SignalFile, leads: Channels, n_samples: int) -> None:
        self._file = file
        self._leads = leads
        self._start = b""  # first bytes of the file
        self._offset = 0  # bytes before the first sample
        self._saved: Int16Array | None = None  # counts that were read as a whole
        if file.path.lower().endswith(".mat"):
            self._open_matlab(n_samples)
        else:
            self._open_dat(n_samples)
        self._comparison = Comparison(leads.headers, n_samples)
        self._places = [position - file.first for position in leads.positions]
        rows = [-1] * len(file.leads)  # row of the signal by the place in a frame
        for row, place in enumerate(self._places):
            rows[place] = row
        self._rows = np.array(rows)

    @property
    def checksum_differs(self) -> BoolArray:
        """Whether the sum of a lead's counts is not the header's."""
        return self._comparison.checksum_differs

    @property
    def first_value_differs(self) -> BoolArray:
        """Whether the first count of a lead is not the header's."""
        return self._comparison.first_value_differs

    def read(self, begin: int, end: int) -> FloatArray:
        """Return some samples in mV; see `ChannelSignal`."""
        from ecgstore.sources.wfdb._samples_kernels import adc_to_mv

        n_leads = len(self._file.leads)
        signal = np.empty((len(self._places), end - begin))
        at_once = max(1, COUNTS_AT_ONCE // n_leads)
        for start in range(begin, end, at_once):
            stop = min(start + at_once, end)
            adc = self._counts(start, stop)
            sums = np.zeros(len(self._places), dtype=np.int64)
            adc_to_mv(
                adc.view(np.int64) if n_leads % 4 == 0 else adc,
                self._rows,
                self._leads.adc_gain,
                self._leads.baseline,
                signal,
                start - begin,
                sums,
            )
            frame = adc[:n_leads].tolist()
            firsts = [frame[place] for place in self._places]
            self._comparison.add(start, stop, firsts, sums.tolist())
        return signal

    def _counts(self, begin: int, end: int) -> Int16Array:
        """Return the counts of some frames, sample by sample."""
        n_leads = len(self._file.leads)
        if self._saved is not None:
            return self._saved[begin * n_leads : end * n_leads]
        frame_bytes = _ADC.itemsize * n_leads
        offset = self._offset + begin * frame_bytes
        n_bytes = (end - begin) * frame_bytes
        if offset + n_bytes <= len(self._start):
            return np.frombuffer(self._start, _ADC, (end - begin) * n_leads, offset)
        data, size = read_range(
            self._file.path, offset, n_bytes, Reason.MISSING_SIGNAL_FILE
        )
        if len(data) < n_bytes:
            raise self._truncated((size - self._offset) // frame_bytes, self.n_samples)
        return np.frombuffer(data, _ADC)

    def _open_dat(self, n_samples: int) -> None:
        """Find the length of a record in a .dat file."""
        frame_bytes = _ADC.itemsize * len(self._file.leads)
        self._offset = self._file.leads[0].byte_offset
        self._start, size = read_start(
            self._file.path, _START_BYTES, Reason.MISSING_SIGNAL_FILE
        )
        n_in_file = max(0, size - self._offset) // frame_bytes
        # Bytes after the last sample are allowed: some software pads to whole blocks.
        if n_in_file < max(n_samples, 1):
            raise self._truncated(n_in_file, n_samples)
        self.n_samples = n_samples or n_in_file

    def _open_matlab(self, n_samples: int) -> None:
        """Find the length of a record in a MATLAB file, and check its header."""
        path, n_leads = self._file.path, len(self._file.leads)
        frame_bytes = _ADC.itemsize * n_leads
        self._offset = _MATLAB_HEADER.size
        data, size = read_start(path, _START_BYTES, Reason.MISSING_SIGNAL_FILE)
        n_in_file = max(0, size - self._offset) // frame_bytes
        if n_in_file == 0:
            raise self._truncated(n_in_file, n_samples)
        self.n_samples = n_samples or n_in_file
        if _MATLAB_HEADER.unpack_from(data) != (
            _MATLAB_INT16,
            n_leads,
            self.n_samples,
            0,  # real numbers
            len(_MATLAB_NAME),
            _MATLAB_NAME,
        ):
            self._read_saved(n_samples, size)
            return
        self._start = data
        if n_in_file < self.n_samples:
            raise self._truncated(n_in_file, n_samples)
        n_expected = self._offset + self.n_samples * frame_bytes
        if size != n_expected:
            raise RecordError(
                Reason.WRONG_SIGNAL_SIZE,
                f"{printable(path)}: has {size} bytes; expected {n_expected} for "
                f"{self.n_samples} samples of {n_leads} leads",
            )

    def _read_saved(self, n_samples: int, size: int) -> None:
        """Read the whole of a MATLAB file that was saved again."""
        path, n_leads = self._file.path, len(self._file.leads)
        if size > _MAX_SAVED_BYTES:
            raise RecordError(
                Reason.TOO_LARGE,
                f"{printable(path)}: has {size} bytes in another form than that of "
                f"the Challenges; expected at most {_MAX_SAVED_BYTES}, as it must be "
                "read as a whole",
            )
        self._saved = read_matlab(path, n_leads, n_samples)
        self.n_samples = self._saved.size // n_leads

    def _truncated(self, n_in_file: int, n_samples: int) -> RecordError:
        """Return the error for a file with fewer samples than its header says."""
        return RecordError(
            Reason.TRUNCATED_SIGNAL_FILE,
            f"{printable(self._file.path)}: holds {n_in_file} samples of "
            f"{len(self._file.leads)} leads; expected {n_samples or 'one or more'}",
        )
