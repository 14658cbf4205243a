"""Contributions of columns equal the definition of Shapley, and sum to the log-odds."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.models.explanation.tree_shap import contributions, expected_log_odds
from ecgstore.models.tabular import trees
from ecgstore.models.tabular.forest import LEAF, Forest
from ecgstore.models.tabular.trees import fit_forest
from tests.models.tabular.random_forests import grown, values


def expected(
    forest: Forest, node: int, row: Float32Array, known: tuple[int, ...]
) -> float:
    """Return what a tree expects from a node on, if some columns are known."""
    column, children = forest.feature[node], (forest.left[node], forest.right[node])
    if column == LEAF:
        return float(forest.value[node])
    if column in known:
        x = row[column]
        is_left = (
            forest.missing_left[node] if np.isnan(x) else x <= forest.threshold[node]
        )
        return expected(forest, children[0 if is_left else 1], row, known)
    return float(
        sum(
            forest.cover[child]
            / forest.cover[node]
            * expected(forest, child, row, known)
            for child in children
        )
    )


def shapley(forest: Forest, class_: int, row: Float32Array) -> list[float]:
    """Return the contributions of the columns to a class, by their definition."""
    n = len(forest.columns)
    first, last = forest.class_begins[class_ : class_ + 2]
    roots: IntArray = forest.tree_begins[first:last].astype(np.int64)

    def value(known: tuple[int, ...]) -> float:
        return sum(expected(forest, root, row, known) for root in roots)

    of_columns = []
    for column in range(n):
        others = [other for other in range(n) if other != column]
        of_columns.append(
            sum(
                (value((*known, column)) - value(known)) / n / math.comb(n - 1, size)
                for size in range(n)
                for known in combinations(others, size)
            )
        )
    return of_columns


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_columns=st.integers(1, 4))
def test_they_equal_the_definition(seed: int, n_columns: int) -> None:
    generator = np.random.default_rng(seed)
    forest = grown(generator, n_columns)
    table = values(generator, n_columns)[:3]
    found = contributions(forest, table)
    for (record, class_), _ in np.ndenumerate(found[..., 0]):
        np.testing.assert_allclose(
            found[record, class_], shapley(forest, class_, table[record]), atol=1e-12
        )


def assert_sums(forest: Forest, table: Float32Array) -> None:
    """Check that contributions and expected values sum to the log-odds."""
    found = contributions(forest, table)
    assert found.shape == (len(table), len(forest.label_names), len(forest.columns))
    sums = found.sum(axis=-1) + expected_log_odds(forest)
    np.testing.assert_allclose(sums, forest.log_odds(table), rtol=1e-9, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_columns=st.integers(1, 12))
def test_they_sum_to_the_log_odds_and_are_0_where_no_tree_splits(
    seed: int, n_columns: int
) -> None:
    generator = np.random.default_rng(seed)
    forest, table = grown(generator, n_columns), values(generator, n_columns)
    assert_sums(forest, table)
    found = contributions(forest, table)
    assert np.array_equal(contributions(forest, np.asfortranarray(table)), found)
    for class_ in range(3):
        first, last = forest.tree_begins[forest.class_begins[class_ : class_ + 2]]
        unused = np.setdiff1d(np.arange(n_columns), forest.feature[first:last])
        assert not found[:, class_, unused].any()


@pytest.fixture(scope="module")
def trained() -> tuple[Forest, Float32Array]:
    """Return trees, one class of which is constant, and their training table."""
    generator = np.random.default_rng(0)
    table = generator.normal(size=(300, 6)).astype(np.float32)
    labels = np.stack(
        [table[:, 0] > 0, np.zeros(300), table[:, 1] * table[:, 2] > 0], axis=1
    )
    table[::3, 1] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(trees.OPTIONS, "max_features", 1.0)
        fitted = fit_forest(table, "uvwxyz", labels.astype(np.uint8), "abc", 0)
    return fitted, table


def test_those_of_trained_trees_sum_too(
    trained: tuple[Forest, Float32Array],
) -> None:
    forest, table = trained
    assert forest.columns == tuple("uvwxyz")
    assert_sums(forest, table)
    found = contributions(forest, table)
    assert expected_log_odds(forest)[1] == -np.inf
    assert not found[:, 1].any()
    importance: FloatArray = np.abs(found).mean(axis=0)
    assert importance[0].argmax() == 0
    assert sorted(importance[2].argsort()[-2:]) == [1, 2]


def test_the_expected_value_is_the_mean_over_the_training_records(
    trained: tuple[Forest, Float32Array],
) -> None:
    forest, table = trained
    means = forest.log_odds(table).mean(axis=0)
    np.testing.assert_allclose(expected_log_odds(forest), means, rtol=1e-9)


def test_tables_of_other_columns_are_refused(
    trained: tuple[Forest, Float32Array],
) -> None:
    forest, table = trained
    with pytest.raises(ValueError, match=r"expected \(n_records, 6\)"):
        contributions(forest, table[:, :5])
