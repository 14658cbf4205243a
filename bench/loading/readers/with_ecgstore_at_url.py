"""Stream with `ecgstore.pipes.loader` and `Store.signals`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import ecgstore
from bench.loading.workloads import BATCH_SIZE, SEED, Batch, Files, batches_of
from ecgstore.pipes import loader


class Cached:
    """The loader with ``shuffle=True``, and a cache on the disk."""

    def __init__(self, files: Files, url: str, cache: str) -> None:
        self._loader = loader(
            self._open(files, url, cache),
            batch_size=BATCH_SIZE,
            shuffle=True,
            seed=SEED,
            dtype="int16",
        )

    @staticmethod
    def _open(files: Files, url: str, cache: str) -> ecgstore.Store:
        """Return the store."""
        return ecgstore.open(f"{url}/{Path(files.store).name}", cache=cache)

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of tensors."""
        del rows
        for batch in self._loader:
            assert batch.labels is not None
            # As all loaders here yield them.
            yield batch.rows, batch.signals, batch.labels.to(torch.uint8)


class Uncached(Cached):
    """The same loader, with nothing on the disk (``cache=None``)."""

    @staticmethod
    def _open(files: Files, url: str, cache: str) -> ecgstore.Store:
        """Return the store."""
        del cache
        return ecgstore.open(f"{url}/{Path(files.store).name}", cache=None)


class Local(Cached):
    """The same loader and order, of the store in a file."""

    def __init__(self, files: Files, url: str, cache: str) -> None:
        del url, cache
        store = ecgstore.open(files.store)
        self._loader = loader(store, BATCH_SIZE, shuffle=True, seed=SEED, dtype="int16")


class Rows:
    """``store.signals(rows)``, batch by batch."""

    def __init__(self, files: Files, url: str, cache: str) -> None:
        name = Path(files.store).name
        self._store = ecgstore.open(f"{url}/{name}", cache=cache)

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[Batch]:
        """Yield batches of arrays."""
        for batch_rows in batches_of(rows):
            yield (
                batch_rows,
                self._store.signals(batch_rows, dtype="int16"),
                self._store.labels(rows=batch_rows, dtype=np.uint8),
            )
