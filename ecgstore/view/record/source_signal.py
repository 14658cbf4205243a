"""The signals before the filter, read from the original files."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from ecgstore.arrays import FloatArray
from ecgstore.storage import Store
from ecgstore.storage.original import original_signal
from ecgstore.view.record.signal import Window, cut_window

_KEPT: Final = 4


class SourceSignals:
    """The records of a store before the filter; the last ones are kept in memory.

    Parameters
    ----------
    store : Store
        An open store.
    folders : sequence of Path
        Folders to search for the original records.
    """

    def __init__(self, store: Store, folders: Sequence[Path]) -> None:
        self.store = store
        self.folders = tuple(folders)
        self._lock = Lock()
        self._kept: OrderedDict[int, FloatArray] = OrderedDict()

    def window(
        self, row: int, start: int | None = None, stop: int | None = None
    ) -> Window:
        """Return a window of a record before the filter.

        Raises
        ------
        EcgStoreError
            If the window is none, or the original cannot be read.
        """
        return cut_window(self._signal(row), self.store, start, stop)

    def _signal(self, row: int) -> FloatArray:
        """Return the whole record before the filter."""
        with self._lock:
            if row in self._kept:
                self._kept.move_to_end(row)
                return self._kept[row]
        signal = original_signal(self.store, row, self.folders)
        with self._lock:
            self._kept[row] = signal
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return signal
