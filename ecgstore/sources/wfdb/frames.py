"""Read the frames of a signal file in any of WFDB's formats."""

import bisect
import itertools
from typing import Protocol

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import file_size, printable, read_range
from ecgstore.sources.wfdb.flac import FlacFrames
from ecgstore.sources.wfdb.formats import (
    DIFFERENCES,
    FLAC_MISSING,
    RAW_FORMATS,
    Counts,
)
from ecgstore.sources.wfdb.samples import COUNTS_AT_ONCE
from ecgstore.sources.wfdb.signal_files import SignalFile


class Frames(Protocol):
    """The frames of a signal file."""

    n_frames: int

    def read(self, begin: int, end: int) -> Counts:
        """Return the counts of some frames, (end - begin, samples in a frame).

        Raises
        ------
        RecordError
            If the file cannot be read, or is not in its format.
        """


def open_frames(file: SignalFile) -> Frames:
    """Return the frames of a signal file.

    Raises
    ------
    RecordError
        If the file is missing or its format is unknown.
    """
    format_ = file.leads[0].format
    frames: Frames
    if format_ in FLAC_MISSING:
        frames = FlacFrames(file)
    elif format_ == DIFFERENCES:
        frames = _SummedFrames(file)
    elif format_ in RAW_FORMATS:
        frames = _RawFrames(file)
    else:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(file.path)}: is in format {format_}; expected one of "
            f"{[*RAW_FORMATS, *FLAC_MISSING]}",
        )
    return frames


class _RawFrames:
    """The frames of a file that is not compressed."""

    def __init__(self, file: SignalFile) -> None:
        self._path = file.path
        self._format = RAW_FORMATS[file.leads[0].format]
        self._offset = file.leads[0].byte_offset
        self._frame_size = file.frame_size
        size = file_size(file.path, Reason.MISSING_SIGNAL_FILE)
        self.n_frames = (
            max(0, size - self._offset)
            * self._format.n_samples
            // (self._format.n_bytes * self._frame_size)
        )

    def read(self, begin: int, end: int) -> Counts:
        """Return the counts of some frames; see `Frames`."""
        group, n_bytes = self._format.n_samples, self._format.n_bytes
        first, last = begin * self._frame_size, end * self._frame_size
        first_group, last_group = first // group, -(-last // group)
        n_wanted = (last_group - first_group) * n_bytes
        data, _ = read_range(
            self._path,
            self._offset + first_group * n_bytes,
            n_wanted,
            Reason.MISSING_SIGNAL_FILE,
        )
        if len(data) <= n_wanted - n_bytes:
            raise RecordError(
                Reason.TRUNCATED_SIGNAL_FILE,
                f"{printable(self._path)}: became shorter while it was read",
            )
        # The last group may lack the bytes of samples that do not exist.
        groups = np.frombuffer(data.ljust(n_wanted, b"\0"), np.uint8)
        counts = self._format.decode(groups)
        first -= first_group * group
        return counts[first : first + (end - begin) * self._frame_size].reshape(
            end - begin, self._frame_size
        )


class _SummedFrames(_RawFrames):
    """The frames of a file with the differences of successive counts.

    The counts before a frame are noted every `_step` frames, so that a piece is read
    without reading all pieces before it again.
    """

    def __init__(self, file: SignalFile) -> None:
        super().__init__(file)
        self._edges = np.cumsum([0, *(lead.samples_per_frame for lead in file.leads)])
        self._step = max(1, COUNTS_AT_ONCE // self._frame_size)
        self._noted = [0]  # increasing numbers of frames
        self._before = [np.array([lead.initial_value or 0 for lead in file.leads])]

    def read(self, begin: int, end: int) -> Counts:
        """Return the counts of some frames; see `Frames`."""
        known = bisect.bisect_right(self._noted, begin) - 1
        at, before = self._noted[known], self._before[known]
        while at < begin:
            to = min(at + self._step, begin)
            before = self._after(super().read(at, to), before)
            at = to
            if at >= self._noted[-1] + self._step:
                self._noted.append(at)
                self._before.append(before)
        counts = super().read(begin, end)
        self._after(counts, before)
        return counts

    def _after(self, counts: Counts, before: IntArray) -> IntArray:
        """Sum differences in place, and return the last count of each lead."""
        after = before.copy()
        for lead, (first, last) in enumerate(itertools.pairwise(self._edges)):
            of_lead = counts[:, first:last]
            sums = of_lead.cumsum(dtype=np.int64).reshape(of_lead.shape)
            sums += before[lead]
            of_lead[...] = sums
            after[lead] = sums[-1, -1]
        return after
