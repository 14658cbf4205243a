"""Stream with h5py and PyTorch's DataLoader, through file objects at URLs."""

import io
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from bench.loading.workloads import SEED, Batch, Files, batches_of

LIBRARIES: Final = ("h5py", "fsspec", "aiohttp", "obstore", "numpy", "torch")

N_WORKERS: Final = 2
BLOCK_ROWS: Final = 64
"""Successive rows that are read together (7.7 MB)."""
BUFFER_BLOCKS: Final = 4
"""Blocks of which a worker makes shuffled batches."""

OpenFile = Callable[[str, int], Any]
"""Opens a URL, to be read in pieces of about so many bytes."""


def by_fsspec(url: str, n_bytes: int) -> Any:
    """Return a file object of fsspec."""
    import fsspec  # type: ignore[import-untyped]

    filesystem = fsspec.filesystem("http", skip_instance_cache=True)
    return filesystem.open(url, block_size=n_bytes, cache_type="readahead")


def by_obstore(url: str, n_bytes: int) -> Any:
    """Return a file object of obstore."""
    import obstore
    from obstore.store import from_url

    folder, _, name = url.rpartition("/")
    store = from_url(folder, client_options={"allow_http": True})
    return _BytesReader(obstore.open_reader(store, name, buffer_size=n_bytes))


class _BytesReader:
    """A file object of obstore that reads bytes, as h5py expects."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.seek, self.tell = reader.seek, reader.tell

    def read(self, size: int) -> bytes:
        """Read some bytes."""
        return bytes(self._reader.read(size))


class _Groups(Dataset[Batch]):
    """Shuffled blocks in groups; a group is read block by block, and then shuffled."""

    def __init__(self, url: str, open_file: OpenFile, labels: NDArray[Any]) -> None:
        self._url, self._open_file, self._labels = url, open_file, labels
        self._signals: Any = None
        begins = np.arange(0, len(labels), BLOCK_ROWS)
        self._begins = np.random.default_rng(SEED).permutation(begins)

    def __len__(self) -> int:
        return -(-len(self._begins) // BUFFER_BLOCKS)

    def __getitem__(self, number: int) -> list[Batch]:  # type: ignore[override]
        """Return the batches of a group."""
        if self._signals is None:
            # A block is one read, longer than the buffer; a larger one reads too much.
            file = h5py.File(self._open_file(self._url, 1 << 17), "r")
            self._signals = file["signals"]
        begins = self._begins[number * BUFFER_BLOCKS :][:BUFFER_BLOCKS].tolist()
        rows = np.concatenate([self._rows(begin) for begin in begins])
        signals = np.concatenate(
            [self._signals[begin : begin + BLOCK_ROWS] for begin in begins]
        )
        order = np.random.default_rng([SEED, number]).permutation(len(rows))
        return [
            (
                torch.from_numpy(rows[chosen]),
                torch.from_numpy(signals[chosen]),
                torch.from_numpy(self._labels[rows[chosen]]),
            )
            for chosen in batches_of(order)
        ]

    def _rows(self, begin: int) -> NDArray[np.int64]:
        """Return the rows of a block."""
        return np.arange(begin, min(begin + BLOCK_ROWS, len(self._labels)))


class _Blocks:
    """DataLoader with two workers over shuffled blocks of a contiguous dataset.

    Row by row, as usual, an epoch is limited by the latency (see `_Rows`). One block a
    request, each worker reads half as fast as the link.
    """

    open_file: OpenFile

    def __init__(self, files: Files, url: str, cache: str) -> None:
        del cache
        groups = _Groups(f"{url}/contiguous.h5", type(self).open_file, _labels(url))
        self._loader = DataLoader(
            groups,
            batch_size=None,
            num_workers=N_WORKERS,
        )

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of tensors."""
        del rows
        groups: Iterable[list[Batch]] = self._loader
        for group in groups:
            yield from group


class FsspecBlocks(_Blocks):
    """With file objects of fsspec."""

    open_file = staticmethod(by_fsspec)


class ObstoreBlocks(_Blocks):
    """With file objects of obstore."""

    open_file = staticmethod(by_obstore)


class _Rows:
    """``dataset[row]`` of a contiguous dataset, with pieces of the size of a row."""

    open_file: OpenFile

    def __init__(self, files: Files, url: str, cache: str) -> None:
        del cache
        file = type(self).open_file(f"{url}/contiguous.h5", 120_000)
        self._signals = h5py.File(file, "r")["signals"]
        self._labels = _labels(url)

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of arrays."""
        for batch_rows in batches_of(rows):
            signals = np.stack([self._signals[row] for row in batch_rows.tolist()])
            yield batch_rows, signals, self._labels[batch_rows]


class FsspecRows(_Rows):
    """With file objects of fsspec."""

    open_file = staticmethod(by_fsspec)


class ObstoreRows(_Rows):
    """With file objects of obstore."""

    open_file = staticmethod(by_obstore)


def _labels(url: str) -> NDArray[Any]:
    """Return all labels."""
    with urllib.request.urlopen(f"{url}/labels.npy") as answer:
        labels: NDArray[Any] = np.load(io.BytesIO(answer.read()))
    return labels
