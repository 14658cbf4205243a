"""What each column of a table adds to the log-odds of trees: Shapley values.

A contribution is the mean, over all orders of the columns, of what learning the value
of the column changes in the log-odds that a tree expects. At a split on a column that
is not known yet, a tree expects the mean of its branches, weighted by the training
records in them: Lundberg et al. 2020, Nat. Mach. Intell. 2:56-67.
"""

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray, Int32Array
from ecgstore.models.explanation._tree_shap_kernels import add_contributions
from ecgstore.models.tabular.forest import LEAF, Forest


def contributions(forest: Forest, table: Float32Array | FloatArray) -> FloatArray:
    """Return what each column adds to the log-odds of each class.

    The contributions of a record and its `expected_log_odds` sum to its log-odds. They
    say what the trees use, not what causes a disease: of two columns that say the same,
    trees may use one or the other.

    Parameters
    ----------
    forest : Forest
        The trees.
    table : ndarray of shape (n_records, n_columns)
        Values of ``forest.columns``, NaN where missing.

    Returns
    -------
    ndarray of shape (n_records, n_classes, n_columns)
        In log-odds; 0 for a column on which no tree of a class splits.
    """
    forest.check_table(table)
    n_records, n_columns = table.shape
    out = np.zeros((n_records, len(forest.label_names), n_columns))
    add_contributions(
        np.ascontiguousarray(table, np.float64),
        forest.feature,
        forest.threshold,
        forest.left,
        forest.missing_left,
        forest.value,
        forest.cover,
        _parents(forest),
        forest.tree_begins,
        forest.class_begins,
        np.empty(n_columns, np.int32),
        np.empty(n_columns),
        np.empty(n_columns),
        np.empty(n_columns + 1),
        out,
    )
    return out


def expected_log_odds(forest: Forest) -> FloatArray:
    """Return the log-odds of each class that the trees expect of an unknown record.

    They are the mean over the training records, and infinite for a class that all or
    none of them have.

    Parameters
    ----------
    forest : Forest
        The trees.

    Returns
    -------
    ndarray of shape (n_classes,)
    """
    sizes = np.diff(forest.tree_begins)
    share = forest.cover / np.repeat(forest.cover[forest.tree_begins[:-1]], sizes)
    is_leaf = forest.feature == LEAF
    class_ends = forest.tree_begins[forest.class_begins[1:]]
    class_of = np.searchsorted(class_ends, np.flatnonzero(is_leaf), side="right")
    means = np.bincount(
        class_of, (forest.value * share)[is_leaf], minlength=len(class_ends)
    )
    expected: FloatArray = forest.baseline + means
    return expected


def _parents(forest: Forest) -> Int32Array:
    """Return the parent of each node, -1 for the first one of a tree."""
    parents = np.full(len(forest.feature), -1, np.int32)
    splits = np.flatnonzero(forest.feature != LEAF)
    for children in (forest.left, forest.right):
        parents[children[splits]] = splits
    return parents
