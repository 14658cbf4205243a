"""Load with spdl, from a memory-mapped .npy file."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from spdl.pipeline import PipelineBuilder

from bench.loading.peers.stacking import stacker
from bench.loading.workloads import SEED, Batch, Files, Workload, batches_of

LIBRARIES: Final = ("spdl", "numpy")

N_THREADS: Final = 2
N_AHEAD: Final = 1
"""Threads that read batches, and batches that wait in the output queue."""


class Spdl:
    """A pipeline of spdl with one stage, which reads whole batches in threads.

    spdl has no format of its own and recommends uncompressed .npy. One pipeline runs
    through all epochs (``continuous``), because stopping it and building the next one
    takes 0.1 s; so a few batches are ready when an epoch begins. Measured on 2 cores: 2
    threads, one waiting batch and the output queue for threads are as fast as 1 thread
    or up to 3 batches, and vary least; reused buffers, as in an example of its
    documentation, are no faster than new ones.
    """

    def __init__(self, files: Files, workload: Workload) -> None:
        self._signals = np.load(files.signals, mmap_mode="r")
        self._labels = np.load(files.labels)
        self._stack = stacker(files, workload)
        self._in_mv = workload.dtype == "float32"
        self._pipeline = (
            PipelineBuilder()
            .add_source(_Orders(files.n_rows, workload.shuffle), continuous=True)
            .pipe(
                self._read,
                concurrency=N_THREADS,
                output_order="completion" if workload.shuffle else "input",
            )
            .add_sink(N_AHEAD)
            .build(num_threads=N_THREADS, use_thread_output_queue=True)
        )
        self._pipeline.start()

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield the batches of the next epoch; the pipeline draws the order."""
        del rows
        batches: Iterator[Batch] = iter(self._pipeline)
        try:
            yield from batches
        finally:
            for _ in batches:
                pass  # the rest of this epoch would be the beginning of the next one

    def close(self) -> None:
        """End the pipeline's threads."""
        self._pipeline.stop()

    def _read(self, rows: NDArray[np.int64]) -> Batch:
        """Return a batch of arrays."""
        signals: NDArray[Any]
        if self._in_mv:
            signals = self._stack([self._signals[row] for row in rows])
        else:
            signals = self._signals[rows]
        return rows, signals, self._labels[rows]


class _Orders:
    """The rows of every batch, a new order in every epoch."""

    def __init__(self, n_rows: int, shuffle: bool) -> None:
        self._n_rows = n_rows
        self._shuffle = shuffle
        self._random = np.random.default_rng(SEED)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        """Yield the rows of the next epoch."""
        rows = np.arange(self._n_rows)
        if self._shuffle:
            self._random.shuffle(rows)
        return batches_of(rows)
