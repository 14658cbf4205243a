"""Read the frames of a compressed signal file: FLAC, through the soundfile library."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable, read_start
from ecgstore.sources.wfdb.formats import Counts
from ecgstore.sources.wfdb.signal_files import SignalFile

_BITS: Final = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}

# Silence compresses without limit, so that a small file can claim, and decode to, hours
# of it. Signals with noise in one lead at least take more than half a bit a sample.
_ALWAYS_ALLOWED: Final = 1 << 22  # samples of all leads
_SAMPLES_PER_BYTE: Final = 64


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
        decodes to far more than its size.
    """

    def __init__(self, file: SignalFile) -> None:
        self._path = file.path
        self._offset = file.leads[0].byte_offset
        self._per_frame = file.leads[0].samples_per_frame
        start, size = read_start(file.path, 4, Reason.MISSING_SIGNAL_FILE)
        if start != b"fLaC":
            raise self._unreadable("not a FLAC file")
        with self._opened() as sound:
            n_samples, n_leads, subtype = sound.frames, sound.channels, sound.subtype
        self._bits = _BITS.get(subtype, 99)
        max_bits = file.leads[0].format - 500
        if self._bits > max_bits:
            raise self._unreadable(f"samples of {subtype}; expected {max_bits} bits")
        if n_leads != len(file.leads):
            raise self._unreadable(f"{n_leads} leads; expected {len(file.leads)}")
        if any(lead.samples_per_frame != self._per_frame for lead in file.leads):
            raise self._unreadable("leads of several rates, which FLAC has not")
        if n_samples * n_leads > max(_ALWAYS_ALLOWED, _SAMPLES_PER_BYTE * size):
            raise RecordError(
                Reason.TOO_LARGE,
                f"{printable(file.path)}: {size} bytes hold {n_samples} samples of "
                f"{n_leads} leads; expected at most {_SAMPLES_PER_BYTE} a byte",
            )
        self.n_frames = max(0, n_samples - self._offset) // self._per_frame

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
        import soundfile  # type: ignore[import-untyped]  # wfdb's own dependency

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
