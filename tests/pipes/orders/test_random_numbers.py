"""Random numbers: their plain definition, and how well they mix."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.pipes.orders.random_numbers import key_of, mix
from ecgstore.pipes.orders.seeds import record_seeds
from tests.pipes.orders.examples import ANY_KEY
from tests.pipes.orders.plain import MASK_64, plain_mix, splitmix64


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
def test_mix_equals_its_plain_definition(key: int, numbers: list[int]) -> None:
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
    keys = {key_of(*part) for part in parts}
    assert len(keys) == len(parts)
    assert all(0 <= key <= MASK_64 for key in keys)
    assert key_of(1) == key_of(True) == key_of(int(np.int8(1)))


def test_seeds_belong_to_positions() -> None:
    whole = record_seeds(5, 2, 0, 1000)
    np.testing.assert_array_equal(
        np.concatenate(
            [
                record_seeds(5, 2, 0, 7),
                record_seeds(5, 2, 7, 7),
                record_seeds(5, 2, 7, 1000),
            ]
        ),
        whole,
    )
    assert whole.dtype == np.uint64
    others = [
        record_seeds(seed, epoch, 0, 1000) for seed in (5, 6, -5) for epoch in (2, 3)
    ]
    assert len(np.unique(np.concatenate(others))) == 6000
