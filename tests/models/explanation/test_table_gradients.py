"""The columns of a small network add what its logit differs from the mean record's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from ecgstore.arrays import Float32Array
from ecgstore.models.explanation.table_gradients import table_gradients
from ecgstore.models.tabular.classifiers import NetworkOnTable
from ecgstore.models.tabular.mean_network import MeanNetwork

COLUMNS = ("a", "b", "c", "d")
pytestmark = pytest.mark.usefixtures("one_thread")


def table_of(seed: int) -> Float32Array:
    """Return records whose columns b and d have missing values."""
    generator = np.random.default_rng(seed)
    table = generator.normal([5, -2, 0, 1], [2, 1, 0.1, 3], (50, 4)).astype(np.float32)
    table[::3, 1] = np.nan
    table[::5, 3] = np.nan
    return table


def classifier(seed: int) -> NetworkOnTable:
    torch.manual_seed(seed)
    network = MeanNetwork.untrained(["handcrafted"], len(COLUMNS), 3)
    network.table_input.fit(table_of(seed))
    network.train()
    with torch.no_grad():
        for _ in range(5):  # statistics of the batch normalisation
            network(torch.from_numpy(table_of(seed)))
    return NetworkOnTable(network.eval(), COLUMNS)


@settings(max_examples=10)
@given(seed=st.integers(0, 99), place=st.integers(0, 2))
def test_they_sum_to_the_logit(seed: int, place: int) -> None:
    small, table = classifier(seed), table_of(seed)
    means = np.nanmean(table.astype(np.float64), axis=0).astype(np.float32)
    of_means = small.logits(means[None])[0, place]
    for row in table[:8]:
        found = table_gradients(small, row, place)
        assert found.logit == pytest.approx(small.logits(row[None])[0, place], abs=1e-5)
        assert found.baseline_logit == pytest.approx(of_means, abs=1e-4)
        change = abs(found.logit - found.baseline_logit)
        assert abs(found.error) <= 0.001 * max(1.0, change)


def test_a_column_of_the_mean_adds_nothing_and_a_missing_one_does() -> None:
    small, table = classifier(0), table_of(0)
    row = np.nanmean(table.astype(np.float64), axis=0).astype(np.float32)
    np.testing.assert_allclose(table_gradients(small, row, 0).values, 0, atol=1e-5)
    row[[0, 1]] = np.nan  # of these, only b was missing in training
    of_a, of_b, *others = table_gradients(small, row, 0).values
    assert (of_a, *others) == pytest.approx((0, 0, 0), abs=1e-5)
    assert abs(of_b) > 1e-4


def test_a_linear_network_is_explained_exactly() -> None:
    small, row = classifier(1), table_of(1)[0]
    heads = [nn.Linear(2 * len(COLUMNS), 3) for _ in small.network.networks]
    for network, head in zip(small.network.networks, heads, strict=True):
        network.layers, network.head = nn.Sequential(), head
    weights = torch.stack([head.weight[2] for head in heads]).mean(0).detach().double()
    inputs = small.network.table_input(torch.from_numpy(row)[None])[0].double()
    expected = (weights * inputs).reshape(2, -1).sum(0)
    assert np.isnan(row[1])
    found = table_gradients(small, row, 2)
    np.testing.assert_allclose(found.values, expected.numpy(), atol=1e-6)


def test_rows_of_other_columns_are_refused() -> None:
    with pytest.raises(ValueError, match=r"row has shape \(3,\); expected \(4,\)"):
        table_gradients(classifier(0), table_of(0)[0, :3], 0)
