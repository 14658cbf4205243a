"""Gradient-boosted trees on a table of features, one ensemble for each class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier

from ecgstore.arrays import (
    BoolArray,
    Float32Array,
    Int32Array,
    IntArray,
    UInt8Array,
)
from ecgstore.models.tabular.forest import LEAF, Forest

OPTIONS: Final[dict[str, Any]] = {
    "learning_rate": 0.08,
    "max_iter": 100,
    "max_leaf_nodes": 15,
    "max_bins": 63,
    "l2_regularization": 1.0,
    "max_features": 0.2,
    "early_stopping": False,
}
"""Options of scikit-learn's classifier: smaller trees than its defaults, and a part of
the columns tried at each split, as suits hundreds of columns and few positives. Chosen
beforehand, not tuned; 63 bins instead of 255 take half the time and score the same."""

_MIN_SAMPLES_LEAF: Final = 10
_MIN_LEAVES: Final = 8
"""A leaf has at least 10 records, or an eighth of all records where they are few."""


def fit_forest(
    table: Float32Array,
    columns: Sequence[str],
    labels: UInt8Array,
    label_names: Sequence[str],
    seed: int,
) -> Forest:
    """Train boosted trees, by scikit-learn; they split on missing values too.

    A class that all or none of the records have is certain. If no column varies, the
    log-odds are those of the share of records with the class.

    Parameters
    ----------
    table : ndarray of shape (n_records, n_columns)
        Features of the training records, NaN where missing.
    columns : sequence of str
        Names of the features.
    labels : ndarray of shape (n_records, n_classes)
        1 where a record has a class.
    label_names : sequence of str
        Names of the classes.
    seed : int
        Seed of the columns that are tried at each split.

    Returns
    -------
    Forest
        Its columns are those that the trees split on.
    """
    # scikit-learn computes quantiles, which infinite values have none of.
    table = np.nan_to_num(table, nan=np.nan)
    varying = _varying(table)
    min_samples_leaf = max(2, min(_MIN_SAMPLES_LEAF, len(table) // _MIN_LEAVES))
    classes = [
        _without_trees(column.mean())
        if len(np.unique(column)) < 2 or not len(varying)
        else _trained(
            HistGradientBoostingClassifier(
                **OPTIONS, min_samples_leaf=min_samples_leaf, random_state=seed
            ).fit(table[:, varying], column)
        )
        for column in labels.T
    ]
    return _forest(classes, [columns[place] for place in varying], label_names)


@dataclass(frozen=True, eq=False, slots=True)
class _Class:
    """The trees of one class.

    Attributes
    ----------
    baseline : float
        Log-odds to which the trees add.
    trees : list of ndarray of shape (n_nodes,)
        The nodes of each tree, as scikit-learn stores them.
    """

    baseline: float
    trees: list[NDArray[Any]]


def _without_trees(rate: float) -> _Class:
    """Return a class whose probability is the same for all records."""
    return _Class(float(logit(rate)), [])


def _trained(classifier: HistGradientBoostingClassifier) -> _Class:
    """Return the trees of a trained classifier of two classes.

    Notes
    -----
    scikit-learn has no public way to them: this function, and the names of the fields
    of a node in `_forest`, are all that is taken of its private parts. The tests
    compare the result with its own predictions.
    """
    return _Class(
        classifier._baseline_prediction.item(),
        [predictor.nodes for (predictor,) in classifier._predictors],
    )


def _forest(
    classes: Sequence[_Class], columns: Sequence[str], label_names: Sequence[str]
) -> Forest:
    """Return the trees of all classes as one forest, with the columns that they use."""
    trees = [tree for class_ in classes for tree in class_.trees]
    sizes = [len(tree) for tree in trees]
    begins = _begins(sizes)

    def of_nodes(field: str, type_: str) -> NDArray[Any]:
        """Return a field of all nodes."""
        return np.concatenate(
            [np.empty(0, type_), *(tree[field].astype(type_) for tree in trees)]
        )

    is_leaf = of_nodes("is_leaf", "bool")
    feature = of_nodes("feature_idx", "int64")
    used = np.unique(feature[~is_leaf])
    first: IntArray = np.repeat(begins[:-1], sizes).astype(np.int64)
    return Forest(
        columns=tuple(columns[place] for place in used),
        label_names=tuple(label_names),
        feature=_where_split(is_leaf, np.searchsorted(used, feature)),
        threshold=of_nodes("num_threshold", "float64"),
        left=_where_split(is_leaf, of_nodes("left", "int64") + first),
        right=_where_split(is_leaf, of_nodes("right", "int64") + first),
        missing_left=of_nodes("missing_go_to_left", "bool"),
        value=of_nodes("value", "float64"),
        cover=of_nodes("count", "int32"),
        tree_begins=begins,
        class_begins=_begins([len(class_.trees) for class_ in classes]),
        baseline=np.array([class_.baseline for class_ in classes]),
    )


def _where_split(is_leaf: BoolArray, numbers: IntArray) -> Int32Array:
    """Return numbers of the splits among all nodes, as a forest holds them."""
    return np.where(is_leaf, LEAF, numbers).astype(np.int32)


def _begins(sizes: Sequence[int]) -> Int32Array:
    """Return where each of some groups begins, and where the last one ends."""
    return np.cumsum([0, *sizes]).astype(np.int32)


def _varying(table: Float32Array) -> IntArray:
    """Return the columns with two or more values; scikit-learn fails on others."""
    known = ~np.isnan(table)
    lowest = np.where(known, table, np.inf).min(axis=0)
    highest = np.where(known, table, -np.inf).max(axis=0)
    return np.flatnonzero(lowest < highest)
