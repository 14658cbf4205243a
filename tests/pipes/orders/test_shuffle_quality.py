"""The measure of how well an order shuffles."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from ecgstore.pipes import BlockShuffled, Sequential, Shuffled
from ecgstore.pipes.orders.shuffle_quality import mixing


def test_mixing_ranks_orders() -> None:
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
    # Batches of the sequential order: aabb, abbb; the last a is in no full batch.
    groups = list("aabbabbba")

    def entropy(*shares: float) -> float:
        return -sum(share * math.log2(share) for share in shares)

    observed = (entropy(0.5, 0.5) + entropy(0.25, 0.75)) / 2
    batches = list(itertools.combinations(groups, 4))
    expected = np.mean(
        [entropy(*(n / 4 for n in Counter(batch).values())) for batch in batches]
    )
    measured = mixing(Sequential(9), 4, groups=groups)
    assert measured == pytest.approx(observed / expected, rel=1e-12)


def test_random_orders_mix_as_expected_of_uneven_groups() -> None:
    groups = np.repeat(np.arange(40), np.arange(40) ** 2)
    measures = [mixing(Shuffled(len(groups), 0), 32, groups, e) for e in range(20)]
    assert np.mean(measures) == pytest.approx(1, abs=0.001)
    assert len(set(measures)) == 20


def test_mixing_divides_few_records_into_fewer_groups() -> None:
    assert mixing(Sequential(10), 2) == pytest.approx(1)
