"""Folds of the records of a store that keep each patient together."""

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.splits import assign_folds
from ecgstore.storage import Store


def folds_of(store: Store, rows: IntArray, n_folds: int) -> list[IntArray]:
    """Split rows into folds by patient, balanced in classes and sources.

    Returns
    -------
    list of ndarray
        The rows of each fold, increasing.
    """
    fold = assign_folds(
        store.labels(rows=rows, dtype=np.uint8),
        store.groups(rows),
        n_folds,
        strata=store.records["source"].to_numpy()[rows],
    )
    return [rows[fold == number] for number in range(n_folds)]
