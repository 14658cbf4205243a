"""Load with litdata, from chunks of 64 MB."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.loading.peers.stacking import stacker
from bench.loading.workloads import BATCH_SIZE, SEED, Batch, Files, Workload

# Otherwise it asks a server for its newest version whenever a dataset is opened.
os.environ["LITDATA_DISABLE_VERSION_CHECK"] = "1"

import litdata

LIBRARIES: Final = ("litdata", "numpy", "torch")


class Litdata:
    """StreamingDataset and StreamingDataLoader, without worker processes.

    Chunks are shuffled, and the records within a chunk; records of one chunk stay
    together. Measured on 2 cores: 4 times as fast as with 1 or 2 worker processes;
    arrays are 4 times as fast as tensors; decoding records one by one
    (``batch_decode=0``) is 5 to 20 times as fast as the default, which in random order
    decodes several records for each one that it returns.
    """

    @staticmethod
    def prepare(files: Files, folder: Path) -> None:
        """Write the records as arrays; one process keeps the order of rows."""
        litdata.optimize(
            partial(_blocks, files),
            [*range(0, files.n_rows, BATCH_SIZE)],
            output_dir=str(folder),
            chunk_bytes="64MB",
            num_workers=1,
            verbose=False,
        )

    def __init__(self, files: Files, workload: Workload) -> None:
        self._stack = stacker(files, workload)
        dataset = litdata.StreamingDataset(
            str(files.own_folder(__name__)),
            shuffle=workload.shuffle,
            seed=SEED,
            batch_decode=0,
            item_shuffle_window="full",
        )
        self._loader = litdata.StreamingDataLoader(
            dataset, batch_size=BATCH_SIZE, num_workers=0, collate_fn=self._collate
        )

    def epoch(self, rows: NDArray[np.int64]) -> Iterable[Batch]:
        """Return the loader at the beginning of an epoch; it draws the order itself."""
        del rows
        batches: Iterable[Batch] = self._loader
        return batches

    def _collate(self, records: Sequence[Mapping[str, Any]]) -> Batch:
        """Return a batch of tensors."""
        return (
            torch.tensor([record["row"] for record in records]),
            torch.from_numpy(self._stack([record["signal"] for record in records])),
            torch.from_numpy(np.stack([record["labels"] for record in records])),
        )


def _blocks(files: Files, begin: int) -> Iterator[dict[str, Any]]:
    """Yield the records of a block as litdata stores them."""
    signals, labels = np.load(files.signals, mmap_mode="r"), np.load(files.labels)
    for row in range(begin, min(begin + BATCH_SIZE, files.n_rows)):
        yield {"row": row, "signal": np.array(signals[row]), "labels": labels[row]}
