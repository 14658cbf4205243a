"""Load with grain: from an ArrayRecord file, and from a memory-mapped .npy file."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import grain
import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter
from numpy.typing import NDArray

from bench.loading.peers.stacking import stacker
from bench.loading.workloads import BATCH_SIZE, SEED, Batch, Files, Workload

LIBRARIES: Final = ("grain", "array-record", "numpy")

N_THREADS: Final = 2
N_AHEAD: Final = 4
"""Threads that read batches, and batches that are read in advance."""

_NAME: Final = "rows.array_record"


class _Grain:
    """A global order drawn by grain; threads read whole batches, no worker processes.

    Measured on 2 cores: 2 threads are up to 1.2 times as fast as none, 1 or 16 (the
    default); reading whole batches (`batch`, then `map`) is about twice as fast as
    reading records in threads and stacking them (`map`, then `batch`).
    """

    def __init__(self, files: Files, workload: Workload) -> None:
        self._n_rows = files.n_rows
        self._shuffle = workload.shuffle
        self._n_epochs = 0

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Return the batches of the next epoch; grain draws the order."""
        del rows
        numbers = grain.MapDataset.range(self._n_rows)
        if self._shuffle:
            numbers = numbers.shuffle(seed=SEED + self._n_epochs)
        self._n_epochs += 1
        options = grain.ReadOptions(N_THREADS, N_AHEAD)
        batches: Iterable[Batch] = (
            numbers.batch(BATCH_SIZE).map(self._read).to_iter_dataset(options)
        )
        return iter(batches)

    def _read(self, rows: NDArray[np.int64]) -> Batch:
        """Return a batch."""
        raise NotImplementedError


class Records(_Grain):
    """An ArrayRecord file, grain's own format."""

    @staticmethod
    def prepare(files: Files, folder: Path) -> None:
        """Write one uncompressed record per row: signal, labels, number of the row."""
        signals, labels = np.load(files.signals, mmap_mode="r"), np.load(files.labels)
        writer = ArrayRecordWriter(str(folder / _NAME), "group_size:1,uncompressed")
        for row in range(files.n_rows):
            number = row.to_bytes(8, "little")
            writer.write(signals[row].tobytes() + labels[row].tobytes() + number)
        writer.close()

    def __init__(self, files: Files, workload: Workload) -> None:
        super().__init__(files, workload)
        path = str(files.own_folder(__name__) / _NAME)
        self._source = grain.sources.ArrayRecordDataSource([path])
        self._shape = np.load(files.signals, mmap_mode="r").shape[1:]
        self._n_samples = int(np.prod(self._shape))
        self._stack = stacker(files, workload)

    def _read(self, rows: NDArray[np.int64]) -> Batch:
        """Return a batch of arrays."""
        records: Any = self._source.__getitems__(rows.tolist())
        signals = [np.frombuffer(record, "<i2", self._n_samples) for record in records]
        begin = 2 * self._n_samples
        labels = [np.frombuffer(record[begin:-8], np.uint8) for record in records]
        numbers = [int.from_bytes(record[-8:], "little") for record in records]
        batch = self._stack(signals).reshape(len(records), *self._shape)
        return np.array(numbers), batch, np.stack(labels)


class Memmapped(_Grain):
    """A memory-mapped .npy file: grain accepts any source with random access."""

    def __init__(self, files: Files, workload: Workload) -> None:
        super().__init__(files, workload)
        self._signals = np.load(files.signals, mmap_mode="r")
        self._labels = np.load(files.labels)
        self._stack = stacker(files, workload)
        self._in_mv = workload.dtype == "float32"

    def _read(self, rows: NDArray[np.int64]) -> Batch:
        """Return a batch of arrays."""
        if self._in_mv:
            signals = self._stack([self._signals[row] for row in rows])
            return rows, signals, self._labels[rows]
        return rows, self._signals[rows], self._labels[rows]
