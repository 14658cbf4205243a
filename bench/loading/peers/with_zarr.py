"""Load with zarr 3 and the codec pipeline of zarrs, from shards of 512 records."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.api.asynchronous import open_array

from bench.loading.workloads import Batch, Files, Workload, batches_of

LIBRARIES: Final = ("zarr", "zarrs", "numpy")

SHARD_ROWS: Final = 512
"""Records in one file: 61 MB, within what zarr's documentation advises."""

_SIGNALS: Final = "signals.zarr"
_LABELS: Final = "labels.zarr"

zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})


class Zarr:
    """The records of a batch asked for at once, through zarr's asynchronous interface.

    Runs of consecutive rows are read by one slice. Measured on 2 cores, rows in random
    order: 10 times as fast as ``array.oindex[rows]``, for which zarrs falls back to the
    codec pipeline of zarr; 1.3 to 2 times as fast as ``array[row]`` in a loop or in
    threads, and as the same in 1 or 2 worker processes; 2 to 4 times as fast as with
    zarr's own codec pipeline. Shards of 64 or of all records, a file for each record,
    and 1 or 2 threads within zarrs make no difference beyond the noise. Labels are in
    memory.
    """

    @staticmethod
    def prepare(files: Files, folder: Path) -> None:
        """Write a chunk for each record, many chunks to a file, nothing compressed."""
        signals, labels = np.load(files.signals, mmap_mode="r"), np.load(files.labels)
        array = zarr.create_array(
            folder / _SIGNALS,
            shape=signals.shape,
            dtype=signals.dtype,
            chunks=(1, *signals.shape[1:]),
            shards=(SHARD_ROWS, *signals.shape[1:]),
            compressors=None,
        )
        for begin in range(0, files.n_rows, SHARD_ROWS):
            some = slice(begin, min(begin + SHARD_ROWS, files.n_rows))
            array[some] = np.asarray(signals[some])
        zarr.create_array(folder / _LABELS, data=labels, compressors=None)

    def __init__(self, files: Files, workload: Workload) -> None:
        folder = files.own_folder(__name__)
        # A loop of its own, in this thread: zarr's interface that waits hands every
        # call to a loop in another thread.
        self._runner = asyncio.Runner()
        self._signals = self._runner.run(open_array(store=folder / _SIGNALS, mode="r"))
        self._labels = zarr.open_array(folder / _LABELS, mode="r")[:]
        self._consecutive = not workload.shuffle
        self._in_mv = workload.dtype == "float32"
        self._scale = np.float32(files.mv_per_count)

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of arrays."""
        for some in batches_of(rows):
            yield some, self._runner.run(self._read(some)), self._labels[some]

    async def _read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the signals of rows, as counts or in mV."""
        if self._consecutive:
            some = slice(int(rows[0]), int(rows[-1]) + 1)
            signals: NDArray[Any] = await self._signals.getitem(some)
            return signals
        dtype = np.float32 if self._in_mv else np.int16
        batch = np.empty((len(rows), *self._signals.shape[1:]), dtype)

        async def read(place: int, row: int) -> None:
            batch[place] = await self._signals.getitem(row)
            if self._in_mv:
                batch[place] *= self._scale

        await asyncio.gather(*map(read, range(len(rows)), rows.tolist()))
        return batch
