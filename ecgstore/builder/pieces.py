"""Read a signal once, from its beginning to its end, and parts of it that overlap."""

from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.sources import RecordSignal, SignalHash

_PIECE: Final = 1 << 16
"""Samples per lead of a long record that are read at once: 6 MB of float64."""


class OnePass:
    """The samples of a signal in ranges that begin one after the other.

    No sample is read twice, and those before the beginning of the last range are not
    kept, so that memory does not grow with the length of the record.

    Parameters
    ----------
    signal : RecordSignal
        The signal.
    begin, end : int
        The samples that may be asked for.
    signal_hash : SignalHash, optional
        Gets all samples that are read.
    """

    def __init__(
        self,
        signal: RecordSignal,
        begin: int,
        end: int,
        signal_hash: SignalHash | None = None,
    ) -> None:
        self._signal = signal
        self._hash = signal_hash
        self._end = end
        self._first = self._next = begin
        self._kept = np.empty((len(signal.leads.names), 0))

    def read(self, begin: int, end: int) -> FloatArray:
        """Return the samples from `begin` to `end`, of shape (n_leads, end - begin).

        `begin` is not less than in the calls before. The result is a view.
        """
        if end > self._next:
            self._skip(begin)
            kept = self._kept[:, max(0, begin - self._first) :]
            self._first = min(begin, self._next)
            piece = self._read_next(max(end, self._next + _PIECE))
            has_kept = kept.shape[1] > 0
            self._kept = np.concatenate([kept, piece], axis=1) if has_kept else piece
        return self._kept[:, begin - self._first : end - self._first]

    def read_rest(self) -> None:
        """Read all that was not read, for the hash."""
        self._skip(self._end)
        if self._next < self._end:
            self._read_next(self._end)

    def _skip(self, begin: int) -> None:
        """Read long pieces before a sample without keeping them."""
        while begin - self._next >= _PIECE:
            self._first = self._next + _PIECE
            self._kept = self._read_next(self._first)[:, :0]

    def _read_next(self, end: int) -> FloatArray:
        """Return the samples that follow those that were read, up to `end`."""
        end = min(end, self._end)
        piece = self._signal.read(self._next, end)
        if self._hash is not None:
            self._hash.update(piece)
        self._next = end
        return piece
