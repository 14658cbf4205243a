"""Cross-fitting: logits of records that the classifiers were not trained on.

The training records are divided into inner folds. For each inner fold every classifier
is trained on the other inner folds; its logits for the held-out inner fold are what
weights, calibration and thresholds are fitted to. Then it is trained once more on all
training records: that is the classifier which is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.errors import ConfigError, counted
from ecgstore.models.patients import folds_of
from ecgstore.storage import Store

_N_VALIDATION_FOLDS: Final = 6
"""One sixth of an extractor's records are its validation records."""


@dataclass(frozen=True, eq=False, slots=True)
class InnerFold:
    """The records of one training.

    Attributes
    ----------
    training, validation : ndarray of int64
        Rows to train on, and rows for early stopping.
    held_out : ndarray of int64
        Training rows that are not seen: none in the training on all.
    """

    training: IntArray
    validation: IntArray
    held_out: IntArray

    @property
    def seen(self) -> IntArray:
        """Rows to train on and rows for early stopping, increasing."""
        return np.union1d(self.training, self.validation)


def inner_folds(store: Store, rows: IntArray, n_folds: int) -> list[InnerFold]:
    """Divide training records, no patient into two parts; the last fold has them all.

    Parameters
    ----------
    store : Store
        The records.
    rows : ndarray of int64
        The training records, increasing.
    n_folds : int
        Number of folds with held-out records.

    Returns
    -------
    list of InnerFold
        `n_folds` folds, whose held-out records are all records, and one without any.

    Raises
    ------
    ConfigError
        If there are fewer patients than folds, so that one would hold out no record.
    """
    of_folds = folds_of(store, rows, n_folds)
    if not all(map(len, of_folds)):
        n_patients = len(np.unique(store.groups(rows)))
        raise ConfigError(
            f"option n_inner_folds is {n_folds}, and the {len(rows)} training records "
            f"of {store.place} are of {counted(n_patients, 'patient')}; expected a "
            "patient for every inner fold: give fewer inner folds, or a larger store"
        )
    nobody = np.empty(0, np.int64)
    return [_fold(store, rows, held_out) for held_out in (*of_folds, nobody)]


def _fold(store: Store, rows: IntArray, held_out: IntArray) -> InnerFold:
    """Return a fold with validation records among those that are seen."""
    seen = np.setdiff1d(rows, held_out)
    validation = folds_of(store, seen, _N_VALIDATION_FOLDS)[0]
    return InnerFold(np.setdiff1d(seen, validation), validation, held_out)


def fold_of_rows(rows: IntArray, folds: Sequence[InnerFold]) -> IntArray:
    """Return the number of the fold that holds each row out."""
    numbers = np.empty(len(rows), np.int64)
    for number, fold in enumerate(folds):
        numbers[np.searchsorted(rows, fold.held_out)] = number
    return numbers
