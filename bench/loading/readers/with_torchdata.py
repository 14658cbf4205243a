"""Load with torchdata's StatefulDataLoader over the tuned h5py Dataset."""

import pickle
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler, Dataset, RandomSampler, SequentialSampler
from torchdata.stateful_dataloader import StatefulDataLoader

from bench.loading.readers.with_h5py import Batches
from bench.loading.workloads import (
    BATCH_SIZE,
    SEED,
    Batch,
    Files,
    Workload,
    rows_of_epoch,
)

# torchdata 0.11, the last release, calls functions that newer torch deprecates.
warnings.filterwarnings("ignore", "'set_vital' is deprecated", UserWarning)


class Selected(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """A selection of the rows of a Dataset of whole batches, numbered from 0."""

    def __init__(self, batches: Batches, rows: NDArray[np.int64]) -> None:
        self._batches = batches
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, positions: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        return self._batches[self._rows[positions].tolist()]


class Stateful:
    """The batches of the tuned DataLoader, with a state to resume from.

    Without worker processes, which make it slower, as they do the DataLoader. The order
    comes from torchdata's samplers, because their position is part of the state.
    """

    def __init__(self, files: Files, workload: Workload) -> None:
        rows = np.sort(rows_of_epoch(files, workload, 0))
        dataset = Selected(Batches(files, workload), rows)
        sampler = (
            RandomSampler(dataset, generator=torch.Generator().manual_seed(SEED))
            if workload.shuffle
            else SequentialSampler(dataset)
        )
        self._loader = StatefulDataLoader(
            dataset,
            batch_size=None,
            sampler=BatchSampler(sampler, BATCH_SIZE, drop_last=False),
        )

    def epoch(self, rows: NDArray[np.int64]) -> Iterable[Batch]:
        """Return the loader at the beginning of an epoch; it draws the order itself."""
        del rows
        batches: Iterable[Batch] = self._loader
        return batches

    def state(self) -> bytes:
        """Return the position in the epoch."""
        return pickle.dumps(self._loader.state_dict())

    def resume(self, state: bytes) -> Iterable[Batch]:
        """Return the rest of the epoch in which a state was taken."""
        self._loader.load_state_dict(pickle.loads(state))
        batches: Iterable[Batch] = self._loader
        return batches
