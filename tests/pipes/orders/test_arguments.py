"""Wrong arguments of orders, ranks and measures are refused."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ecgstore.pipes import (
    BlockShuffled,
    ClassBalanced,
    Repeated,
    Sequential,
    Shuffled,
    Weighted,
)
from ecgstore.pipes.orders.permutation import MAX_LENGTH
from ecgstore.pipes.orders.ranks import n_batches, next_batch, rank_slice
from ecgstore.pipes.orders.seeds import record_seeds
from ecgstore.pipes.orders.shuffle_quality import mixing


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequential(0), "n is 0; expected 1 to"),
        (lambda: Shuffled(-3, 0), "n is -3"),
        (lambda: Shuffled(MAX_LENGTH + 1, 0), "n is 1099511627777"),
        (lambda: BlockShuffled(9, 0, 0, 1), "block_size is 0"),
        (lambda: BlockShuffled(9, 0, 1, 0), "window_blocks is 0"),
        (lambda: Repeated(Sequential(9), 0), "times is 0"),
        (lambda: Weighted([], 0), r"weights have shape \(0,\)"),
        (lambda: Weighted([[1.0]], 0), r"weights have shape \(1, 1\)"),
        (
            lambda: Weighted([1, -1], 0),
            r"weights\[1\] is -1.0; expected finite",
        ),
        (lambda: Weighted([math.nan, 1], 0), r"weights\[0\] is nan"),
        (lambda: Weighted([1, 1, math.inf], 0), r"weights\[2\] is inf"),
        (lambda: Weighted([0, 0], 0), "all weights are 0"),
        (lambda: Weighted([1], 0, n_draws=0), "n_draws is 0"),
        (lambda: ClassBalanced([1, 0], 0), r"labels have shape \(2,\)"),
        (lambda: ClassBalanced(np.ones((0, 3)), 0), r"labels have shape \(0, 3\)"),
        (lambda: ClassBalanced([[2, 0]], 0), "values other than 0 and 1"),
        (lambda: ClassBalanced([[0.5, 0]], 0), "labels have values other"),
        (lambda: ClassBalanced([[0, 0]], 0), "no record is in any class"),
        (lambda: ClassBalanced([[1]], 0, n_draws=-1), "n_draws is -1"),
        (lambda: Sequential(9).indices(-1, 0, 1), "epoch is -1"),
        (lambda: Sequential(9).indices(0, -1, 1), "positions -1 to 1"),
        (lambda: Sequential(9).indices(0, 3, 2), "positions 3 to 2"),
        (
            lambda: Sequential(9).indices(0, 3, 10),
            "positions 3 to 10; expected at most 9",
        ),
        (lambda: record_seeds(0, -1, 0, 1), "epoch is -1; expected 0 or more"),
        (lambda: record_seeds(0, 0, 2, 1), "positions 2 to 1"),
        (lambda: rank_slice(-1, 0, 1), "n is -1"),
        (lambda: rank_slice(1, 0, 0), "world_size is 0"),
        (lambda: rank_slice(1, 2, 2), "rank is 2; expected 0 to 1"),
        (lambda: rank_slice(1, -1, 2), "rank is -1"),
        (lambda: next_batch(-1, 1, 1, False), "rest is -1"),
        (lambda: next_batch(1, 0, 1, False), "batch_size is 0"),
        (lambda: n_batches(1, 1, 0, False), "world_size is 0; expected 1 or more"),
        (lambda: mixing(Sequential(9), 1), "batch_size is 1; expected 2 to 9"),
        (lambda: mixing(Sequential(9), 10), "batch_size is 10"),
        (lambda: mixing(Weighted([1, 1, 1], 0, 99), 4), "batch_size is 4"),
        (lambda: mixing(Sequential(9), 3, groups=[1, 2]), r"groups have shape \(2,\)"),
        (lambda: mixing(Sequential(9), 3, groups=["a"] * 9), "all records are in one"),
    ],
)
def test_wrong_numbers_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


WRONG: Any = 2.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequential(WRONG), "n is 2.5; expected an integer"),
        (lambda: Shuffled(9, WRONG), "seed is 2.5"),
        (lambda: BlockShuffled(9, 0, 1, WRONG), "window_blocks is 2.5"),
        (lambda: Weighted([1], WRONG), "seed is 2.5; expected an integer"),
        (lambda: ClassBalanced([[1]], 0, n_draws=WRONG), "n_draws is 2.5"),
        (lambda: Repeated(WRONG, 2), "order is 2.5; expected an Order"),
        (lambda: Repeated(Sequential(9), WRONG), "times is 2.5"),
        (lambda: next_batch(9, WRONG, 1, False), "batch_size is 2.5"),
        (lambda: rank_slice(9, 0, WRONG), "world_size is 2.5"),
    ],
)
def test_wrong_types_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()
