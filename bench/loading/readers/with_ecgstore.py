"""Load with `ecgstore.pipes.loader`."""

import json
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

import ecgstore
from bench.loading.workloads import BATCH_SIZE, FOLD, SEED, Batch, Files, Workload
from ecgstore.pipes import BlockShuffled, Order, loader

BLOCK_SIZE, WINDOW_BLOCKS = 64, 16
"""Rows in a block (7.7 MB), and blocks whose rows are shuffled together."""


class Ecgstore:
    """`ecgstore.pipes.loader` of the store; it draws the order itself."""

    def __init__(self, files: Files, workload: Workload) -> None:
        store = ecgstore.open(files.store)
        order = self._order(len(store))
        self._loader = loader(
            store.select(folds=[FOLD]) if workload.selected else store,
            batch_size=BATCH_SIZE,
            shuffle=workload.shuffle and order is None,
            seed=SEED,
            order=order,
            fields=("signals", "labels"),
            dtype=workload.dtype,
            leads=["II"] if workload.one_lead else None,
            window=(0, 1000) if workload.one_lead else None,
            drop_last=False,
        )

    def _order(self, n_rows: int) -> Order | None:
        """Return the order, None for that of the workload."""

    def epoch(self, rows: NDArray[np.int64]) -> Iterable[Batch]:
        """Return the batches of the next epoch."""
        del rows
        return self._batches()

    def state(self) -> bytes:
        """Return the position in the epoch."""
        return json.dumps(self._loader.state_dict()).encode()

    def resume(self, state: bytes) -> Iterable[Batch]:
        """Return the rest of the epoch in which a state was taken."""
        self._loader.load_state_dict(json.loads(state))
        return self._batches()

    def _batches(self) -> Iterator[Batch]:
        """Yield the rest of the epoch."""
        for batch in self._loader:
            assert batch.labels is not None
            # As all loaders here yield them.
            yield batch.rows, batch.signals, batch.labels.to(torch.uint8)


class Blocks(Ecgstore):
    """The same loader, shuffled in blocks; for all rows in random order only."""

    def _order(self, n_rows: int) -> Order:
        """Return the order in blocks."""
        return block_order(n_rows)


def block_order(n_rows: int) -> Order:
    """Return a random order that reads blocks of neighbouring rows."""
    return BlockShuffled(n_rows, SEED, BLOCK_SIZE, WINDOW_BLOCKS)
