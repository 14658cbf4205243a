"""Stream with Hugging Face datasets, from Parquet files of 64 MB."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import torch
from datasets import load_dataset
from numpy.typing import NDArray

from bench.loading.workloads import BATCH_SIZE, SEED, Batch, Files

LIBRARIES: Final = ("datasets", "fsspec", "aiohttp", "pyarrow", "numpy", "torch")

N_WORKERS: Final = 2
FILE_ROWS: Final = 512
GROUP_ROWS: Final = 64
BUFFER: Final = 1000
"""Records in the shuffle buffer: the default."""


class Datasets:
    """An IterableDataset of Parquet files at URLs, shuffled, with two workers.

    Records are bytes, the fastest of its types to decode, not compressed. Requests are
    made ahead as its documentation recommends (``CacheOptions``).
    """

    @staticmethod
    def prepare(files: Files, folder: Path) -> None:
        """Write row number, signal and labels."""
        signals, labels = np.load(files.signals, mmap_mode="r"), np.load(files.labels)
        for number, begin in enumerate(range(0, files.n_rows, FILE_ROWS)):
            rows = range(begin, min(begin + FILE_ROWS, files.n_rows))
            table = pyarrow.table(
                {
                    "row": [*rows],
                    "signal": [signals[row].tobytes() for row in rows],
                    "labels": [labels[row].tobytes() for row in rows],
                }
            )
            pyarrow.parquet.write_table(
                table,
                folder / f"{number:05d}.parquet",
                row_group_size=GROUP_ROWS,
                compression="none",
                use_dictionary=False,
                write_statistics=False,
            )

    def __init__(self, files: Files, url: str, cache: str) -> None:
        del cache
        folder = files.own_folder(__name__)
        self._shape = np.load(files.signals, mmap_mode="r").shape[1:]
        dataset = load_dataset(
            "parquet",
            data_files=[
                f"{url}/{folder.name}/{path.name}"
                for path in sorted(folder.glob("*.parquet"))
            ],
            split="train",
            streaming=True,
            fragment_scan_options=pyarrow.dataset.ParquetFragmentScanOptions(
                cache_options=pyarrow.CacheOptions(
                    prefetch_limit=1, range_size_limit=128 << 20
                )
            ),
        )
        self._loader = torch.utils.data.DataLoader(
            dataset.shuffle(seed=SEED, buffer_size=BUFFER),
            batch_size=BATCH_SIZE,
            num_workers=N_WORKERS,
            collate_fn=self._collate,
        )

    def epoch(self, rows: NDArray[np.int64]) -> Iterable[Batch]:
        """Return the batches of an epoch; datasets draws the order itself."""
        del rows
        batches: Iterable[Batch] = self._loader
        return batches

    def _collate(self, records: Sequence[Mapping[str, Any]]) -> Batch:
        """Return a batch of tensors."""
        signals = np.empty((len(records), *self._shape), np.int16)
        for signal, record in zip(signals, records, strict=True):
            signal[...] = np.frombuffer(record["signal"], np.int16).reshape(self._shape)
        labels = [np.frombuffer(record["labels"], np.uint8) for record in records]
        return (
            torch.tensor([record["row"] for record in records]),
            torch.from_numpy(signals),
            torch.from_numpy(np.stack(labels)),
        )
