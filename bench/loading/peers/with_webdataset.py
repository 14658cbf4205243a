"""Load with webdataset, from tar files of 100 MB."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import webdataset
from numpy.typing import NDArray

from bench.loading.peers.stacking import stacker
from bench.loading.workloads import BATCH_SIZE, SEED, Batch, Files, Workload

LIBRARIES: Final = ("webdataset", "numpy", "torch")

BUFFER: Final = 1000
"""Records in the shuffle buffer: the default, which the documentation recommends."""

N_SHARDS: Final = 100
"""Shards that are shuffled together, as documented: more than there are."""


class Webdataset:
    """The documented pipeline: shuffled shards, a shuffle buffer, decoding, batches.

    The order is random only among shards and within the buffer of 1,000 records;
    webdataset does not aim at a global order. Measured on 2 cores: without workers 2.5
    to 3 times as fast as with 1 or 2 worker processes, whose batches have to be sent;
    ``.ten`` is 1.2 times as fast as raw bytes in two files and 1.7 times as fast as two
    ``.npy`` files; a larger buffer for reading the tar files makes no difference. Files
    of 64 records, split before the shuffle, would be 1.2 times as fast, but an item of
    webdataset would then not be a record.
    """

    @staticmethod
    def prepare(files: Files, folder: Path) -> None:
        """Write one tensor file (``.ten``) per record into tar files."""
        write_shards(files, folder, 100e6)

    def __init__(self, files: Files, workload: Workload) -> None:
        self._stack = stacker(files, workload)
        folder = files.own_folder(__name__)
        dataset = webdataset.WebDataset(
            sorted(str(path) for path in folder.glob("*.tar")),
            shardshuffle=N_SHARDS if workload.shuffle else False,
            nodesplitter=None,
            seed=SEED,
        )
        if workload.shuffle:
            dataset = dataset.shuffle(BUFFER)
        self._dataset = (
            dataset.decode()
            .map(_record)
            .batched(BATCH_SIZE, collation_fn=self._collate, partial=True)
        )

    def epoch(self, rows: NDArray[np.int64]) -> Iterable[Batch]:
        """Return the pipeline, which begins again; it draws the order itself."""
        del rows
        batches: Iterable[Batch] = self._dataset
        return batches

    def _collate(self, records: Sequence[tuple[int, Any, Any]]) -> Batch:
        """Return a batch of tensors."""
        rows, signals, labels = zip(*records, strict=True)
        return (
            torch.tensor(rows),
            torch.from_numpy(self._stack(signals)),
            torch.from_numpy(np.stack(labels)),
        )


def _record(sample: dict[str, Any]) -> tuple[int, Any, Any]:
    """Return row, signal and labels."""
    signal, labels = sample["record.ten"]
    return int(sample["__key__"]), signal, labels


def write_shards(files: Files, folder: Path, n_bytes: float) -> None:
    """Write one tensor file (``.ten``) per record into tar files of some size.

    A fixed modification time keeps the tar headers short: otherwise every file has a
    second header with fractions of a second, and reading takes a quarter longer.
    """
    signals, labels = np.load(files.signals, mmap_mode="r"), np.load(files.labels)
    pattern = str(folder / "%06d.tar")
    with webdataset.ShardWriter(pattern, maxsize=n_bytes, verbose=0, mtime=0) as writer:
        for row in range(files.n_rows):
            arrays = [np.asarray(signals[row]), labels[row]]
            writer.write({"__key__": f"{row:09d}", "record.ten": arrays})
