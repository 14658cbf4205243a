"""Orders: random enough, the same for ever, and nothing lost or taken twice."""

import itertools
import json
import math
import pickle
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.arrays import FloatArray, IntArray, UInt8Array
from ecgstore.pipes import (
    BlockShuffled,
    ClassBalanced,
    Order,
    Repeated,
    Sequential,
    Shuffled,
    Weighted,
)
from ecgstore.pipes.orders.permutation import MAX_LENGTH as MAX_PLACES, permute
from ecgstore.pipes.orders.random_numbers import key_of, mix
from ecgstore.pipes.orders.ranks import n_batches, next_batch, rank_slice as share
from ecgstore.pipes.orders.seeds import record_seeds as seeds
from ecgstore.pipes.orders.shuffle_quality import mixing

MASK_32 = 2**32 - 1
MASK_64 = 2**64 - 1
ANY_KEY = st.integers(0, MASK_64)
ANY_SEED = st.integers(-(2**70), 2**70)


def deviations(counts: IntArray, expected: float | FloatArray) -> float:
    """How many standard deviations chi-square is above or below its mean."""
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    freedom = counts.size - 1
    return (chi_square - freedom) / math.sqrt(2 * freedom)


def permutations(n: int, n_keys: int, places: Iterable[int] | None = None) -> IntArray:
    """Where permutations of many keys send all or some places: (n_keys, n_places)."""
    asked = np.array(list(range(n) if places is None else places))
    keys = np.repeat(np.arange(n_keys, dtype=np.uint64), len(asked))
    return permute(np.tile(asked, n_keys), n, keys).reshape(n_keys, len(asked))


def tuple_counts(rows: IntArray, n: int) -> IntArray:
    """How often each of the tuples without repetition occurs among the rows."""
    width = rows.shape[1]
    codes = rows @ (n ** np.arange(width))
    counts = np.bincount(codes, minlength=n**width)
    possible = [
        sum(place * n**each for each, place in enumerate(places))
        for places in itertools.permutations(range(n), width)
    ]
    assert counts.sum() == counts[possible].sum()
    return counts[possible]


# Random numbers: a plain version of the definition, in Python's integers.


def finalised(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK_64
    return z ^ (z >> 31)


def splitmix64(seed: int, number: int) -> int:
    return finalised((seed + (number + 1) * 0x9E3779B97F4A7C15) & MASK_64)


def plain_mix(key: int, number: int) -> int:
    return finalised((splitmix64(0, number) + finalised(key)) & MASK_64)


def plain_permute(place: int, n: int, key: int) -> int:
    bits = max(n.bit_length() // 2, 2)
    modulus = max(-(-n // 2**bits), 4)
    modulus += modulus % 2
    mixed = plain_mix(key, 0)

    def random(half: int, number: int) -> int:
        z = half ^ ((mixed + number * (mixed >> 32)) & MASK_32)
        z = z * 0x85EBCA6B & MASK_32
        return (z ^ (z >> 15)) * 0xC2B2AE35 & MASK_32

    while True:
        high, low = divmod(place, 2**bits)
        for number in range(0, 12, 2):
            low ^= random(high, number) >> (32 - bits)
            high = (high + (random(low, number + 1) * modulus >> 32)) % modulus
        place = high * 2**bits + low
        if place < n:
            return place


def test_plain_splitmix64_is_the_published_one() -> None:
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [splitmix64(1234567, number) for number in range(5)] == published


@given(ANY_KEY, st.lists(st.integers(0, MASK_64), min_size=1, max_size=9))
def test_mix_is_its_plain_definition(key: int, numbers: list[int]) -> None:
    mixed = mix(key, np.array(numbers, np.uint64))
    assert mixed.tolist() == [plain_mix(key, number) for number in numbers]


def test_mix_takes_a_key_for_each_number_and_changes_neither() -> None:
    keys = np.array([3, MASK_64, 5], np.uint64)
    numbers = np.array([7, 7, MASK_64], np.uint64)
    expected = [plain_mix(3, 7), plain_mix(MASK_64, 7), plain_mix(5, MASK_64)]
    assert mix(keys, numbers).tolist() == expected
    assert keys.tolist() == [3, MASK_64, 5]
    assert numbers.tolist() == [7, 7, MASK_64]


@pytest.mark.parametrize("changed", ["key", "number"])
def test_one_bit_of_key_or_number_changes_every_bit_with_even_chance(
    changed: str,
) -> None:
    numbers = np.arange(4000, dtype=np.uint64)
    for bit in range(64):
        if changed == "key":
            difference = mix(9, numbers) ^ mix(9 ^ (1 << bit), numbers)
        else:
            difference = mix(9, numbers) ^ mix(9, numbers ^ np.uint64(1 << bit))
        bits = (
            difference[:, np.newaxis] >> np.arange(64, dtype=np.uint64)
        ) & np.uint64(1)
        chance = bits.mean(axis=0)
        assert abs(chance - 0.5).max() < 5 * 0.5 / math.sqrt(4000)


def test_key_depends_on_every_part_and_on_where_it_ends() -> None:
    parts: list[tuple[int, ...]] = [
        *itertools.product((-1, 0, 1, 2**64, -(2**64), 10**30), repeat=2),
        *((number,) for number in range(-300, 300)),
        (),
        (1, 23),
        (12, 3),
        (0, 0, 0),
        (10**6000,),
    ]
    keys = {key_of(*each) for each in parts}
    assert len(keys) == len(parts)
    assert all(0 <= key <= MASK_64 for key in keys)
    assert key_of(1) == key_of(True) == key_of(int(np.int8(1)))


# Permutations.


@given(st.integers(1, 3000), ANY_KEY)
def test_a_permutation_has_every_place_once(n: int, key: int) -> None:
    sent = permute(np.arange(n), n, key)
    assert sorted(sent.tolist()) == list(range(n))
    assert sent.dtype == np.int64


@given(st.data(), st.integers(1, MAX_PLACES) | st.integers(1, 70), ANY_KEY)
def test_permute_is_its_plain_definition(data: Any, n: int, key: int) -> None:
    places = data.draw(st.lists(st.integers(0, n - 1), max_size=9))
    sent = permute(np.array(places, np.int64), n, key)
    assert sent.tolist() == [plain_permute(place, n, key) for place in places]


@given(st.lists(st.tuples(st.integers(1, MAX_PLACES), ANY_KEY), max_size=9), st.data())
def test_each_place_can_have_its_own_permutation(
    each: list[tuple[int, int]], data: Any
) -> None:
    places = [data.draw(st.integers(0, n - 1)) for n, _ in each]
    sent = permute(
        np.array(places, np.int64),
        np.array([n for n, _ in each], np.int64),
        np.array([key for _, key in each], np.uint64),
    )
    pairs = zip(places, each, strict=True)
    assert sent.tolist() == [plain_permute(place, n, key) for place, (n, key) in pairs]


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_all_orders_of_few_places_are_equally_frequent(n: int) -> None:
    n_keys = 200_000
    counts = tuple_counts(permutations(n, n_keys), n)
    assert abs(deviations(counts, n_keys / math.factorial(n))) < 4


@pytest.mark.parametrize(
    ("n", "places"), [(16, (0, 1, 2)), (16, (0, 4, 8)), (24, (0, 1)), (64, (0, 8))]
)
def test_some_places_go_to_all_tuples_equally_often(
    n: int, places: tuple[int, ...]
) -> None:
    n_keys = 100_000
    counts = tuple_counts(permutations(n, n_keys, places), n)
    assert abs(deviations(counts, n_keys / math.perm(n, len(places)))) < 4


@pytest.mark.parametrize("n", [10, 100])
def test_every_place_goes_everywhere_equally_often(n: int) -> None:
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


def test_as_many_places_stay_where_they_are_as_by_chance() -> None:
    # Among random permutations, that number has the mean 1 and the variance 1.
    fixed = (permutations(1000, 1000) == np.arange(1000)).sum(axis=1)
    assert abs(fixed.mean() - 1) < 4 / math.sqrt(1000)
    assert abs(fixed.var() - 1) < 4 * math.sqrt(3 / 1000)


@pytest.mark.parametrize("n", [43_101, 2**16, 2**16 + 1])
def test_nothing_is_left_of_the_order_in_a_large_permutation(n: int) -> None:
    places = np.arange(n)
    for key in range(3):
        sent = permute(places, n, key)
        part = sent * 50 // n
        joint = np.bincount(part * 50 + places * 50 // n, minlength=2500)
        assert abs(deviations(joint, n / 2500)) < 5
        for lag in (1, 2, 256, 257):
            pairs = np.bincount(part[:-lag] * 50 + part[lag:], minlength=2500)
            assert abs(deviations(pairs, (n - lag) / 2500)) < 5
            correlation = np.corrcoef(sent[:-lag], sent[lag:])[0, 1]
            assert abs(correlation) < 4.5 / math.sqrt(n)
            steps = ((sent[lag:] - sent[:-lag]) % n) * 100 // n
            step_counts = np.bincount(steps, minlength=100)
            assert abs(deviations(step_counts, (n - lag) / 100)) < 5


def test_places_of_the_largest_permutation_are_spread_evenly() -> None:
    sent = permute(np.arange(200_000), MAX_PLACES, key=1)
    assert len(np.unique(sent)) == 200_000
    for shift in (0, 8, 16, 24, 32):
        counts = np.bincount((sent >> shift) & 255, minlength=256)
        assert abs(deviations(counts, 200_000 / 256)) < 4


def test_memory_does_not_depend_on_how_many_places_there_are() -> None:
    places = np.arange(4096)
    permute(places, 4096, 0)
    tracemalloc.start()
    permute(places, MAX_PLACES, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


# Orders.


def block_labels(n: int, n_classes: int) -> UInt8Array:
    """Labels with a record in every class, some in several and some in none."""
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
    kind = draw(
        st.sampled_from(["sequential", "shuffled", "block", "weighted", "class"])
    )
    order: Order
    match kind:
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
BY_KIND = pytest.mark.parametrize(
    "order", EXAMPLES, ids=lambda order: order.describe()["order"]
)


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


@BY_KIND
def test_a_position_alone_is_the_same_as_in_the_epoch(order: Order) -> None:
    whole = order.indices(7, 0, len(order))
    alone = [int(order.indices(7, each, each + 1)[0]) for each in range(len(order))]
    assert alone == whole.tolist()


@BY_KIND
def test_epochs_differ_and_come_again(order: Order) -> None:
    epochs = [order.indices(epoch, 0, len(order)).tolist() for epoch in range(5)]
    n_different = len({tuple(epoch) for epoch in epochs})
    assert n_different == (1 if isinstance(order, Sequential) else 5)
    assert order.indices(3, 0, len(order)).tolist() == epochs[3]


@BY_KIND
def test_an_order_can_be_pickled(order: Order) -> None:
    copy = pickle.loads(pickle.dumps(order))
    assert copy.describe() == order.describe()
    assert copy.n == order.n
    assert len(copy) == len(order)
    expected = order.indices(1, 0, len(order))
    np.testing.assert_array_equal(copy.indices(1, 0, len(order)), expected)


@BY_KIND
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
def test_orders_without_weights_have_every_place_once(
    n: int, seed: int, epoch: int, times: int, data: Any
) -> None:
    sizes = st.integers(1, n + 2)
    block_shuffled = BlockShuffled(n, seed, data.draw(sizes), data.draw(sizes))
    for order in (Sequential(n), Shuffled(n, seed), block_shuffled):
        assert sorted(order.indices(epoch, 0, n).tolist()) == list(range(n))
        repeated = Repeated(order, times)
        assert len(repeated) == n * times
        passes = repeated.indices(epoch, 0, n * times).reshape(times, n)
        for number, places in enumerate(passes):
            expected = order.indices(epoch * times + number, 0, n)
            np.testing.assert_array_equal(places, expected)


def test_seeds_and_epochs_give_orders_that_have_nothing_in_common() -> None:
    n = 2000
    places = [
        Shuffled(n, seed).indices(epoch, 0, n)
        for seed in (-1, 0, 1, 2**64, 2**64 + 1)
        for epoch in range(20)
    ]
    same = [int((a == b).sum()) for a, b in itertools.combinations(places, 2)]
    # Two random permutations agree at 1 place on average, with the variance 1.
    assert abs(np.mean(same) - 1) < 4 / math.sqrt(len(same))
    assert abs(np.var(same) - 1) < 4 * math.sqrt(3 / len(same))


@given(st.integers(1, 200), ANY_SEED, st.integers(1, 40), st.integers(1, 9))
def test_a_window_holds_whole_blocks(
    n: int, seed: int, block_size: int, window_blocks: int
) -> None:
    places = BlockShuffled(n, seed, block_size, window_blocks).indices(0, 0, n)
    n_blocks = -(-n // block_size)
    position = 0
    for first in range(0, n_blocks, window_blocks):
        n_here = min(window_blocks, n_blocks - first)
        size = n_here * block_size
        # The short block, if it is here, makes the window smaller.
        short = n % block_size and n - 1 in places[position : position + size]
        size -= block_size - n % block_size if short else 0
        window = places[position : position + size]
        position += size
        blocks = Counter((window // block_size).tolist())
        assert len(blocks) == n_here
        for block, count in blocks.items():
            assert count == min(block_size, n - block * block_size)
    assert position == n


@pytest.mark.parametrize(("block_size", "window_blocks"), [(1, 1), (2, 1), (7, 9)])
def test_few_blocks_are_shuffled_evenly(block_size: int, window_blocks: int) -> None:
    # 3 places in 3 blocks, in 2 of which 1 is short, and in a single short one.
    n_orders = {1: 6, 2: 4, 7: 6}[block_size]
    found = Counter(
        tuple(
            BlockShuffled(3, seed, block_size, window_blocks).indices(0, 0, 3).tolist()
        )
        for seed in range(200)
    )
    assert len(found) == n_orders
    counts = np.array([*found.values()])
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


def test_weighted_draws_are_as_frequent_as_their_weights() -> None:
    weights = np.array([1.0, 0.0, 2.0, 0.5, 0.0, 4.0, 8.0, 0.0])
    order = Weighted(weights, seed=0, n_draws=100_000)
    counts = np.bincount(order.indices(0, 0, len(order)), minlength=8)
    assert not counts[weights == 0].any()
    expected = 100_000 * weights / weights.sum()
    drawn = weights > 0
    assert abs(deviations(counts[drawn], expected[drawn])) < 4


@given(st.lists(st.sampled_from([0.0, 5e-324, 1e-300, 1.0, 3.0, 1.7e308]), min_size=1))
def test_weights_of_any_size_draw_no_place_without_weight(weights: list[float]) -> None:
    if not any(weights):
        return
    places = Weighted(weights, seed=0, n_draws=300).indices(0, 0, 300)
    assert all(weights[place] > 0 for place in places)


def test_the_smallest_and_the_largest_random_number_draw_places_with_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = np.array([0, MASK_64], np.uint64)
    monkeypatch.setattr(
        "ecgstore.pipes.orders.weighted.mix", lambda key, positions: numbers
    )
    for weights in ([0, 0, 1, 0, 3, 0], [0, 0, 1e308, 0, 1e308, 0]):
        assert Weighted(weights, seed=0).indices(0, 0, 2).tolist() == [2, 4]


def test_weights_count_only_in_relation_to_each_other() -> None:
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
    # Every record has one class at most, so that a place tells for which it was drawn.
    class_of = (np.arange(n) * 7) % (n_classes + 1)
    labels = class_of[:, np.newaxis] == np.arange(n_classes)
    if not labels.any():
        return
    if labels.any(axis=0).all():
        order = ClassBalanced(labels, seed, n_draws)
    else:
        with pytest.warns(UserWarning, match="no record is in class"):
            order = ClassBalanced(labels, seed, n_draws)
    places = order.indices(epoch, 0, n_draws)
    present = set(class_of.tolist()) - {n_classes}
    for begin in range(0, n_draws, len(present)):
        turn = class_of[places[begin : begin + len(present)]].tolist()
        assert len(set(turn)) == len(turn)
        assert set(turn) <= present
    for each in present:
        members = np.flatnonzero(class_of == each)
        drawn = places[class_of[places] == each]
        for begin in range(0, len(drawn), len(members)):
            one_pass = drawn[begin : begin + len(members)].tolist()
            assert len(set(one_pass)) == len(one_pass)


def test_a_record_of_several_classes_is_drawn_for_each() -> None:
    labels = [[1, 1, 0], [0, 0, 1], [0, 0, 0]]
    places = ClassBalanced(labels, seed=0, n_draws=300).indices(0, 0, 300)
    assert np.bincount(places, minlength=3).tolist() == [200, 100, 0]


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
    places = order.indices(0, 0, 10).reshape(5, 2)
    assert (places.max(axis=1) >= 2).all()


# Random numbers of positions.


def test_seeds_belong_to_positions() -> None:
    whole = seeds(5, 2, 0, 1000)
    np.testing.assert_array_equal(
        np.concatenate([seeds(5, 2, 0, 7), seeds(5, 2, 7, 7), seeds(5, 2, 7, 1000)]),
        whole,
    )
    assert whole.dtype == np.uint64
    others = [seeds(seed, epoch, 0, 1000) for seed in (5, 6, -5) for epoch in (2, 3)]
    assert len(np.unique(np.concatenate(others))) == 6000


# Batches and ranks.


def take(
    order: Order,
    batch_size: int,
    world_size: int,
    drop_last: bool,
    begin: int = 0,
    most: int | None = None,
) -> list[list[list[int]]]:
    """Take an epoch, or `most` batches of it: places of each rank of each batch."""
    batches: list[list[list[int]]] = []
    while most is None or len(batches) < most:
        n = next_batch(len(order) - begin, batch_size, world_size, drop_last)
        if not n:
            break
        places = order.indices(0, begin, begin + n)
        parts = [share(n, rank, world_size) for rank in range(world_size)]
        batches.append([places[part].tolist() for part in parts])
        begin += n
    return batches


def flat(batches: list[list[list[int]]]) -> list[int]:
    return [place for batch in batches for part in batch for place in part]


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
def test_an_epoch_goes_on_with_other_batches_and_ranks(
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
def test_the_last_batches(
    rest: int, batch_size: int, world_size: int, sizes: list[int]
) -> None:
    found = []
    while taken := next_batch(rest, batch_size, world_size, drop_last=False):
        found.append(taken)
        rest -= taken
    assert found == sizes


@given(st.integers(0, 2**50), st.integers(1, 50))
def test_parts_follow_one_another_and_are_equal_but_for_one(
    n: int, world_size: int
) -> None:
    parts = [share(n, rank, world_size) for rank in range(world_size)]
    assert parts[0].start == 0
    assert parts[-1].stop == n
    assert all(a.stop == b.start for a, b in itertools.pairwise(parts))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1


# How well an order mixes.


def test_mixing_tells_orders_apart() -> None:
    n = 20_000
    measures = [
        mixing(Sequential(n), 100),
        mixing(BlockShuffled(n, 0, 100, 2), 100),
        mixing(BlockShuffled(n, 0, 100, 16), 100),
        mixing(BlockShuffled(n, 0, 100, 200), 100),
    ]
    assert measures == sorted(measures)
    assert measures[0] < 0.1
    assert 0.1 < measures[1] < 0.4
    assert 0.6 < measures[2] < 0.9
    assert measures[3] == pytest.approx(1, abs=0.01)
    assert mixing(Shuffled(n, 0), 100) == pytest.approx(1, abs=0.01)


def test_mixing_is_the_entropy_of_groups_in_batches() -> None:
    # Batches of the sequential order: aabb, abbb; the last a is in no whole batch.
    groups = list("aabbabbba")

    def entropy(*shares: float) -> float:
        return -sum(share * math.log2(share) for share in shares)

    found = (entropy(0.5, 0.5) + entropy(0.25, 0.75)) / 2
    batches = list(itertools.combinations(groups, 4))
    expected = np.mean(
        [entropy(*(n / 4 for n in Counter(batch).values())) for batch in batches]
    )
    measured = mixing(Sequential(9), 4, groups=groups)
    assert measured == pytest.approx(found / expected, rel=1e-12)


def test_random_orders_mix_as_expected_of_uneven_groups() -> None:
    groups = np.repeat(np.arange(40), np.arange(40) ** 2)
    measures = [mixing(Shuffled(len(groups), 0), 32, groups, e) for e in range(20)]
    assert np.mean(measures) == pytest.approx(1, abs=0.001)
    assert len(set(measures)) == 20


def test_mixing_of_fewer_places_than_groups() -> None:
    assert mixing(Sequential(10), 2) == pytest.approx(1)


# Wrong arguments.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequential(0), "n is 0; expected 1 to"),
        (lambda: Shuffled(-3, 0), "n is -3"),
        (lambda: Shuffled(MAX_PLACES + 1, 0), "n is 1099511627777"),
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
        (lambda: seeds(0, -1, 0, 1), "epoch is -1; expected 0 or more"),
        (lambda: seeds(0, 0, 2, 1), "positions 2 to 1"),
        (lambda: share(-1, 0, 1), "n is -1"),
        (lambda: share(1, 0, 0), "world_size is 0"),
        (lambda: share(1, 2, 2), "rank is 2; expected 0 to 1"),
        (lambda: share(1, -1, 2), "rank is -1"),
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
        (lambda: share(9, 0, WRONG), "world_size is 2.5"),
    ],
)
def test_wrong_types_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_an_order_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Shuffled(9, 0).seed = 1  # type: ignore[misc]


# Never change what follows: saved states rely on it.


def test_random_numbers_stay_the_same_for_ever() -> None:
    assert key_of(1, -2, 2**70) == 5094301268654368032
    assert mix(2**63, np.arange(3, dtype=np.uint64)).tolist() == [
        11415417373668893201,
        11921126147695158767,
        6605331815057776490,
    ]
    assert seeds(7, 1, 4, 7).tolist() == [
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
def test_permutations_stay_the_same_for_ever(
    n: int, key: int, expected: list[int]
) -> None:
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
def test_orders_stay_the_same_for_ever(order: Order, expected: list[int]) -> None:
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
def test_descriptions_stay_the_same_for_ever(
    order: Order, expected: dict[str, int | str]
) -> None:
    assert order.describe() == expected
