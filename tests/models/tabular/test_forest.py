"""Forests are checked before they are walked, and walked as defined."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.errors import SchemaError
from ecgstore.models.tabular.forest import LEAF, TYPES, Forest
from tests.models.tabular.random_forests import grown, values

N = math.nan
INF = math.inf


def forest(**changes: Any) -> Forest:
    """Return two trees of class a, one of b and none of c, with some arrays changed."""
    fields: dict[str, list[Any]] = {
        "feature": [0, LEAF, 1, LEAF, LEAF, LEAF, 2, LEAF, LEAF],
        "threshold": [0.5, 0, INF, 0, 0, 0, -2, 0, 0],
        "left": [1, LEAF, 3, LEAF, LEAF, LEAF, 7, LEAF, LEAF],
        "right": [2, LEAF, 4, LEAF, LEAF, LEAF, 8, LEAF, LEAF],
        "missing_left": [1, 0, 0, 0, 0, 0, 0, 0, 0],
        "value": [0, 1, 0, 2, 4, 0.25, 0, -1, 3],
        "cover": [10, 4, 6, 1, 5, 10, 10, 7, 3],
        "tree_begins": [0, 5, 6, 9],
        "class_begins": [0, 2, 3, 3],
        "baseline": [10, 20, -INF],
    }
    arrays = {name: np.array(fields[name], type_) for name, type_ in TYPES.items()}
    names = {"columns": ("x", "y", "z"), "label_names": ("a", "b", "c")}
    return Forest(**{**names, **arrays, **changes})


def test_a_record_goes_left_up_to_the_threshold_and_as_the_split_says_if_missing() -> (
    None
):
    table = np.array(
        [[0.5, N, -2], [N, N, N], [0.75, 0, -INF], [INF, INF, INF], [1, N, -1.5]],
        np.float32,
    )
    expected = [[1, -1], [1, 3], [2, -1], [2, 3], [4, 3]]
    log_odds = forest().log_odds(table)
    assert np.array_equal(log_odds[:, :2], np.add(expected, [10.25, 20]))
    assert (log_odds[:, 2] == -INF).all()
    assert forest().log_odds(table[:0]).shape == (0, 3)


def test_tables_of_other_columns_are_refused() -> None:
    for shape in ((5, 2), (5, 4), (3,)):
        with pytest.raises(ValueError, match=r"expected \(n_records, 3\)"):
            forest().log_odds(np.zeros(shape))


def test_columns_are_found_by_name() -> None:
    assert forest().places(["z", "age", "x", "y"]).tolist() == [2, 3, 0]
    with pytest.raises(SchemaError, match=r"no column 'x' \(2 of 3 are missing\)"):
        forest().places(["z"])
    with pytest.raises(SchemaError, match="two columns of one name"):
        forest().places(["z", "x", "y", "x"])


def test_what_was_checked_cannot_be_changed() -> None:
    left = forest().left.copy()
    made = forest(left=left)
    left[0] = 100
    assert made.left[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        made.left[0] = 100


REFUSED: dict[str, list[Any]] = {
    "feature": [[3], [-2], [LEAF]],
    "left": [[0], [-1], [2], [3], [5], [9], [2**31 - 1], [-(2**31)]],
    "right": [[0], [-1], [1], [4], [5], [9], [2**31 - 1], [-(2**31)]],
    "threshold": [[N]],
    "value": [[N], [INF]],
    "cover": [[9], [10, 10, 0], [10, 11, -1], [2**31 - 1, 2**31 - 1]],
    "tree_begins": [
        [1],
        [0, 0],
        [0, 9],
        [0, 6, 5],
        [0, 5, 6, 8],
        [0, 5, 6, 10],
        [0, 2**31 - 1, -10],
    ],
    "class_begins": [[1], [0, 3, 2], [0, 4], [0, -1], [0, 2, 3, 4]],
    "baseline": [[N], [INF], [0, 0, N]],
}


@pytest.mark.parametrize(
    ("name", "begin"),
    [(name, begin) for name, begins in REFUSED.items() for begin in begins],
)
def test_arrays_that_cannot_be_walked_are_refused(name: str, begin: list[Any]) -> None:
    changed = getattr(forest(), name).copy()
    changed[: len(begin)] = begin
    with pytest.raises(SchemaError, match=r" of the trees is not usable; expected "):
        forest(**{name: changed})


@pytest.mark.parametrize("name", TYPES)
def test_arrays_of_other_types_and_sizes_are_refused(name: str) -> None:
    array = getattr(forest(), name)
    other = np.float32 if array.dtype != np.float32 else np.float64
    for changed in (
        array.astype(other),
        array[np.newaxis],
        np.zeros(len(array), ">i4"),
    ):
        with pytest.raises(SchemaError, match=f"{name} is .* of one dimension"):
            forest(**{name: changed})
    for changed in (array[:0], array[:-1], np.append(array, array[-1:])):
        with pytest.raises(SchemaError, match=r"is not usable"):
            forest(**{name: changed})


@pytest.mark.parametrize(
    "names", [["x", "y", "z"], ("x", "y", "x"), ("x", "y", 3), (["x"], "y", "z"), None]
)
def test_names_that_are_none_or_not_unique_are_refused(names: Any) -> None:
    with pytest.raises(SchemaError, match=r"names of the columns are .* texts"):
        forest(columns=names)
    with pytest.raises(SchemaError, match=r"names of the classes are .* texts"):
        forest(label_names=names)


def walked(forest: Forest, table: Float32Array) -> FloatArray:
    """Return the log-odds by their definition."""
    log_odds = np.empty((len(table), len(forest.baseline)))
    for (row, class_), _ in np.ndenumerate(log_odds):
        total = forest.baseline[class_]
        for tree in range(*forest.class_begins[class_ : class_ + 2]):
            node = forest.tree_begins[tree]
            while forest.feature[node] != LEAF:
                x = table[row, forest.feature[node]]
                is_left = x <= forest.threshold[node]
                if np.isnan(x):
                    is_left = forest.missing_left[node]
                node = (forest.left if is_left else forest.right)[node]
            total = total + forest.value[node]
        log_odds[row, class_] = total
    return log_odds


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_columns=st.integers(1, 4))
def test_the_kernel_equals_its_definition(seed: int, n_columns: int) -> None:
    generator = np.random.default_rng(seed)
    forest, table = grown(generator, n_columns), values(generator, n_columns)
    expected = walked(forest, table)
    assert np.array_equal(forest.log_odds(table), expected)
    assert np.array_equal(forest.log_odds(np.asfortranarray(table)), expected)
    assert np.array_equal(forest.log_odds(table.astype(np.float64)), expected)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_changed_indices_are_refused_or_can_be_walked(seed: int) -> None:
    """The definition raises an IndexError outside the arrays, the kernel does not."""
    generator = np.random.default_rng(seed)
    forest = grown(generator, 3)
    arrays: dict[str, Any] = {n: array.copy() for n, array in forest.arrays.items()}
    for _ in range(generator.integers(1, 4)):
        changed = arrays[
            generator.choice(
                ["feature", "left", "right", "tree_begins", "class_begins"]
            )
        ]
        if len(changed):
            place = generator.integers(len(changed))
            near, far = int(changed[place] + generator.integers(-2, 3)), 2**31 - 1
            changed[place] = far if generator.random() < 0.1 else min(near, far)
    try:
        forest = replace(forest, **arrays)
    except SchemaError:
        return
    table = values(generator, 3)
    assert np.array_equal(forest.log_odds(table), walked(forest, table))


def chain(n_splits: int) -> Forest:
    """Return a tree whose left children are leaves, one level deeper each time."""
    n_nodes = 2 * n_splits + 1
    nodes = np.arange(n_nodes)
    is_split = nodes[:-1] % 2 == 0
    is_split = np.append(is_split, False)
    arrays: dict[str, Any] = {
        "feature": np.where(is_split, 0, LEAF),
        "threshold": np.zeros(n_nodes),
        "left": np.where(is_split, nodes + 1, LEAF),
        "right": np.where(is_split, nodes + 2, LEAF),
        "missing_left": np.zeros(n_nodes),
        "value": np.zeros(n_nodes),
        "cover": np.where(nodes % 2 == 0, n_splits + 1 - nodes // 2, 1),
        "tree_begins": [0, n_nodes],
        "class_begins": [0, 1],
        "baseline": [0],
    }
    typed = {name: np.array(arrays[name], type_) for name, type_ in TYPES.items()}
    return Forest(columns=("x",), label_names=("a",), **typed)


def test_deep_trees_are_refused() -> None:
    assert len(chain(63).left) == 127
    with pytest.raises(SchemaError, match="at most 64 levels"):
        chain(64)
