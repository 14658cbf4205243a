"""The signal of a multi-segment record: segments and gaps, one after the other."""

import bisect
import itertools
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable
from ecgstore.sources.lead_choice import ChosenLeads
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.wfdb.header import Header, Segment, read_header, segment_path

_GAP: Final = "~"

_MAX_REPEATS: Final = 10
"""Length of a record in lengths of its different segments."""


class OpenedSegment(NamedTuple):
    """The signal of an ordinary record, and its samples in each frame."""

    signal: RecordSignal
    samples_per_frame: int


OpenSegment = Callable[[Header, str], OpenedSegment]
"""A function that opens the signal of a header and its path."""


class SegmentedSignal:
    """The signal of a multi-segment record; see `RecordSignal`.

    It has the leads of all segments. While a segment lacks a lead of the others, its
    samples are missing. A lead that is missing by the choice of the leads is missing in
    the whole record, and one that is derived in a segment counts as derived.

    Every segment is opened once, to check it; afterwards, only the one that is read is
    open.

    Parameters
    ----------
    header : Header
        The header that names the segments.
    path : str
        Its path; the segments are in the same folder.
    open_segment : callable
        Returns the signal of an ordinary record.

    Raises
    ------
    RecordError
        If the segments do not form a record, or one of them cannot be read.
    """

    def __init__(self, header: Header, path: str, open_segment: OpenSegment) -> None:
        self._header = header
        self._path = path
        self._open_segment = open_segment
        _check_lengths(header, printable(path))
        # The first segment may be empty, and only name the leads.
        self._parts = [part for part in header.segments if part.n_samples]
        self._opened: tuple[Segment, RecordSignal] | None = None
        self.samples_per_frame = 0
        self.leads = _of_all(
            [
                self._check(part)
                for part in dict.fromkeys(self._parts)
                if part.name != _GAP
            ]
        )
        names = self.leads.names
        self._missing = [names.index(name) for name in self.leads.missing]
        self.checksum_differs: BoolArray = np.zeros(len(names), np.bool_)
        self.first_value_differs: BoolArray = np.zeros(len(names), np.bool_)
        lengths = [part.n_samples * self.samples_per_frame for part in self._parts]
        self._begins = [0, *itertools.accumulate(lengths)]
        self.n_samples = self._begins[-1]

    def read(self, begin: int, end: int) -> FloatArray:
        """Return some samples in mV; see `RecordSignal`."""
        signal = np.full((len(self.leads.names), end - begin), np.nan)
        number = bisect.bisect_right(self._begins, begin) - 1
        while number < len(self._parts) and self._begins[number] < end:
            offset, part = self._begins[number], self._parts[number]
            number += 1
            if part.name == _GAP:
                continue
            first = max(begin, offset)
            last = min(end, self._begins[number])
            opened = self._open(part)
            rows = self._rows(opened.leads.names)
            signal[rows, first - begin : last - begin] = opened.read(
                first - offset, last - offset
            )
            self.checksum_differs[rows] |= opened.checksum_differs
            self.first_value_differs[rows] |= opened.first_value_differs
        signal[self._missing] = np.nan
        return signal

    def _rows(self, names: tuple[str, ...]) -> slice | IntArray:
        """Return the rows of the leads of a segment."""
        if names == self.leads.names:
            return slice(None)
        return np.array([self.leads.names.index(name) for name in names])

    def _check(self, part: Segment) -> ChosenLeads:
        """Open a segment, compare it with those before, and return its leads."""
        where = printable(self._path_of(part))
        header = read_segment(part, self._header, self._path_of(part))
        opened, own = self._open_segment(header, self._path_of(part))
        per_frame = self.samples_per_frame or own
        if own != per_frame:
            raise RecordError(
                Reason.UNREADABLE_HEADER,
                f"{where}: has {own} samples in a frame; expected {per_frame}, as in "
                "the segments before",
            )
        self.samples_per_frame = per_frame
        self._opened = part, opened
        return opened.leads

    def _open(self, part: Segment) -> RecordSignal:
        """Return the signal of a segment."""
        if self._opened is not None and self._opened[0] == part:
            return self._opened[1]
        header = read_segment(part, self._header, self._path_of(part))
        opened = self._open_segment(header, self._path_of(part)).signal
        self._opened = part, opened
        return opened

    def _path_of(self, part: Segment) -> str:
        """Return the path of a segment's header."""
        return segment_path(self._path, part.name)


def _of_all(segments: Sequence[ChosenLeads]) -> ChosenLeads:
    """Return the leads of a record by those of its segments."""

    def union(of_segments: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(itertools.chain.from_iterable(of_segments)))

    names = union([leads.names for leads in segments])
    missing = union([leads.missing for leads in segments])
    derived = union([leads.derived for leads in segments])
    return ChosenLeads(
        names,
        tuple(range(len(names))),
        derived=tuple(name for name in derived if name not in missing),
        missing=missing,
        left_out=union([leads.left_out for leads in segments]),
    )


def read_segment(part: Segment, header: Header, path: str) -> Header:
    """Return the header of a segment.

    Raises
    ------
    RecordError
        If it is not an ordinary record of the length and frame rate that the record's
        header says.
    """
    segment = read_header(path)
    if (
        segment.segments
        or segment.frame_rate != header.frame_rate
        or segment.n_samples != part.n_samples
    ):
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(path)}: has {segment.n_samples} samples at "
            f"{segment.frame_rate:g} Hz in {len(segment.segments)} segments; expected "
            f"{part.n_samples} at {header.frame_rate:g} Hz in none, as a segment of "
            f"{header.record_id}",
        )
    return segment


def first_segment(header: Header, path: str) -> Header:
    """Return the header of the first segment that has samples.

    Raises
    ------
    RecordError
        If there is none, or it is not as the record's header says.
    """
    for part in header.segments:
        if part.n_samples and part.name != _GAP:
            return read_segment(part, header, segment_path(path, part.name))
    raise RecordError(
        Reason.TRUNCATED_SIGNAL_FILE, f"{printable(path)}: all its segments are empty"
    )


def _check_lengths(header: Header, where: str) -> None:
    """Check that the lengths of the segments are possible."""
    n_samples = sum(part.n_samples for part in header.segments)
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
    if n_samples == 0:
        raise RecordError(
            Reason.TRUNCATED_SIGNAL_FILE, f"{where}: all its segments are empty"
        )
    different = {part for part in header.segments if part.name != _GAP}
    n_different = sum(part.n_samples for part in different)
    if n_samples - n_in_gaps > _MAX_REPEATS * n_different:
        raise RecordError(
            Reason.TOO_LARGE,
            f"{where}: repeats segments of together {n_different} samples up to "
            f"{n_samples}; expected at most {_MAX_REPEATS} times as many",
        )
