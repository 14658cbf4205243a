"""The signals before the filter, read from the original files."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.storage import Store
from ecgstore.storage.original import original_signal

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

    def window(self, row: int, start: int, stop: int) -> Float32Array:
        """Return a window of a record before the filter, as `stored_window` does.

        Raises
        ------
        EcgStoreError
            If the original cannot be read.
        """
        part = self._signal(row)[:, start:stop]
        values = np.full((self.store.n_leads, stop - start), np.nan, np.float32)
        values[:, : part.shape[1]] = part
        return values

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
