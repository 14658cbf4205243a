"""Records drawn by weights and by classes."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.pipes import ClassBalanced, Weighted
from tests.pipes.orders.chi_square import deviations, tuple_counts
from tests.pipes.orders.examples import ANY_SEED
from tests.pipes.orders.plain import MASK_64


def test_weighted_draws_are_as_frequent_as_their_weights() -> None:
    weights = np.array([1.0, 0.0, 2.0, 0.5, 0.0, 4.0, 8.0, 0.0])
    order = Weighted(weights, seed=0, n_draws=100_000)
    counts = np.bincount(order.indices(0, 0, len(order)), minlength=8)
    assert not counts[weights == 0].any()
    expected = 100_000 * weights / weights.sum()
    drawn = weights > 0
    assert abs(deviations(counts[drawn], expected[drawn])) < 4


@given(st.lists(st.sampled_from([0.0, 5e-324, 1e-300, 1.0, 3.0, 1.7e308]), min_size=1))
def test_weights_of_any_size_draw_no_index_without_weight(weights: list[float]) -> None:
    if not any(weights):
        return
    indices = Weighted(weights, seed=0, n_draws=300).indices(0, 0, 300)
    assert all(weights[index] > 0 for index in indices)


def test_the_smallest_and_the_largest_random_number_draw_indices_with_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = np.array([0, MASK_64], np.uint64)
    monkeypatch.setattr(
        "ecgstore.pipes.orders.weighted.mix", lambda key, positions: numbers
    )
    for weights in ([0, 0, 1, 0, 3, 0], [0, 0, 1e308, 0, 1e308, 0]):
        assert Weighted(weights, seed=0).indices(0, 0, 2).tolist() == [2, 4]


def test_scaling_all_weights_changes_nothing() -> None:
    weights = np.arange(100.0)
    expected = Weighted(weights, seed=1).indices(0, 0, 100)
    for factor in (2.0**-1000, 2.0**1000):
        scaled = Weighted(weights * factor, seed=1)
        np.testing.assert_array_equal(scaled.indices(0, 0, 100), expected)


@given(
    st.integers(1, 60),
    st.integers(1, 8),
    ANY_SEED,
    st.integers(0, 9),
    st.integers(1, 400),
)
def test_classes_come_in_turn_and_draw_all_their_records(
    n: int, n_classes: int, seed: int, epoch: int, n_draws: int
) -> None:
    # Every record has at most one class, for which it was drawn.
    class_of = (np.arange(n) * 7) % (n_classes + 1)
    labels = class_of[:, np.newaxis] == np.arange(n_classes)
    if not labels.any():
        return
    if labels.any(axis=0).all():
        order = ClassBalanced(labels, seed, n_draws)
    else:
        with pytest.warns(UserWarning, match="no record is in class"):
            order = ClassBalanced(labels, seed, n_draws)
    indices = order.indices(epoch, 0, n_draws)
    present = set(class_of.tolist()) - {n_classes}
    for begin in range(0, n_draws, len(present)):
        turn = class_of[indices[begin : begin + len(present)]].tolist()
        assert len(set(turn)) == len(turn)
        assert set(turn) <= present
    for label in present:
        members = np.flatnonzero(class_of == label)
        drawn = indices[class_of[indices] == label]
        for begin in range(0, len(drawn), len(members)):
            one_pass = drawn[begin : begin + len(members)].tolist()
            assert len(set(one_pass)) == len(one_pass)


def test_a_record_of_several_classes_is_drawn_for_each() -> None:
    labels = [[1, 1, 0], [0, 0, 1], [0, 0, 0]]
    indices = ClassBalanced(labels, seed=0, n_draws=300).indices(0, 0, 300)
    assert np.bincount(indices, minlength=3).tolist() == [200, 100, 0]


def test_turns_and_passes_of_classes_are_shuffled_evenly() -> None:
    order = ClassBalanced(np.eye(4), seed=0, n_draws=4 * 5000)
    turns = order.indices(0, 0, len(order)).reshape(-1, 4)
    assert abs(deviations(tuple_counts(turns, 4), 5000 / 24)) < 4
    order = ClassBalanced(np.ones((4, 1)), seed=0, n_draws=4 * 5000)
    passes = order.indices(0, 0, len(order)).reshape(-1, 4)
    assert abs(deviations(tuple_counts(passes, 4), 5000 / 24)) < 4


def test_classes_without_a_record_are_left_out_with_a_warning() -> None:
    labels = np.zeros((4, 5), np.uint8)
    labels[:, 1] = labels[2:, 4] = 1
    with pytest.warns(UserWarning, match="class 0, 2, 3 .*never drawn") as caught:
        order = ClassBalanced(labels, seed=0, n_draws=10)
    assert caught[0].filename == __file__
    indices = order.indices(0, 0, 10).reshape(5, 2)
    assert (indices.max(axis=1) >= 2).all()
