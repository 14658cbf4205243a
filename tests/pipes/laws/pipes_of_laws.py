"""Orders, nodes and loaders of few records, on which the laws are tested."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torchdata.nodes import BaseNode

from ecgstore import pipes
from ecgstore.pipes.batch import Batch, RowBatch
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.orders.order import Order
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection

N_ROWS = 11

FEW_LEADS = ("II", "V5")

EVERYTHING = ("signals", "labels", "features", "fiducials", "r_peaks", "age", "dx")


def labels_of(selection: Selection) -> Any:
    """Labels of the classes that have records."""
    values = selection.store.labels(rows=selection.rows)
    return values[:, values.any(axis=0)]


ORDERS: dict[str, Callable[[Selection], Order]] = {
    "sequential": lambda some: pipes.Sequential(len(some)),
    "shuffled": lambda some: pipes.Shuffled(len(some), seed=3),
    "blocks": lambda some: pipes.BlockShuffled(len(some), 3, 2, 2),
    "weighted": lambda some: pipes.Weighted(np.arange(len(some)), 3, n_draws=9),
    "balanced": lambda some: pipes.ClassBalanced(labels_of(some), seed=3),
    "repeated": lambda some: pipes.Repeated(pipes.Shuffled(len(some), 3), 2),
}


def rows_node(few: Selection, batch_size: int = 3, **options: Any) -> pipes.Rows:
    return pipes.Rows(few, pipes.Shuffled(len(few), 5), batch_size, **options)


def read_node(
    few: Selection, fields: Any = EVERYTHING, **options: Any
) -> BaseNode[Batch]:
    reader = pipes.RecordReader(few.store, fields, **options)
    return pipes.Read(rows_node(few), reader)


def make_loader(few: Selection, batch_size: int = 3, **options: Any) -> Loader:
    options = {"shuffle": True, "seed": 7, "leads": FEW_LEADS, **options}
    return pipes.loader(few, batch_size, **options)


def described(batch: Batch) -> Batch:
    """A batch with a column that depends on every number of the batch."""
    return batch.replace(columns={**batch.columns, "digest": [digest(batch)]})


def backwards(batch: RowBatch) -> RowBatch:
    return RowBatch(batch.rows[::-1], batch.seeds[::-1])
