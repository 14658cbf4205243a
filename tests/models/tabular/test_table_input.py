"""The input layer of networks on tables: standardised columns, missing indicators."""

import math

import numpy as np
import torch
from hypothesis import given, settings, strategies as st

from ecgstore.models.tabular.table_input import TableInput

N = math.nan


def fitted(table: list[list[float]]) -> TableInput:
    table_input = TableInput(len(table[0]))
    table_input.fit(np.array(table, np.float32))
    return table_input


@settings(max_examples=30, deadline=None)
@given(data=st.data(), seed=st.integers(0, 999), n_columns=st.integers(1, 4))
def test_columns_are_standardised(
    data: st.DataObject, seed: int, n_columns: int
) -> None:
    generator = np.random.default_rng(seed)
    table = generator.normal(3, 2, (20, n_columns)).astype(np.float32)
    may_miss = np.array(data.draw(st.lists(st.booleans(), min_size=4, max_size=4)))
    missing = (generator.random(table.shape) < 0.3) & may_miss[:n_columns]
    table[missing] = N
    table_input = TableInput(n_columns)
    table_input.fit(table)
    outputs = table_input(torch.from_numpy(table)).numpy()
    assert outputs.shape == (20, table_input.n_outputs)
    values, indicators = outputs[:, :n_columns], outputs[:, n_columns:]
    known = ~missing
    mean, sd = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    expected = np.clip((table - mean) / sd, -5, 5)
    np.testing.assert_allclose(values[known], expected[known], atol=1e-5)
    assert not values[missing].any()
    assert np.array_equal(indicators, missing.astype(np.float32))


def test_only_columns_with_missing_training_values_have_indicators() -> None:
    table_input = fitted([[1, N], [3, 5], [5, 7]])
    outputs = table_input(torch.tensor([[N, N], [3.0, 6.0]]))
    assert outputs.tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]


def test_constant_and_empty_columns_are_always_0() -> None:
    table_input = fitted([[0.1, N, 1e7, 0], [0.1, N, 1e7 + 1, 0], [N, N, 1e7, 0]])
    outputs = table_input(torch.tensor([[3.0, -8.0, 1e8, 1e30], [N, math.inf, N, N]]))
    assert outputs[:, :4].tolist() == [[0, 0, 0, 0]] * 2
    assert outputs[:, 4:].tolist() == [[0, 0, 0, 0], [1, 0, 0, 0]]
    assert torch.isfinite(outputs).all()


def test_outliers_are_clipped_at_5_standard_deviations() -> None:
    table_input = fitted([[-1.0], [1.0]])
    outputs = table_input(torch.tensor([[4.0], [7.0], [-1e30], [math.inf]]))
    assert outputs[:, 0].tolist() == [4.0, 5.0, -5.0, 5.0]


def test_fitted_values_are_in_the_state_dict() -> None:
    table_input, other = fitted([[1.0, N], [3.0, 2.0]]), TableInput(2)
    other.load_state_dict(table_input.state_dict())
    table = torch.tensor([[2.5, N]])
    assert torch.equal(other(table), table_input(table))
    assert not list(table_input.parameters())
