"""Gradient-boosted trees on tables of features."""

import math

import numpy as np
import pytest

from ecgstore.arrays import Float32Array, UInt8Array
from ecgstore.models.tabular.trees import Trees
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


def test_trees_use_values_and_their_absence(
    numbers: tuple[Float32Array, UInt8Array],
) -> None:
    table, labels = numbers
    probabilities = Trees(table[:80], labels[:80], 0).probabilities(table[80:])
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
    first, again, other = (
        Trees(wide, labels, seed).probabilities(wide) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("value", [3.0, N])
def test_trees_without_a_varying_column_return_the_shares(
    numbers: tuple[Float32Array, UInt8Array], value: float
) -> None:
    _, labels = numbers
    table = np.full((120, 2), value, np.float32)
    probabilities = Trees(table, labels, 0).probabilities(table[:3])
    np.testing.assert_allclose(probabilities, [labels.mean(axis=0)] * 3)
