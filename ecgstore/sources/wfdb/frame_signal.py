"""The signal of a record in any of WFDB's formats, read frame by frame."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.wfdb.formats import Counts, missing_count
from ecgstore.sources.wfdb.frames import Frames, open_frames
from ecgstore.sources.wfdb.interpolation import CONTEXT, Interpolator
from ecgstore.sources.wfdb.leads import Channels
from ecgstore.sources.wfdb.samples import COUNTS_AT_ONCE, Comparison
from ecgstore.sources.wfdb.signal_files import SignalFile

_MAX_RATIO: Final = 4096
"""Numerator of the ratio of two leads' rates, in lowest terms: filters to compute."""

_MAX_FRAME: Final = 1 << 18
"""Samples in a frame: 20 s of twelve leads at 1000 Hz. Frames are read as a whole."""


class FrameSignal:
    """The channels of an ordinary record; see `ChannelSignal`.

    The lead with most samples in a frame determines the sampling rate; the others are
    interpolated.

    Parameters
    ----------
    files : sequence of SignalFile
        The files that hold the leads.
    leads : Channels
        The channels to read.
    n_frames : int
        Frames of the record by its header; 0 if the shortest file determines the
        length.
    where : str
        The header's path, for errors.

    Raises
    ------
    RecordError
        If a file is missing, truncated, not in its format, or of too large frames.
    """

    def __init__(
        self, files: Sequence[SignalFile], leads: Channels, n_frames: int, where: str
    ) -> None:
        self._leads = leads
        self._files: list[tuple[Frames, list[tuple[int, slice]]]] = []
        for file in files:
            self._files.append((open_frames(file), _columns(file, leads)))
        n_in_files = min(frames.n_frames for frames, _ in self._files)
        if n_in_files < max(n_frames, 1):
            raise RecordError(
                Reason.TRUNCATED_SIGNAL_FILE,
                f"{where}: its signal files hold {n_in_files} samples; expected "
                f"{n_frames or 'one or more'}",
            )
        frame_size = sum(file.frame_size for file in files)
        if frame_size > _MAX_FRAME:
            raise RecordError(
                Reason.TOO_LARGE,
                f"{where}: has {frame_size} samples in a frame; expected at most "
                f"{_MAX_FRAME}",
            )
        self._frames_at_once = max(1, COUNTS_AT_ONCE // frame_size)
        self._n_frames = n_frames or n_in_files
        self._comparison = Comparison(leads.headers, n_frames)
        self.samples_per_frame = max(lead.samples_per_frame for lead in leads.headers)
        self.n_samples = self._n_frames * self.samples_per_frame
        self._interpolators: dict[int, Interpolator] = {}
        for n_in in {lead.samples_per_frame for lead in leads.headers}:
            ratio = Fraction(self.samples_per_frame, n_in)
            if ratio.numerator > _MAX_RATIO:
                raise RecordError(
                    Reason.BAD_SAMPLING_RATE,
                    f"{where}: has leads of {n_in} and {self.samples_per_frame} "
                    f"samples in a frame; expected a ratio of numbers up to "
                    f"{_MAX_RATIO}",
                )
            if ratio != 1:
                self._interpolators[n_in] = Interpolator(ratio)
        self._is_plain = not self._interpolators and all(
            lead.skew == 0 for lead in leads.headers
        )

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
        signal = np.empty((len(self._leads.headers), end - begin))
        per_frame = self.samples_per_frame
        first, last = begin // per_frame, -(-end // per_frame)
        for start in range(first, last, self._frames_at_once):
            stop = min(start + self._frames_at_once, last)
            piece = self._read_frames(start, stop)
            at = start * per_frame - begin
            signal[:, max(0, at) : stop * per_frame - begin] = piece[
                :, max(0, -at) : end - start * per_frame
            ]
        return signal

    def _read_frames(self, first: int, last: int) -> FloatArray:
        """Return the samples of some frames, (n_leads, n), few enough for memory."""
        n_leads = len(self._leads.headers)
        per_lead = self._counts(first, last, range(n_leads))
        # The first of these frames may have been read, as the last of a piece before.
        n_known = max(0, self._comparison.n_summed - first)
        new = [
            per_lead[row][n_known * lead.samples_per_frame :]
            for row, lead in enumerate(self._leads.headers)
        ]
        if new[0].size:
            self._comparison.add(
                first + n_known,
                last,
                [int(counts[0]) for counts in new],
                [int(counts.sum(dtype=np.int64)) for counts in new],
            )
        if self._is_plain:
            return np.stack([self._scale(per_lead[row], row) for row in range(n_leads)])
        signal = np.full((n_leads, (last - first) * self.samples_per_frame), np.nan)
        for skew in {lead.skew for lead in self._leads.headers}:
            rows = [
                row for row, lead in enumerate(self._leads.headers) if lead.skew == skew
            ]
            self._read_skewed(skew, rows, first, last, signal)
        return signal

    def _read_skewed(
        self, skew: int, rows: list[int], first: int, last: int, signal: FloatArray
    ) -> None:
        """Put leads of one skew into a signal of some frames, at its rate.

        The first frames of a skewed lead precede the record; its end is missing.
        """
        n_frames = self._n_frames - skew  # with samples of these leads
        last = min(last, n_frames)
        if first >= last:
            return
        context = max((-(-CONTEXT // n_in) for n_in in self._interpolators), default=0)
        begin, end = max(0, first - context), min(last + context, n_frames)
        per_lead = self._counts(skew + begin, skew + end, rows)
        n_out = self.samples_per_frame
        for row, counts in per_lead.items():
            values = self._scale(counts, row)
            n_in = self._leads.headers[row].samples_per_frame
            if n_in == n_out:
                values = values[(first - begin) * n_in : (last - begin) * n_in]
            else:
                values = self._interpolators[n_in](
                    values, begin * n_in, first * n_out, last * n_out
                )
            signal[row, : values.size] = values

    def _counts(self, first: int, last: int, rows: Sequence[int]) -> dict[int, Counts]:
        """Return the counts of some leads in some frames of the files, by row."""
        per_lead: dict[int, Counts] = {}
        for frames, columns in self._files:
            wanted = [(row, column) for row, column in columns if row in rows]
            if wanted:
                counts = frames.read(first, last)
                per_lead |= {row: counts[:, part].ravel() for row, part in wanted}
        return per_lead

    def _scale(self, counts: Counts, row: int) -> FloatArray:
        """Return the counts of one lead in mV; NaN where a sample is missing."""
        values: FloatArray = counts - self._leads.baseline[row]
        values /= self._leads.adc_gain[row]
        missing = missing_count(self._leads.headers[row].format)
        if missing is not None:
            values[counts == missing] = np.nan
        return values


def _columns(file: SignalFile, leads: Channels) -> list[tuple[int, slice]]:
    """Return the row of each wanted lead in a file, and its columns in a frame."""
    rows = {position: row for row, position in enumerate(leads.positions)}
    columns, begin = [], 0
    for position, lead in enumerate(file.leads, file.first):
        end = begin + lead.samples_per_frame
        if position in rows:
            columns.append((rows[position], slice(begin, end)))
        begin = end
    return columns
