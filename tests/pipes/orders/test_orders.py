"""Properties of every order: a pure function of the position, described by JSON."""

import itertools
import json
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.pipes import (
    BlockShuffled,
    ClassBalanced,
    Order,
    Repeated,
    Sequential,
    Shuffled,
    Weighted,
)
from tests.pipes.orders.examples import ANY_SEED, EVERY_ORDER, block_labels, orders


@given(orders(), st.integers(0, 2**70), st.data())
def test_an_epoch_is_the_same_however_it_is_cut(
    order: Order, epoch: int, data: Any
) -> None:
    whole = order.indices(epoch, 0, len(order))
    assert whole.dtype == np.int64
    assert whole.shape == (len(order),)
    assert whole.min() >= 0
    assert whole.max() < order.n
    ends = st.lists(st.integers(0, len(order)), max_size=5).map(sorted)
    cuts = [0, *data.draw(ends), len(order)]
    parts = [order.indices(epoch, a, b) for a, b in itertools.pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@EVERY_ORDER
def test_a_position_alone_is_the_same_as_in_the_epoch(order: Order) -> None:
    whole = order.indices(7, 0, len(order))
    alone = [
        int(order.indices(7, position, position + 1)[0])
        for position in range(len(order))
    ]
    assert alone == whole.tolist()


@EVERY_ORDER
def test_epochs_differ_and_can_be_repeated(order: Order) -> None:
    epochs = [order.indices(epoch, 0, len(order)).tolist() for epoch in range(5)]
    n_different = len({tuple(epoch) for epoch in epochs})
    assert n_different == (1 if isinstance(order, Sequential) else 5)
    assert order.indices(3, 0, len(order)).tolist() == epochs[3]


@EVERY_ORDER
def test_an_order_can_be_pickled(order: Order) -> None:
    copy = pickle.loads(pickle.dumps(order))
    assert copy.describe() == order.describe()
    assert copy.n == order.n
    assert len(copy) == len(order)
    expected = order.indices(1, 0, len(order))
    np.testing.assert_array_equal(copy.indices(1, 0, len(order)), expected)


@EVERY_ORDER
def test_a_description_is_small_flat_json(order: Order) -> None:
    text = json.dumps(order.describe())
    assert len(text) < 300
    assert json.loads(text) == order.describe()
    assert all(type(value) in (int, str) for value in order.describe().values())


def test_orders_that_differ_have_different_descriptions() -> None:
    labels = block_labels(20, 4)
    different = [
        Sequential(20),
        Sequential(21),
        Shuffled(20, 0),
        Shuffled(21, 0),
        Shuffled(20, 1),
        Shuffled(20, -1),
        BlockShuffled(20, 0, 4, 2),
        BlockShuffled(20, 0, 2, 4),
        BlockShuffled(20, 1, 4, 2),
        Weighted(np.arange(20), 0),
        Weighted(np.arange(20) + 1, 0),
        Weighted(np.arange(20), 0, n_draws=19),
        Weighted(np.arange(20), 1),
        ClassBalanced(labels, 0),
        ClassBalanced(labels[::-1], 0),
        ClassBalanced(labels, 0, n_draws=19),
        ClassBalanced(labels, 1),
        Repeated(Shuffled(20, 0), 2),
        Repeated(Shuffled(20, 0), 3),
        Repeated(Shuffled(20, 1), 2),
        Repeated(Repeated(Shuffled(20, 0), 2), 2),
    ]
    texts = {json.dumps(order.describe(), sort_keys=True) for order in different}
    assert len(texts) == len(different)


def test_a_description_does_not_depend_on_the_type_of_the_numbers() -> None:
    assert (
        Shuffled(int(np.int16(20)), int(np.uint8(3))).describe()
        == Shuffled(20, 3).describe()
    )
    labels = block_labels(20, 4)
    for same in (labels.astype(bool), labels.astype(np.float32), labels.tolist()):
        assert ClassBalanced(same, 0).describe() == ClassBalanced(labels, 0).describe()
    weights = Weighted([1, 2, 3], 0).describe()
    assert Weighted(np.array([1, 2, 3], ">f8"), 0).describe() == weights


def test_an_order_does_not_change_with_the_arrays_it_was_made_of() -> None:
    weights = np.ones(50)
    labels = block_labels(50, 3)
    for order, values in (
        (Weighted(weights, 0), weights),
        (ClassBalanced(labels, 0), labels),
    ):
        before = order.indices(0, 0, 50).tolist()
        values[:] = 0
        assert order.indices(0, 0, 50).tolist() == before


@given(st.integers(1, 200), ANY_SEED, st.integers(0, 9), st.integers(1, 4), st.data())
def test_shuffled_orders_have_every_index_once(
    n: int, seed: int, epoch: int, times: int, data: Any
) -> None:
    sizes = st.integers(1, n + 2)
    block_shuffled = BlockShuffled(n, seed, data.draw(sizes), data.draw(sizes))
    for order in (Sequential(n), Shuffled(n, seed), block_shuffled):
        assert sorted(order.indices(epoch, 0, n).tolist()) == list(range(n))
        repeated = Repeated(order, times)
        assert len(repeated) == n * times
        passes = repeated.indices(epoch, 0, n * times).reshape(times, n)
        for number, indices in enumerate(passes):
            expected = order.indices(epoch * times + number, 0, n)
            np.testing.assert_array_equal(indices, expected)


def test_orders_of_different_seeds_and_epochs_are_independent() -> None:
    n = 2000
    indices = [
        Shuffled(n, seed).indices(epoch, 0, n)
        for seed in (-1, 0, 1, 2**64, 2**64 + 1)
        for epoch in range(20)
    ]
    same = [int((a == b).sum()) for a, b in itertools.combinations(indices, 2)]
    # Two random permutations agree at 1 index on average, with the variance 1.
    assert abs(np.mean(same) - 1) < 4 / math.sqrt(len(same))
    assert abs(np.var(same) - 1) < 4 * math.sqrt(3 / len(same))


def test_an_order_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Shuffled(9, 0).seed = 1  # type: ignore[misc]
