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

# torchdata 0.11, the last release, calls what newer versions of torch deprecate.
warnings.filterwarnings("ignore", "'set_vital' is deprecated", UserWarning)


class Selected(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Some rows of a Dataset of whole batches, numbered from 0."""

    def __init__(self, batches: Batches, rows: NDArray[np.int64]) -> None:
        self._batches = batches
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, places: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        return self._batches[self._rows[places].tolist()]


class Stateful:
    """Whole batches as the tuned DataLoader reads them, and a state to resume from.

    In this process: worker processes make it slower here, as they do the DataLoader.
    Its own samplers know their place, so the order comes from them.
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
        """Return the loader at the beginning of an epoch; it draws its own order."""
        del rows
        batches: Iterable[Batch] = self._loader
        return batches

    def state(self) -> bytes:
        """Return the place in the epoch."""
        return pickle.dumps(self._loader.state_dict())

    def resume(self, state: bytes) -> Iterable[Batch]:
        """Return the rest of the epoch that a state comes from."""
        self._loader.load_state_dict(pickle.loads(state))
        batches: Iterable[Batch] = self._loader
        return batches
