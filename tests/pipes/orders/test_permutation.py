"""Permutations: their plain definition, and that they are random."""

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.pipes.orders.permutation import MAX_LENGTH, permute
from tests.pipes.orders.chi_square import deviations, permutations, tuple_counts
from tests.pipes.orders.examples import ANY_KEY
from tests.pipes.orders.plain import plain_permute


@given(st.integers(1, 3000), ANY_KEY)
def test_a_permutation_has_every_index_once(n: int, key: int) -> None:
    sent = permute(np.arange(n), n, key)
    assert sorted(sent.tolist()) == list(range(n))
    assert sent.dtype == np.int64


@given(st.data(), st.integers(1, MAX_LENGTH) | st.integers(1, 70), ANY_KEY)
def test_permute_equals_its_plain_definition(data: Any, n: int, key: int) -> None:
    indices = data.draw(st.lists(st.integers(0, n - 1), max_size=9))
    sent = permute(np.array(indices, np.int64), n, key)
    assert sent.tolist() == [plain_permute(index, n, key) for index in indices]


@given(st.lists(st.tuples(st.integers(1, MAX_LENGTH), ANY_KEY), max_size=9), st.data())
def test_each_index_can_have_its_own_permutation(
    lengths_and_keys: list[tuple[int, int]], data: Any
) -> None:
    indices = [data.draw(st.integers(0, n - 1)) for n, _ in lengths_and_keys]
    sent = permute(
        np.array(indices, np.int64),
        np.array([n for n, _ in lengths_and_keys], np.int64),
        np.array([key for _, key in lengths_and_keys], np.uint64),
    )
    pairs = zip(indices, lengths_and_keys, strict=True)
    assert sent.tolist() == [plain_permute(index, n, key) for index, (n, key) in pairs]


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_all_orders_of_few_indices_are_equally_frequent(n: int) -> None:
    n_keys = 200_000
    counts = tuple_counts(permutations(n, n_keys), n)
    assert abs(deviations(counts, n_keys / math.factorial(n))) < 4


@pytest.mark.parametrize(
    ("n", "indices"), [(16, (0, 1, 2)), (16, (0, 4, 8)), (24, (0, 1)), (64, (0, 8))]
)
def test_some_indices_go_to_all_tuples_equally_often(
    n: int, indices: tuple[int, ...]
) -> None:
    n_keys = 100_000
    counts = tuple_counts(permutations(n, n_keys, indices), n)
    assert abs(deviations(counts, n_keys / math.perm(n, len(indices)))) < 4


@pytest.mark.parametrize("n", [10, 100])
def test_every_index_goes_everywhere_equally_often(n: int) -> None:
    n_keys = 100_000 // n * 4
    sent = permutations(n, n_keys)
    counts = np.bincount((sent * n + np.arange(n)).ravel(), minlength=n * n)
    assert abs(deviations(counts, n_keys / n)) < 4


@pytest.mark.parametrize("n", [8, 16, 17])
def test_odd_and_even_permutations_are_equally_frequent(n: int) -> None:
    n_keys = 10_000
    sent = permutations(n, n_keys)
    first, second = np.triu_indices(n, 1)
    inversions = (sent[:, first] > sent[:, second]).sum(axis=1)
    n_odd = int((inversions % 2).sum())
    assert abs(n_odd - n_keys / 2) < 4 * math.sqrt(n_keys) / 2


def test_fixed_points_are_as_frequent_as_by_chance() -> None:
    # Among random permutations, that number has the mean 1 and the variance 1.
    fixed = (permutations(1000, 1000) == np.arange(1000)).sum(axis=1)
    assert abs(fixed.mean() - 1) < 4 / math.sqrt(1000)
    assert abs(fixed.var() - 1) < 4 * math.sqrt(3 / 1000)


@pytest.mark.parametrize("n", [43_101, 2**16, 2**16 + 1])
def test_positions_in_a_large_permutation_are_independent(n: int) -> None:
    indices = np.arange(n)
    for key in range(3):
        sent = permute(indices, n, key)
        part = sent * 50 // n
        joint = np.bincount(part * 50 + indices * 50 // n, minlength=2500)
        assert abs(deviations(joint, n / 2500)) < 5
        for lag in (1, 2, 256, 257):
            pairs = np.bincount(part[:-lag] * 50 + part[lag:], minlength=2500)
            assert abs(deviations(pairs, (n - lag) / 2500)) < 5
            correlation = np.corrcoef(sent[:-lag], sent[lag:])[0, 1]
            assert abs(correlation) < 4.5 / math.sqrt(n)
            steps = ((sent[lag:] - sent[:-lag]) % n) * 100 // n
            step_counts = np.bincount(steps, minlength=100)
            assert abs(deviations(step_counts, (n - lag) / 100)) < 5


def test_indices_of_the_largest_permutation_are_spread_evenly() -> None:
    sent = permute(np.arange(200_000), MAX_LENGTH, key=1)
    assert len(np.unique(sent)) == 200_000
    for shift in (0, 8, 16, 24, 32):
        counts = np.bincount((sent >> shift) & 255, minlength=256)
        assert abs(deviations(counts, 200_000 / 256)) < 4


def test_memory_does_not_depend_on_how_many_indices_there_are() -> None:
    indices = np.arange(4096)
    permute(indices, 4096, 0)
    tracemalloc.start()
    permute(indices, MAX_LENGTH, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
