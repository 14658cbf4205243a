"""Stream with mosaicml-streaming, from MDS shards of 64 MB, by the protocol of S3."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.loading.peers import with_mosaic as local
from bench.loading.workloads import BATCH_SIZE, SEED, Batch, Files, batches_of

# `local` has made them importable.
from streaming import StreamingDataLoader, StreamingDataset  # isort: skip
from streaming.base.util import clean_stale_shared_memory  # isort: skip

LIBRARIES: Final = (*local.LIBRARIES, "boto3")

N_AHEAD: Final = 2048
"""Records that are downloaded ahead, four shards."""


class Mosaic:
    """StreamingDataset and StreamingDataLoader, without worker processes.

    Its own shuffling (py1e), a thread that downloads ahead, and a cache on the disk. It
    reads no plain HTTP; the error lists the protocols that it reads. With two forked
    workers, epochs hung for a minute or yielded wrong records; the cause was not found.
    Spawned workers import everything again, which takes longer than an epoch.
    """

    def __init__(self, files: Files, url: str, cache: str) -> None:
        self._loader = StreamingDataLoader(
            _dataset(files, url, cache, shuffle=True),
            batch_size=BATCH_SIZE,
            num_workers=0,
            collate_fn=collate,
        )

    def epoch(self, rows: NDArray[np.int64]) -> Iterable[Batch]:
        """Return the batches of an epoch; streaming draws the order itself."""
        del rows
        batches: Iterable[Batch] = self._loader
        return batches


class Rows:
    """``dataset[row]``: a shard is downloaded as a whole when it is first needed."""

    def __init__(self, files: Files, url: str, cache: str) -> None:
        self._dataset = _dataset(files, url, cache, shuffle=False)

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of tensors."""
        for batch_rows in batches_of(rows):
            yield collate([self._dataset[row] for row in batch_rows.tolist()])


def _dataset(files: Files, url: str, cache: str, *, shuffle: bool) -> Any:
    """Return the dataset in the bucket."""
    os.environ |= {
        "S3_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    clean_stale_shared_memory()  # left by a killed process, it would raise
    return StreamingDataset(
        remote=f"s3://{files.own_folder(local.__name__).name}",
        local=str(Path(cache, "shards")),
        shuffle=shuffle,
        shuffle_seed=SEED,
        batch_size=BATCH_SIZE,
        predownload=N_AHEAD,
    )


def collate(records: Sequence[Mapping[str, Any]]) -> Batch:
    """Return a batch of tensors."""
    return (
        torch.tensor([int(record["row"]) for record in records]),
        torch.from_numpy(np.stack([record["signal"] for record in records])),
        torch.from_numpy(np.stack([record["labels"] for record in records])),
    )
