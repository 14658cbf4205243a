"""Random numbers and orders never change, because saved states rely on them."""

import numpy as np
import pytest

from ecgstore.pipes import (
    BlockShuffled,
    ClassBalanced,
    Order,
    Repeated,
    Shuffled,
    Weighted,
)
from ecgstore.pipes.orders.permutation import permute
from ecgstore.pipes.orders.random_numbers import key_of, mix
from ecgstore.pipes.orders.seeds import record_seeds


def test_random_numbers_never_change() -> None:
    assert key_of(1, -2, 2**70) == 5094301268654368032
    assert mix(2**63, np.arange(3, dtype=np.uint64)).tolist() == [
        11415417373668893201,
        11921126147695158767,
        6605331815057776490,
    ]
    assert record_seeds(7, 1, 4, 7).tolist() == [
        14045267715048373088,
        5344359268531615809,
        792867092938377465,
    ]


@pytest.mark.parametrize(
    ("n", "key", "expected"),
    [
        (3, 5, [2, 1, 0]),
        (10, 0, [5, 9, 3, 8, 1, 2, 7, 0, 6, 4]),
        (17, 18446744073709551615, [11, 3, 7, 1, 8, 12, 10, 6, 14, 4]),
        (43101, 1, [4455, 4016, 34518, 10728, 35079, 37170, 23694, 36533, 1267, 36308]),
        (2**40, 12, [348232773757, 452133660132, 501022718536, 627325572788]),
    ],
)
def test_permutations_never_change(n: int, key: int, expected: list[int]) -> None:
    assert permute(np.arange(len(expected)), n, key).tolist() == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Shuffled(10, seed=0), [9, 2, 3, 6, 1, 8, 7, 5, 0, 4]),
        (Shuffled(10, seed=-(2**70)), [7, 3, 6, 2, 1, 0, 8, 9, 5, 4]),
        (
            BlockShuffled(11, seed=1, block_size=3, window_blocks=2),
            [7, 6, 8, 3, 4, 5, 1, 10, 9, 2],
        ),
        (Weighted([1, 2, 3, 4], seed=2, n_draws=10), [0, 2, 3, 2, 2, 1, 1, 3, 3, 1]),
        (
            ClassBalanced([[1, 0], [1, 1], [0, 1], [1, 0], [0, 0]], seed=3, n_draws=10),
            [0, 2, 1, 1, 2, 3, 1, 3, 0, 2],
        ),
        (Repeated(Shuffled(5, seed=4), times=2), [4, 1, 2, 3, 0, 1, 4, 2, 3, 0]),
    ],
)
def test_orders_never_change(order: Order, expected: list[int]) -> None:
    assert order.indices(3, 0, 10).tolist() == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Shuffled(10, seed=0), {"order": "shuffled", "n": 10, "seed": 0}),
        (
            Shuffled(10, seed=-(2**70)),
            {"order": "shuffled", "n": 10, "seed": -1180591620717411303424},
        ),
        (
            BlockShuffled(11, seed=1, block_size=3, window_blocks=2),
            {
                "order": "block_shuffled",
                "n": 11,
                "seed": 1,
                "block_size": 3,
                "window_blocks": 2,
            },
        ),
        (
            Weighted([1, 2, 3, 4], seed=2, n_draws=10),
            {
                "order": "weighted",
                "n": 4,
                "seed": 2,
                "n_draws": 10,
                "weights": "e08ce85a6ba601d5228e7cb1000e348e",
            },
        ),
        (
            ClassBalanced([[1, 0], [1, 1], [0, 1], [1, 0], [0, 0]], seed=3, n_draws=10),
            {
                "order": "class_balanced",
                "n": 5,
                "seed": 3,
                "n_draws": 10,
                "labels": "bd21d2c56153eba7abc004fe037cd983",
            },
        ),
        (
            Repeated(Shuffled(5, seed=4), times=2),
            {
                "order": "repeated",
                "times": 2,
                "pass_order": "shuffled",
                "pass_n": 5,
                "pass_seed": 4,
            },
        ),
    ],
)
def test_descriptions_never_change(
    order: Order, expected: dict[str, int | str]
) -> None:
    assert order.describe() == expected
