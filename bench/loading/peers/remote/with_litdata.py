"""Stream with litdata, from chunks of 64 MB, by the protocol of S3."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import litdata
import numpy as np
import torch
from litdata.streaming import downloader
from numpy.typing import NDArray

from bench.loading.peers import with_litdata as local
from bench.loading.workloads import BATCH_SIZE, SEED, Batch, Files, batches_of

# Its downloads by obstore are meant for https, and have no option for a plain server.
downloader._OBSTORE_CLIENT_OPTIONS["allow_http"] = "true"

LIBRARIES: Final = (*local.LIBRARIES, "obstore", "boto3")

N_AHEAD: Final = 4
"""Chunks that are downloaded ahead."""


class Litdata:
    """StreamingDataset and StreamingDataLoader, without worker processes.

    Chunks are shuffled, and the records within a chunk. It reads no plain HTTP: without
    a bucket it says that it cannot find the folder. It reads S3, with obstore, several
    ranges of a chunk at a time, and keeps the chunks in its cache.
    """

    def __init__(self, files: Files, url: str, cache: str) -> None:
        self._dataset = _dataset(files, url, cache)
        self._loader = litdata.StreamingDataLoader(
            self._dataset,
            batch_size=BATCH_SIZE,
            num_workers=0,
            collate_fn=collate,
        )

    def epoch(self, rows: NDArray[np.int64]) -> Iterable[Batch]:
        """Return the batches of an epoch; litdata draws the order itself."""
        del rows
        batches: Iterable[Batch] = self._loader
        return batches


class Rows:
    """``dataset[row]``: a chunk is downloaded as a whole when it is first needed."""

    def __init__(self, files: Files, url: str, cache: str) -> None:
        self._dataset = _dataset(files, url, cache)

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of tensors."""
        for batch_rows in batches_of(rows):
            yield collate([self._dataset[row] for row in batch_rows.tolist()])


def _dataset(files: Files, url: str, cache: str) -> Any:
    """Return the dataset in the bucket."""
    return litdata.StreamingDataset(
        f"s3://{files.own_folder(local.__name__).name}",
        cache_dir=cache,
        shuffle=True,
        seed=SEED,
        batch_decode=0,
        item_shuffle_window="full",
        max_pre_download=N_AHEAD,
        storage_options={
            "endpoint_url": url,
            "aws_access_key_id": "any",
            "aws_secret_access_key": "any",
            "region_name": "us-east-1",
        },
    )


def collate(records: Sequence[Mapping[str, Any]]) -> Batch:
    """Return a batch of tensors."""
    return (
        torch.tensor([record["row"] for record in records]),
        torch.from_numpy(np.stack([record["signal"] for record in records])),
        torch.from_numpy(np.stack([record["labels"] for record in records])),
    )
