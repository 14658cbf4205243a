"""Gradient-boosted trees on tables of features."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier

from ecgstore.arrays import Float32Array, FloatArray, UInt8Array
from ecgstore.models.tabular import trees
from ecgstore.models.tabular.forest import Forest
from ecgstore.models.tabular.trees import fit_forest
from ecgstore.scores.multilabel import auroc

N = math.nan


@pytest.fixture(scope="module")
def numbers() -> tuple[Float32Array, UInt8Array]:
    """Return a table with all cases, and labels; the first two follow from it."""
    generator = np.random.default_rng(0)
    table = generator.normal(size=(120, 5)).astype(np.float32)
    table[:, 1] = 3.0
    table[:, 2] = N
    table[::3, 3] = N
    table[1:, 4] = N
    labels = np.zeros((120, 4), np.uint8)
    labels[:, 0] = table[:, 0] > 0
    labels[:, 1] = np.isnan(table[:, 3])
    labels[:, 3] = 1
    return table, labels


def trained(table: Float32Array, labels: UInt8Array, seed: int = 0) -> Forest:
    """Return trees of columns c0, c1, ... and classes k0, k1, ..."""
    columns, label_names = (
        [f"{letter}{number}" for number in range(array.shape[1])]
        for letter, array in (("c", table), ("k", labels))
    )
    return fit_forest(table, columns, labels, label_names, seed)


def predicted(
    table: Float32Array, labels: UInt8Array, other: Float32Array, seed: int = 0
) -> FloatArray:
    """Return the probabilities of other records by trees on a table."""
    forest = trained(table, labels, seed)
    columns = [f"c{number}" for number in range(table.shape[1])]
    probabilities: FloatArray = expit(forest.log_odds(other[:, forest.places(columns)]))
    return probabilities


def test_trees_use_values_and_their_absence(
    numbers: tuple[Float32Array, UInt8Array],
) -> None:
    table, labels = numbers
    probabilities = predicted(table[:80], labels[:80], table[80:])
    assert probabilities.shape == (40, 4)
    assert (auroc(labels[80:, :2], probabilities[:, :2]) > 0.95).all()
    assert (probabilities[:, 2] == 0).all()
    assert (probabilities[:, 3] == 1).all()


def test_trees_are_a_function_of_their_seed(
    numbers: tuple[Float32Array, UInt8Array],
) -> None:
    table, labels = numbers
    # Columns are drawn for each split, and there are enough of them for that.
    wide = np.concatenate([table, np.roll(table, 7, axis=0), table[::-1]], axis=1)
    first, again, other = (predicted(wide, labels, wide, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("value", [3.0, N])
def test_trees_without_a_varying_column_return_the_shares(
    numbers: tuple[Float32Array, UInt8Array], value: float
) -> None:
    _, labels = numbers
    table = np.full((120, 2), value, np.float32)
    probabilities = predicted(table, labels, table[:3])
    np.testing.assert_allclose(probabilities, [labels.mean(axis=0)] * 3)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_records=st.integers(2, 200),
    n_columns=st.integers(1, 12),
    share_missing=st.sampled_from([0.0, 0.2, 0.9]),
    n_values=st.sampled_from([2, 5, 1000]),
)
def test_probabilities_have_the_bits_of_scikit_learn(
    seed: int, n_records: int, n_columns: int, share_missing: float, n_values: int
) -> None:
    """Also for tables with constants, with infinities, and of few records."""
    generator = np.random.default_rng(seed)
    table, other = (
        some_table(generator, (n, n_columns), n_values, share_missing)
        for n in (n_records, 50)
    )
    other[generator.random(other.shape) < 0.1] = -np.inf
    labels = generator.integers(0, 2, (n_records, 3)).astype(np.uint8)
    labels[:, 1] = np.nan_to_num(table[:, 0]) > 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(trees.OPTIONS, "max_iter", 4)
        probabilities = predicted(table, labels, other, seed)
        expected = of_scikit_learn(table, labels, seed, other)
    assert np.array_equal(probabilities, expected)


def some_table(
    generator: np.random.Generator,
    shape: tuple[int, int],
    n_values: int,
    share_missing: float,
) -> Float32Array:
    """Return a table whose first columns vary, the others by chance."""
    table = (generator.integers(0, n_values, shape) / 4).astype(np.float32)
    table[:, generator.random(shape[1]) < 0.1] = 1
    table[generator.random(shape) < 0.02] = np.inf
    table[generator.random(shape) < share_missing] = N
    return table


def of_scikit_learn(
    table: Float32Array, labels: UInt8Array, seed: int, other: Float32Array
) -> FloatArray:
    """Return what scikit-learn predicts for another table."""
    table = np.nan_to_num(table, nan=np.nan)
    varies = [len(np.unique(column[~np.isnan(column)])) > 1 for column in table.T]
    expected = np.empty((len(other), labels.shape[1]))
    for number, column in enumerate(labels.T):
        if len(np.unique(column)) < 2:
            expected[:, number] = column[0]
        elif not any(varies):
            expected[:, number] = expit(logit(column.mean()))
        else:
            classifier = HistGradientBoostingClassifier(
                **trees.OPTIONS,
                min_samples_leaf=max(2, min(10, len(table) // 8)),
                random_state=seed,
            ).fit(table[:, varies], column)
            expected[:, number] = classifier.predict_proba(other[:, varies])[:, 1]
    return expected


def test_a_forest_takes_the_columns_that_its_trees_split_on(
    numbers: tuple[Float32Array, UInt8Array],
) -> None:
    table, labels = numbers
    forest = trained(table, labels)
    assert forest.columns == ("c0", "c3")
    assert forest.label_names == ("k0", "k1", "k2", "k3")
    assert forest.baseline[2:].tolist() == [-np.inf, np.inf]
    assert np.diff(forest.class_begins).tolist() == [100, 100, 0, 0]
