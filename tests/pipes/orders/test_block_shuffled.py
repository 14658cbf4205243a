"""Shuffling in blocks."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.pipes import BlockShuffled
from tests.pipes.orders.chi_square import deviations, tuple_counts
from tests.pipes.orders.examples import ANY_SEED


@given(st.integers(1, 200), ANY_SEED, st.integers(1, 40), st.integers(1, 9))
def test_a_window_holds_whole_blocks(
    n: int, seed: int, block_size: int, window_blocks: int
) -> None:
    indices = BlockShuffled(n, seed, block_size, window_blocks).indices(0, 0, n)
    n_blocks = -(-n // block_size)
    position = 0
    for first in range(0, n_blocks, window_blocks):
        n_here = min(window_blocks, n_blocks - first)
        size = n_here * block_size
        # The short block, if it is here, makes the window smaller.
        short = n % block_size and n - 1 in indices[position : position + size]
        size -= block_size - n % block_size if short else 0
        window = indices[position : position + size]
        position += size
        blocks = Counter((window // block_size).tolist())
        assert len(blocks) == n_here
        for block, count in blocks.items():
            assert count == min(block_size, n - block * block_size)
    assert position == n


@pytest.mark.parametrize(("block_size", "window_blocks"), [(1, 1), (2, 1), (7, 9)])
def test_few_blocks_are_shuffled_evenly(block_size: int, window_blocks: int) -> None:
    # 3 indices in 3 blocks; in 2 blocks, one of them short; in a single short block.
    n_orders = {1: 6, 2: 4, 7: 6}[block_size]
    orders = Counter(
        tuple(
            BlockShuffled(3, seed, block_size, window_blocks).indices(0, 0, 3).tolist()
        )
        for seed in range(200)
    )
    assert len(orders) == n_orders
    counts = np.array([*orders.values()])
    assert abs(deviations(counts, 200 / n_orders)) < 4


@pytest.mark.parametrize(("block_size", "window_blocks"), [(5, 1), (2, 2)])
def test_windows_are_shuffled_evenly(block_size: int, window_blocks: int) -> None:
    width = block_size * window_blocks
    order = BlockShuffled(width * 5000, 0, block_size, window_blocks)
    windows = order.indices(0, 0, len(order)).reshape(5000, width)
    ranks = np.argsort(windows, axis=1)
    expected = 5000 / math.factorial(width)
    assert abs(deviations(tuple_counts(ranks, width), expected)) < 4


@pytest.mark.parametrize("n", [6 * 1001, 6 * 1000 + 1])
def test_blocks_are_shuffled(n: int) -> None:
    blocks = BlockShuffled(n, 0, 6, 1).indices(0, 0, n)[::6] // 6
    assert abs(np.corrcoef(blocks[:-1], blocks[1:])[0, 1]) < 4 / math.sqrt(1001)
    assert abs(np.corrcoef(blocks, np.arange(len(blocks)))[0, 1]) < 4 / math.sqrt(1001)


def test_the_short_block_stands_anywhere() -> None:
    where = Counter(
        BlockShuffled(7, seed, 2, 1).indices(0, 0, 7).tolist().index(6)
        for seed in range(200)
    )
    assert sorted(where) == [0, 2, 4, 6]
    assert abs(deviations(np.array([*where.values()]), 50.0)) < 4
