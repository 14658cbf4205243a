"""Folds of the records of a store that keep each patient together."""

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.splits import assign_folds
from ecgstore.storage import Store


def fold_numbers(store: Store, rows: IntArray, n_folds: int) -> IntArray:
    """Return the fold of each row: by patient, balanced in classes and sources."""
    return assign_folds(
        store.labels(rows=rows, dtype=np.uint8),
        store.groups(rows),
        n_folds,
        strata=store.column("source", rows),
    ).astype(np.int64)


def folds_of(store: Store, rows: IntArray, n_folds: int) -> list[IntArray]:
    """Return the rows of each fold of `fold_numbers`, increasing."""
    fold = fold_numbers(store, rows, n_folds)
    return [rows[fold == number] for number in range(n_folds)]
