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
"""Records in one file (61 MB), a size that zarr's documentation recommends."""

_SIGNALS: Final = "signals.zarr"
_LABELS: Final = "labels.zarr"

zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})


class Zarr:
    """All records of a batch read at once, through zarr's asynchronous interface.

    Consecutive rows are read as one slice. Measured on 2 cores, rows in random order:
    10 times as fast as ``array.oindex[rows]``, for which zarrs falls back to the codec
    pipeline of zarr; 1.3 to 2 times as fast as ``array[row]`` in a loop, in threads, or
    in 1 or 2 worker processes; 2 to 4 times as fast as with zarr's own codec pipeline.
    Shards of 64 or of all records, a file for each record, and 1 or 2 threads in zarrs
    make no difference beyond the noise. Labels are in memory.
    """

    @staticmethod
    def prepare(files: Files, folder: Path) -> None:
        """Write a chunk for each record, many chunks to a file, uncompressed."""
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
            shard = slice(begin, min(begin + SHARD_ROWS, files.n_rows))
            array[shard] = np.asarray(signals[shard])
        zarr.create_array(folder / _LABELS, data=labels, compressors=None)

    def __init__(self, files: Files, workload: Workload) -> None:
        folder = files.own_folder(__name__)
        # An event loop in this thread: zarr's synchronous interface passes every call
        # to an event loop in another thread.
        self._runner = asyncio.Runner()
        self._signals = self._runner.run(open_array(store=folder / _SIGNALS, mode="r"))
        self._labels = zarr.open_array(folder / _LABELS, mode="r")[:]
        self._consecutive = not workload.shuffle
        self._in_mv = workload.dtype == "float32"
        self._scale = np.float32(files.mv_per_count)

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of arrays."""
        for batch_rows in batches_of(rows):
            signals = self._runner.run(self._read(batch_rows))
            yield batch_rows, signals, self._labels[batch_rows]

    async def _read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the signals of rows, as counts or in mV."""
        if self._consecutive:
            run = slice(int(rows[0]), int(rows[-1]) + 1)
            signals: NDArray[Any] = await self._signals.getitem(run)
            return signals
        dtype = np.float32 if self._in_mv else np.int16
        batch = np.empty((len(rows), *self._signals.shape[1:]), dtype)

        async def read(i: int, row: int) -> None:
            batch[i] = await self._signals.getitem(row)
            if self._in_mv:
                batch[i] *= self._scale

        await asyncio.gather(*map(read, range(len(rows)), rows.tolist()))
        return batch
