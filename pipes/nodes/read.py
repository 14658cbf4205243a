"""The node that reads records."""

import contextlib
from collections import deque
from itertools import islice
from typing import Any, Final

from torchdata.nodes import BaseNode

from ecgstore.pipes.batch import Batch, RowBatch
from ecgstore.pipes.reading.record_reader import Prepared, RecordReader
from ecgstore.storage.rows import waits_for_disk

_ROWS_AHEAD: Final = 256
"""Number of rows to request from the disk ahead; more are not faster."""

_BATCHES_COLD: Final = 64
"""Number of batches with requests ahead after one that waited for the disk."""

_TOGETHER_BYTES: Final = 2_000_000
_MOST_TOGETHER: Final = 16
"""Batches are read together up to so many bytes and up to so many: what Python does for
each reading would else take longer than to copy few bytes."""

_State = dict[str, Any]

_Rows = tuple[RowBatch, _State]
"""A batch of rows, and the state of the source after it."""


class Read(BaseNode[Batch]):
    """A node that reads the records of every batch of rows.

    From a file in the page cache, records are copied straight to the batch. All but the
    signals of the next batch is read while a waiting thread copies signals. Small
    batches are read several at a time. While reading waits for the disk, the rows of
    the next batches are looked up, too, and requested from the system in advance, many
    at a time. Of a store at a URL, rows are always requested in advance.

    Parameters
    ----------
    source : BaseNode
        The node that yields row batches.
    reader : RecordReader
        Reads their records.
    """

    def __init__(self, source: BaseNode[RowBatch], reader: RecordReader) -> None:
        super().__init__()
        self._source = source
        self._reader = reader
        self._record_bytes = reader.record_bytes
        self._state: _State | None = None
        self._n_cold = 0
        self._forget()

    def reset(self, initial_state: _State | None = None) -> None:
        """Begin the next epoch, or resume from a state."""
        super().reset(initial_state)
        if initial_state is None and (self._ahead or self._prepared or self._done):
            # The source is ahead; the next epoch depends on the position of this node.
            self._source.reset(self._state)
        self._source.reset(initial_state)  # may refuse it
        self._forget()
        self._state = self._source.state_dict()

    def next(self) -> Batch:
        """Return the records of the next batch of rows."""
        if not self._done:
            self._read()
        batch, self._state = self._done.popleft()
        return batch

    def get_state(self) -> _State:
        """Return the state that the source had after the last batch yielded."""
        assert self._state is not None  # reset was called
        return self._state

    def _forget(self) -> None:
        """Drop all that is not yielded yet."""
        self._ahead: deque[_Rows] = deque()
        self._prepared: tuple[Prepared, list[_Rows]] | None = None
        self._done: deque[tuple[Batch, _State]] = deque()
        self._together = 1
        self._is_exhausted = False

    def _read(self, *, alone: bool = False) -> None:
        """Read the next batches; if that fails, the first of them alone."""
        if alone:
            self._together = 1
        chunk: list[_Rows] = []
        waits = waits_for_disk()
        try:
            ready, self._prepared = self._prepared or self._prepare(), None
            prepared, chunk = ready
            batches = self._reader.finish(prepared, self._prepare_ahead)
        except StopIteration:
            raise
        except Exception:
            self._return(chunk)
            if alone:
                raise
            self._read(alone=True)
            return
        except BaseException:  # Ctrl-C
            self._return(chunk)
            raise
        self._n_cold = max(self._n_cold - 1, 0)
        if waits_for_disk() > waits:
            self._n_cold = _BATCHES_COLD
        for batch, (_, state) in zip(batches, chunk, strict=True):
            self._done.append((batch, state))

    def _prepare(self) -> tuple[Prepared, list[_Rows]]:
        """Prepare the next batches of rows."""
        n_together = self._look_ahead()
        chunk = list(islice(self._ahead, n_together))
        prepared = self._reader.prepare([rows for rows, _ in chunk])
        for _ in chunk:
            self._ahead.popleft()
        self._together = min(2 * self._together, _MOST_TOGETHER)
        return prepared, chunk

    def _prepare_ahead(self) -> None:
        """Prepare the batches after those that are being read, from a warm file.

        An error is raised when it is their turn.
        """
        if self._is_exhausted or self._n_cold or self._reader.fetches:
            return
        with contextlib.suppress(Exception):
            self._prepared = self._prepare()

    def _return(self, chunk: list[_Rows]) -> None:
        """Put batches of rows back, before those that were prepared after them."""
        if self._prepared is not None:
            self._ahead.extendleft(reversed(self._prepared[1]))
            self._prepared = None
        self._ahead.extendleft(reversed(chunk))

    def _look_ahead(self) -> int:
        """Take the next row batches; more if requests in advance save time.

        Returns
        -------
        int
            How many of them to read together.
        """
        fetches = self._reader.fetches
        n_rows = sum(len(rows) for rows, _ in self._ahead)
        # The next window is asked for before the last one is waited for, so that the
        # line is never idle.
        if fetches and n_rows <= self._reader.n_rows_ahead:
            least = n_rows + self._reader.n_rows_ahead
        else:
            least = _ROWS_AHEAD if self._n_cold and not fetches else 0
        asked: list[RowBatch] = []
        while (n_rows < least or not self._ahead) and self._take(asked):
            n_rows += len(asked[-1])
        if not self._ahead:
            self._reader.check_unchanged()  # during the last batch of the epoch
            raise StopIteration
        n_bytes = max(1, self._record_bytes * len(self._ahead[0][0]))
        together = 1 if fetches else min(self._together, _TOGETHER_BYTES // n_bytes)
        while len(self._ahead) < together and self._take(asked):
            pass
        if asked and (self._n_cold or fetches):
            self._reader.will_need(asked)
        return min(max(together, 1), len(self._ahead))

    def _take(self, taken: list[RowBatch]) -> bool:
        """Take a row batch from the source, unless there is none any more."""
        if self._is_exhausted:
            return False
        try:
            rows = next(self._source)
        except StopIteration:
            self._is_exhausted = True
            return False
        self._ahead.append((rows, self._source.state_dict()))
        taken.append(rows)
        return True
