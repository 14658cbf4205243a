"""Stream with webdataset, from tar files of 64 MB."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import webdataset
from numpy.typing import NDArray

from bench.loading.peers.with_webdataset import BUFFER, N_SHARDS, write_shards
from bench.loading.workloads import BATCH_SIZE, SEED, Batch, Files

LIBRARIES: Final = ("webdataset", "numpy", "torch")

N_WORKERS: Final = 2


class Webdataset:
    """The documented pipeline over HTTP: shuffled shards, a shuffle buffer, workers.

    webdataset runs a process of curl for each tar file that is being read; nothing is
    kept on the disk, as is its default.
    """

    @staticmethod
    def prepare(files: Files, folder: Path) -> None:
        """Write one tensor file (``.ten``) per record into tar files."""
        write_shards(files, folder, 64e6)

    def __init__(self, files: Files, url: str, cache: str) -> None:
        del cache
        folder = files.own_folder(__name__)
        dataset = (
            webdataset.WebDataset(
                [
                    f"{url}/{folder.name}/{path.name}"
                    for path in sorted(folder.glob("*.tar"))
                ],
                shardshuffle=N_SHARDS,
                nodesplitter=None,
                seed=SEED,
            )
            .shuffle(BUFFER)
            .decode()
            .map(record_of)
            .batched(BATCH_SIZE, collation_fn=collate, partial=True)
        )
        self._loader = webdataset.WebLoader(
            dataset, batch_size=None, num_workers=N_WORKERS
        )

    def epoch(self, rows: NDArray[np.int64]) -> Iterable[Batch]:
        """Return the batches of an epoch; webdataset draws the order itself."""
        del rows
        batches: Iterable[Batch] = self._loader
        return batches


def record_of(sample: dict[str, Any]) -> tuple[int, Any, Any]:
    """Return row, signal and labels."""
    signal, labels = sample["record.ten"]
    return int(sample["__key__"]), signal, labels


def collate(records: Sequence[tuple[int, Any, Any]]) -> Batch:
    """Return a batch of tensors."""
    rows, signals, labels = zip(*records, strict=True)
    return (
        torch.tensor(rows),
        torch.from_numpy(np.stack(signals)),
        torch.from_numpy(np.stack(labels)),
    )
