"""Trees for several classes as plain arrays, checked before they are walked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import (
    BoolArray,
    Float32Array,
    FloatArray,
    Int32Array,
    IntArray,
)
from ecgstore.errors import SchemaError, short_repr
from ecgstore.models.tabular._forest_kernels import write_log_odds

LEAF: Final = -1
"""Feature and children of a leaf."""

TYPES: Final[dict[str, type[np.generic]]] = {
    "feature": np.int32,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "missing_left": np.bool_,
    "value": np.float64,
    "cover": np.int32,
    "tree_begins": np.int32,
    "class_begins": np.int32,
    "baseline": np.float64,
}
"""Types of the arrays of a `Forest`."""

_OF_NODES: Final = (
    "feature",
    "threshold",
    "left",
    "right",
    "missing_left",
    "value",
    "cover",
)
_MOST_NAMES: Final = 2**16
_MOST_NODES: Final = 2**23
_MOST_LEVELS: Final = 64
"""Bounds of what a file may claim; real forests have some thousands of nodes, at most
15 levels deep. Explanations take a time that grows with the depth."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Forest:
    """The trees of all classes, each of which adds to the log-odds of its class.

    A record begins at the first node of a tree. At a split it goes left if its value is
    at most the threshold, or if it is missing and the split sends missing values left;
    else it goes right. It ends at a leaf, whose value is added.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns of the tables that it takes.
    label_names : tuple of str
        Names of the classes.
    feature : ndarray of shape (n_nodes,)
        int32: the column that a split compares, `LEAF` for a leaf.
    threshold : ndarray of shape (n_nodes,)
        float64; infinity where missing values are split from all others.
    left, right : ndarray of shape (n_nodes,)
        int32: numbers of the children, which are behind their parent and in the same
        tree; `LEAF` for a leaf. Every node but the first of a tree is one child.
    missing_left : ndarray of shape (n_nodes,)
        bool: whether missing values go left.
    value : ndarray of shape (n_nodes,)
        float64: what a leaf adds to the log-odds.
    cover : ndarray of shape (n_nodes,)
        int32: training records that reached the node; those of a split are those of its
        children together.
    tree_begins : ndarray of shape (n_trees + 1,)
        int32: first node of each tree, and the number of nodes.
    class_begins : ndarray of shape (n_classes + 1,)
        int32: first tree of each class, and the number of trees.
    baseline : ndarray of shape (n_classes,)
        float64: log-odds to which the trees add. Infinite for a class that all or none
        of the training records have, which has no trees.

    Raises
    ------
    SchemaError
        If a walk would leave the arrays or not end, or a number is none. Arrays are
        copied, and the copies cannot be changed, so that this stays checked.
    """

    columns: tuple[str, ...]
    label_names: tuple[str, ...]
    feature: Int32Array
    threshold: FloatArray
    left: Int32Array
    right: Int32Array
    missing_left: BoolArray
    value: FloatArray
    cover: Int32Array
    tree_begins: Int32Array
    class_begins: Int32Array
    baseline: FloatArray

    def __post_init__(self) -> None:
        for name in TYPES:
            copy = np.array(getattr(self, name), order="C")
            copy.setflags(write=False)
            object.__setattr__(self, name, copy)
        self._check()

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return {name: getattr(self, name) for name in TYPES}

    def places(self, columns: Sequence[str]) -> IntArray:
        """Return where the columns of the forest are in a table.

        Parameters
        ----------
        columns : sequence of str
            Names of the columns of the table.

        Raises
        ------
        SchemaError
            If the table lacks one of them, or has two of one name.
        """
        places = {name: place for place, name in enumerate(columns)}
        if len(places) < len(columns):
            raise SchemaError("the table has two columns of one name; expected names")
        missing = [name for name in self.columns if name not in places]
        if missing:
            raise SchemaError(
                f"the table has no column {short_repr(missing[0])} ({len(missing)} of "
                f"{len(self.columns)} are missing); expected the columns that the "
                "trees were trained on: compute them with the same version of ecgstore"
            )
        return np.array([places[name] for name in self.columns], np.int64)

    def check_table(self, table: Float32Array | FloatArray) -> None:
        """Raise a `ValueError` if a table has another number of columns."""
        if table.ndim != 2 or table.shape[1] != len(self.columns):
            raise ValueError(
                f"table is of shape {table.shape}; expected (n_records, "
                f"{len(self.columns)}), with the columns of the trees"
            )

    def log_odds(self, table: Float32Array | FloatArray) -> FloatArray:
        """Return the log-odds of each class: (n_records, n_classes).

        Parameters
        ----------
        table : ndarray of shape (n_records, n_columns)
            Values of `columns`, NaN where missing.
        """
        self.check_table(table)
        out = np.empty((len(table), len(self.label_names)))
        values = np.ascontiguousarray(table, np.float64)
        write_log_odds(
            values,
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.missing_left,
            self.value,
            self.tree_begins,
            self.class_begins,
            self.baseline,
            out,
        )
        return out

    def _check(self) -> None:
        """Refuse what would make a walk leave the arrays or not end."""
        for what, names in (("columns", self.columns), ("classes", self.label_names)):
            _check_names(what, names)
        for name, type_ in TYPES.items():
            array = getattr(self, name)
            if array.dtype != type_ or array.ndim != 1:
                raise SchemaError(
                    f"{name} is {array.dtype} of shape {array.shape}; expected "
                    f"{type_.__name__} of one dimension"
                )
        n_nodes, n_classes = len(self.feature), len(self.label_names)
        _require("feature", n_nodes <= _MOST_NODES, f"at most {_MOST_NODES} nodes")
        for name in _OF_NODES:
            equal = len(getattr(self, name)) == n_nodes
            _require(name, equal, f"{n_nodes} values, as many as nodes")
        _require("baseline", len(self.baseline) == n_classes, "a value for each class")
        _check_begins("tree_begins", self.tree_begins, 1, n_nodes)
        n_trees = len(self.tree_begins) - 1
        _check_begins("class_begins", self.class_begins, 0, n_trees)
        is_right = len(self.class_begins) == n_classes + 1
        _require("class_begins", is_right, "an entry for each class, and one more")
        self._check_nodes()
        has_trees = np.diff(self.class_begins) > 0
        is_usable = np.where(
            has_trees, np.isfinite(self.baseline), ~np.isnan(self.baseline)
        )
        _require("baseline", is_usable.all(), "numbers, finite for classes with trees")

    def _check_nodes(self) -> None:
        """Refuse splits and leaves that are not as their description says."""
        is_leaf = self.feature == LEAF
        in_table = (self.feature >= 0) & (self.feature < len(self.columns))
        _require(
            "feature",
            (is_leaf | in_table).all(),
            f"numbers of the {len(self.columns)} columns, or {LEAF} for a leaf",
        )
        nodes = np.arange(len(self.feature))
        ends = np.repeat(self.tree_begins[1:], np.diff(self.tree_begins))
        for name in ("left", "right"):
            child = getattr(self, name)
            is_behind = (child > nodes) & (child < ends)
            _require(
                name,
                np.where(is_leaf, child == LEAF, is_behind).all(),
                f"nodes behind their parents, in the same tree, and {LEAF} for a leaf",
            )
        is_child = np.ones(len(nodes), np.int64)
        is_child[self.tree_begins[:-1]] = 0
        children = np.concatenate([self.left[~is_leaf], self.right[~is_leaf]])
        times = np.bincount(children, minlength=len(nodes))
        expected = "every node but the first of a tree once among all children"
        _require("left or right", np.array_equal(times, is_child), expected)
        level = self.tree_begins[:-1]
        for _ in range(_MOST_LEVELS):
            level = level[~is_leaf[level]]
            level = np.concatenate([self.left[level], self.right[level]])
        _require("left or right", not len(level), f"at most {_MOST_LEVELS} levels")
        of_children = np.add(self.cover[self.left], self.cover[self.right], dtype=int)
        is_sum = is_leaf | (self.cover == of_children)
        expected = "positive numbers, of a split those of its children together"
        _require("cover", ((self.cover > 0) & is_sum).all(), expected)
        _require("threshold", not np.isnan(self.threshold).any(), "numbers")
        _require("value", np.isfinite(self.value).all(), "finite numbers")


def _require(name: str, is_right: bool | np.bool_, expected: str) -> None:
    """Refuse an array that is not as expected."""
    if not is_right:
        raise SchemaError(f"{name} of the trees is not usable; expected {expected}")


def _check_names(what: str, names: Sequence[str]) -> None:
    """Refuse names of columns or classes that are none, too many or not unique."""
    if (
        type(names) is not tuple
        or not all(type(name) is str for name in names)
        or len(set(names)) < len(names)
        or len(names) > _MOST_NAMES
    ):
        raise SchemaError(
            f"names of the {what} are {short_repr(names)}; expected a tuple of at most "
            f"{_MOST_NAMES} different texts"
        )


def _check_begins(name: str, begins: Int32Array, least: int, n: int) -> None:
    """Refuse begins that do not divide `n` things into groups of a least size."""
    # In 64 bits, in which differences cannot overflow.
    steps = np.diff(begins.astype(np.int64))
    is_whole = len(begins) > 0 and begins[0] == 0 and begins[-1] == n
    is_right = is_whole and (steps >= least).all()
    _require(name, is_right, f"ascending numbers from 0 to {n}")
