"""Gradient-boosted trees on a table of features, one ensemble for each class."""

from typing import Any, Final

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from ecgstore.arrays import Float32Array, FloatArray, IntArray, UInt8Array

OPTIONS: Final[dict[str, Any]] = {
    "learning_rate": 0.08,
    "max_iter": 100,
    "max_leaf_nodes": 15,
    "l2_regularization": 1.0,
    "max_features": 0.2,
    "early_stopping": False,
}
"""Options of scikit-learn's classifier: smaller trees than its defaults, and a part of
the columns tried at each split, as suits hundreds of columns and few positives. Chosen
beforehand, not tuned."""

_MIN_SAMPLES_LEAF: Final = 10
_MIN_LEAVES: Final = 8
"""A leaf has at least 10 records, or an eighth of all records where they are few."""


class Trees:
    """scikit-learn's histogram gradient boosting, which splits on missing values too.

    Parameters
    ----------
    table : ndarray of shape (n_records, n_columns)
        Features of the training records, NaN where missing.
    labels : ndarray of shape (n_records, n_classes)
        1 where a record has a class.
    seed : int
        Seed of the columns that are tried at each split.
    """

    def __init__(self, table: Float32Array, labels: UInt8Array, seed: int) -> None:
        self._rates = labels.mean(axis=0)
        self._columns = _varying(table)
        table = table[:, self._columns]
        min_samples_leaf = max(2, min(_MIN_SAMPLES_LEAF, len(table) // _MIN_LEAVES))
        self._classifiers = [
            None
            if len(np.unique(column)) < 2 or not len(self._columns)
            else HistGradientBoostingClassifier(
                **OPTIONS, min_samples_leaf=min_samples_leaf, random_state=seed
            ).fit(table, column)
            for column in labels.T
        ]

    def probabilities(self, table: Float32Array) -> FloatArray:
        """Return the probability of each class: (n_records, n_classes).

        It is 1 or 0 for a class that all or none of the training records have. If no
        column varied in training, it is the share of training records with the class.
        """
        table = table[:, self._columns]
        columns = [
            np.full(len(table), rate)
            if classifier is None
            else classifier.predict_proba(table)[:, 1]
            for rate, classifier in zip(self._rates, self._classifiers, strict=True)
        ]
        return np.stack(columns, axis=1)


def _varying(table: Float32Array) -> IntArray:
    """Return the columns with two or more values; scikit-learn fails on others."""
    known = ~np.isnan(table)
    lowest = np.where(known, table, np.inf).min(axis=0)
    highest = np.where(known, table, -np.inf).max(axis=0)
    return np.flatnonzero(lowest < highest)
