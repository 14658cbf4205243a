"""Orders of every class, and strategies that draw them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from ecgstore.arrays import UInt8Array
from ecgstore.pipes import (
    BlockShuffled,
    ClassBalanced,
    Order,
    Repeated,
    Sequential,
    Shuffled,
    Weighted,
)
from ecgstore.pipes.orders.random_numbers import mix
from tests.pipes.orders.plain import MASK_64

ANY_KEY = st.integers(0, MASK_64)

ANY_SEED = st.integers(-(2**70), 2**70)


def block_labels(n: int, n_classes: int) -> UInt8Array:
    """Labels with records in every class, some in several classes and some in none."""
    labels = np.zeros((n, n_classes), np.uint8)
    random = mix(n, np.arange(n * n_classes, dtype=np.uint64)).reshape(n, n_classes)
    labels[random % np.uint64(3) == 0] = 1
    labels[np.arange(n_classes) % n, np.arange(n_classes)] = 1
    return labels


@st.composite
def orders(draw: Callable[[st.SearchStrategy[Any]], Any], n_most: int = 120) -> Order:
    n: int = draw(st.integers(1, n_most))
    seed: int = draw(ANY_SEED)
    n_draws: int | None = draw(st.none() | st.integers(1, 2 * n_most))
    name = draw(
        st.sampled_from(["sequential", "shuffled", "block", "weighted", "class"])
    )
    order: Order
    match name:
        case "sequential":
            order = Sequential(n)
        case "shuffled":
            order = Shuffled(n, seed)
        case "block":
            sizes = st.integers(1, n + 2)
            order = BlockShuffled(n, seed, draw(sizes), draw(sizes))
        case "weighted":
            order = Weighted(np.arange(1, n + 1), seed, n_draws)
        case _:
            labels = block_labels(n, draw(st.integers(1, 7)))
            order = ClassBalanced(labels, seed, n_draws)
    times = draw(st.integers(0, 3))
    return Repeated(order, times) if times else order


EXAMPLES = [
    Sequential(300),
    Shuffled(300, seed=-1),
    BlockShuffled(300, seed=2, block_size=16, window_blocks=4),
    Weighted(np.arange(300), seed=3, n_draws=200),
    ClassBalanced(block_labels(300, 5), seed=4, n_draws=400),
    Repeated(Shuffled(300, seed=5), times=3),
]

EVERY_ORDER = pytest.mark.parametrize(
    "order", EXAMPLES, ids=lambda order: order.describe()["order"]
)
