"""Load with NumPy: the upper limits of warm and cold files, and ``np.memmap``."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.loading.workloads import BATCH_SIZE, Batch, Files, Workload, batches_of

N_READERS: Final = 32
"""Threads that read rows from a cold disk at the same time."""


class Memcpy:
    """The upper limit: the bytes of a batch, copied into a buffer that stays cached.

    The bytes are copied from a file in the page cache, one after another, and are not
    records: this loader is the only one that is not compared with the reference.
    """

    def __init__(self, files: Files, workload: Workload) -> None:
        signals = np.load(files.signals, mmap_mode="r")
        record = np.empty(signals.shape[1:], workload.dtype)
        self._shape = record[workload.leads, workload.samples].shape
        self._dtype = np.dtype(workload.dtype)
        self._source = np.asarray(signals).reshape(-1).view(np.uint8)
        n_bytes = BATCH_SIZE * int(np.prod(self._shape)) * self._dtype.itemsize
        if self._source.size < n_bytes:  # in tests, which have few rows
            self._source = np.resize(self._source, n_bytes)
        self._hot = np.zeros(n_bytes, np.uint8)
        self._labels = torch.from_numpy(np.load(files.labels))

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield the same buffer for every batch."""
        n_bytes = self._hot.size // BATCH_SIZE
        begin = 0
        for batch_rows in batches_of(rows):
            hot = self._hot[: len(batch_rows) * n_bytes]
            if begin + hot.size > self._source.size:
                begin = 0
            np.copyto(hot, self._source[begin : begin + hot.size])
            begin += hot.size
            signals = hot.view(self._dtype).reshape(len(batch_rows), *self._shape)
            labels = self._labels[: len(batch_rows)]
            yield batch_rows, torch.from_numpy(signals), labels


class Memmap:
    """``np.memmap`` of a .npy file, ``signals[rows]`` in a plain loop.

    float32 is converted row by row: twice as fast as ``astype`` of the whole batch,
    because a row stays in the processor's cache between the two operations.
    """

    def __init__(self, files: Files, workload: Workload) -> None:
        signals = np.load(files.signals, mmap_mode="r")
        self._signals = signals[:, workload.leads, workload.samples]
        self._labels = torch.from_numpy(np.load(files.labels))
        self._scale = np.float32(files.mv_per_count)
        self._in_mv = workload.dtype == "float32"

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of copies."""
        for batch_rows in batches_of(rows):
            signals = self._mv(batch_rows) if self._in_mv else self._signals[batch_rows]
            yield batch_rows, torch.from_numpy(signals), self._labels[batch_rows]

    def _mv(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return rows in mV."""
        signals = np.empty((len(rows), *self._signals.shape[1:]), np.float32)
        for i, row in enumerate(rows.tolist()):
            signals[i] = self._signals[row]
            signals[i] *= self._scale
        return signals


class ManyReaders:
    """The upper limit of a cold disk: 32 threads that read rows of a .npy file.

    For whole int16 rows only.
    """

    def __init__(self, files: Files, workload: Workload) -> None:
        with open(files.signals, "rb") as file:
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise ValueError(f".npy version {version}; expected (1, 0)")
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            self._begin = file.tell()
        self._descriptor = os.open(files.signals, os.O_RDONLY)
        self._shape, self._dtype = shape[1:], dtype
        self._labels = torch.from_numpy(np.load(files.labels))
        self._pool = ThreadPoolExecutor(N_READERS)

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches; the rows of a batch are read at the same time."""
        for batch_rows in batches_of(rows):
            signals = np.empty((len(batch_rows), *self._shape), self._dtype)
            n_bytes = self._pool.map(self._read, batch_rows.tolist(), signals)
            if sum(n_bytes) != signals.nbytes:
                raise OSError("the file ended early")
            yield batch_rows, torch.from_numpy(signals), self._labels[batch_rows]

    def _read(self, row: int, out: NDArray[np.int16]) -> int:
        """Read one row into `out`; return the number of bytes."""
        offset = self._begin + row * out.nbytes
        return os.preadv(self._descriptor, [out.data.cast("B")], offset)
