"""Batches of ranks partition an epoch, with any batch size and number of ranks."""

import itertools

import pytest
from hypothesis import given, strategies as st

from ecgstore.pipes import Order
from ecgstore.pipes.orders.ranks import n_batches, next_batch, rank_slice
from tests.pipes.orders.examples import orders


def take(
    order: Order,
    batch_size: int,
    world_size: int,
    drop_last: bool,
    begin: int = 0,
    most: int | None = None,
) -> list[list[list[int]]]:
    """Take an epoch, or `most` batches of it: indices by batch and rank."""
    batches: list[list[list[int]]] = []
    while most is None or len(batches) < most:
        n = next_batch(len(order) - begin, batch_size, world_size, drop_last)
        if not n:
            break
        indices = order.indices(0, begin, begin + n)
        parts = [rank_slice(n, rank, world_size) for rank in range(world_size)]
        batches.append([indices[part].tolist() for part in parts])
        begin += n
    return batches


def flat(batches: list[list[list[int]]]) -> list[int]:
    return [index for batch in batches for part in batch for index in part]


BATCH = st.integers(1, 9)

WORLD = st.integers(1, 6)


@given(orders(n_most=60), BATCH, WORLD, st.booleans())
def test_ranks_share_the_epoch_of_one_process(
    order: Order, batch_size: int, world_size: int, drop_last: bool
) -> None:
    batches = take(order, batch_size, world_size, drop_last)
    whole = order.indices(0, 0, len(order)).tolist()
    taken = flat(batches)
    assert taken == whole[: len(taken)]
    size = batch_size * world_size
    n_lost = len(whole) - len(taken)
    assert n_lost == (len(whole) % size if drop_last else 0)
    alone = take(order, size, 1, drop_last)
    if drop_last or not 0 < len(whole) % size < world_size:
        together = [[[*itertools.chain(*parts)]] for parts in batches]
        assert together == alone
    assert (
        len(batches)
        == len(alone)
        == n_batches(len(whole), batch_size, world_size, drop_last)
    )
    for number, parts in enumerate(batches):
        sizes = [len(part) for part in parts]
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1
        if number < len(batches) - 2 or drop_last:
            assert sizes == [batch_size] * world_size
        if batch_size > 1 and len(whole) >= world_size:
            assert min(sizes) >= 1


@given(orders(n_most=60), BATCH, WORLD, BATCH, WORLD, st.integers(0, 20), st.booleans())
def test_an_epoch_is_resumed_with_other_batch_sizes_and_ranks(
    order: Order,
    batch_size: int,
    world_size: int,
    later_batch_size: int,
    later_world_size: int,
    most: int,
    drop_last: bool,
) -> None:
    begun = flat(take(order, batch_size, world_size, drop_last, most=most))
    rest = flat(take(order, later_batch_size, later_world_size, drop_last, len(begun)))
    whole = order.indices(0, 0, len(order)).tolist()
    taken = begun + rest
    assert taken == whole[: len(taken)]
    n_lost = len(whole) - len(taken)
    assert n_lost < later_batch_size * later_world_size if drop_last else n_lost == 0


@given(st.integers(0, 3000), BATCH, WORLD, st.booleans())
def test_n_batches_counts_next_batch(
    rest: int, batch_size: int, world_size: int, drop_last: bool
) -> None:
    expected = n_batches(rest, batch_size, world_size, drop_last)
    n_found = 0
    while taken := next_batch(rest, batch_size, world_size, drop_last):
        assert 0 < taken <= min(rest, batch_size * world_size)
        rest -= taken
        n_found += 1
    assert n_found == expected
    assert rest < batch_size * world_size if drop_last else rest == 0


@pytest.mark.parametrize(
    ("rest", "batch_size", "world_size", "sizes"),
    [
        (0, 4, 3, []),
        (24, 4, 3, [12, 12]),
        (25, 4, 3, [12, 9, 4]),
        (26, 4, 3, [12, 9, 5]),
        (27, 4, 3, [12, 12, 3]),
        (13, 4, 3, [9, 4]),
        (2, 4, 3, [2]),
        (7, 2, 3, [3, 4]),
        (7, 1, 3, [3, 3, 1]),
        (5, 4, 1, [4, 1]),
    ],
)
def test_the_last_batches_have_the_expected_sizes(
    rest: int, batch_size: int, world_size: int, sizes: list[int]
) -> None:
    batches = []
    while taken := next_batch(rest, batch_size, world_size, drop_last=False):
        batches.append(taken)
        rest -= taken
    assert batches == sizes


@given(st.integers(0, 2**50), st.integers(1, 50))
def test_parts_follow_one_another_and_are_equal_but_for_one(
    n: int, world_size: int
) -> None:
    parts = [rank_slice(n, rank, world_size) for rank in range(world_size)]
    assert parts[0].start == 0
    assert parts[-1].stop == n
    assert all(a.stop == b.start for a, b in itertools.pairwise(parts))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1
