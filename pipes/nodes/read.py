"""The node that reads records."""

from collections import deque
from typing import Any, Final

from torchdata.nodes import BaseNode

from ecgstore.pipes.batch import Batch, RowBatch
from ecgstore.pipes.reading.record_reader import RecordReader
from ecgstore.storage.rows import waits_for_disk

_ROWS_AHEAD: Final = 256
"""Number of rows to request from the disk ahead; more are not faster."""

_BATCHES_COLD: Final = 64
"""Number of batches with requests ahead after one that waited for the disk."""


class Read(BaseNode[Batch]):
    """A node that reads the records of every batch of rows.

    From a file in the page cache, records are copied straight to the batch. While
    reading waits for the disk, the rows of the next batches are looked up, too, and
    requested from the system in advance, many at a time. Of a store at a URL, rows are
    always requested in advance.

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
        self._ahead: deque[tuple[RowBatch, dict[str, Any]]] = deque()
        self._state: dict[str, Any] | None = None
        self._n_cold = 0

    def reset(self, initial_state: dict[str, Any] | None = None) -> None:
        """Begin the next epoch, or resume from a state."""
        super().reset(initial_state)
        if self._ahead and initial_state is None:
            # The source is ahead; the next epoch depends on the position of this node.
            self._source.reset(self._state)
        self._ahead.clear()
        self._source.reset(initial_state)
        self._state = self._source.state_dict()

    def next(self) -> Batch:
        """Return the records of the next batch of rows."""
        self._look_ahead()
        rows, self._state = self._ahead.popleft()
        waits = waits_for_disk()
        batch = self._reader.read(rows)
        self._n_cold = max(self._n_cold - 1, 0)
        if waits_for_disk() > waits:
            self._n_cold = _BATCHES_COLD
        return batch

    def get_state(self) -> dict[str, Any]:
        """Return the state that the source had after the last batch yielded."""
        assert self._state is not None  # reset was called
        return self._state

    def _look_ahead(self) -> None:
        """Take the next row batch; several if requests in advance save time."""
        n_rows = sum(len(rows) for rows, _ in self._ahead)
        fetches = self._reader.fetches
        # The next window is asked for before the last one is waited for, so that the
        # line is never idle.
        if fetches and n_rows <= self._reader.n_rows_ahead:
            least = n_rows + self._reader.n_rows_ahead
        else:
            least = _ROWS_AHEAD if self._n_cold and not fetches else 0
        asked: list[RowBatch] = []
        while not self._ahead or n_rows < least:
            try:
                rows = next(self._source)
            except StopIteration:
                if self._ahead:
                    break
                self._reader.check_unchanged()  # during the last batch of the epoch
                raise
            asked.append(rows)
            self._ahead.append((rows, self._source.state_dict()))
            n_rows += len(rows)
        if asked and (self._n_cold or fetches):
            self._reader.will_need(asked)
