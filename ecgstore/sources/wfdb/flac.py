"""Read the frames of a compressed signal file: FLAC, through the soundfile library."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable
from ecgstore.sources.wfdb.flac_head import read_flac_head
from ecgstore.sources.wfdb.formats import Counts
from ecgstore.sources.wfdb.signal_files import SignalFile

_FORMAT_LESS_BITS: Final = 500  # format 516 has samples of 16 bits


class FlacFrames:
    """The frames of a FLAC file; see `ecgstore.sources.wfdb.frames.Frames`.

    Parameters
    ----------
    file : SignalFile
        The file. By wfdb's convention, its byte offset is a number of samples.

    Raises
    ------
    RecordError
        If it is missing, no FLAC file, not of the header's leads and resolution, or
        claims more samples than its size can hold.
    """

    def __init__(self, file: SignalFile) -> None:
        self._path = file.path
        self._offset = file.leads[0].byte_offset
        self._per_frame = file.leads[0].samples_per_frame
        head = read_flac_head(file.path)
        n_leads, max_bits = len(file.leads), file.leads[0].format - _FORMAT_LESS_BITS
        if head.n_leads != n_leads or head.bits > max_bits:
            raise self._unreadable(
                f"holds {head.n_leads} leads of {head.bits} bits; expected {n_leads} "
                f"of at most {max_bits}, as its header says"
            )
        if any(lead.samples_per_frame != self._per_frame for lead in file.leads):
            raise self._unreadable("leads of several rates, which FLAC has not")
        self._bits = head.bits
        self.n_frames = max(0, head.n_samples - self._offset) // self._per_frame

    def read(self, begin: int, end: int) -> Counts:
        """Return the counts of some frames, (end - begin, samples in a frame)."""
        n_samples = (end - begin) * self._per_frame
        with self._opened() as sound:
            sound.seek(self._offset + begin * self._per_frame)
            counts = sound.read(n_samples, dtype="int32", always_2d=True)
        if len(counts) < n_samples:
            raise RecordError(
                Reason.TRUNCATED_SIGNAL_FILE,
                f"{printable(self._path)}: ends after {len(counts)} samples behind "
                f"frame {begin}; expected {n_samples}",
            )
        counts >>= 32 - self._bits  # the library fills the upper bits
        frames = counts.reshape(end - begin, self._per_frame, -1)
        return np.ascontiguousarray(frames.transpose(0, 2, 1)).reshape(end - begin, -1)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        """Open the file; errors of the library become ours."""
        import soundfile

        try:
            with soundfile.SoundFile(self._path) as sound:
                yield sound
        except (RuntimeError, OSError, ValueError, TypeError) as error:
            raise self._unreadable("not a FLAC file, or damaged") from error

    def _unreadable(self, problem: str) -> RecordError:
        """Return the error for a file that is not what the header says."""
        return RecordError(
            Reason.UNREADABLE_SIGNAL, f"{printable(self._path)}: {problem}"
        )
