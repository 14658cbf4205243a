"""Statistics of random permutations."""

import itertools
import math
from collections.abc import Iterable

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.pipes.orders.permutation import permute


def deviations(counts: IntArray, expected: float | FloatArray) -> float:
    """Deviation of chi-square from its mean, in standard deviations."""
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    freedom = counts.size - 1
    return (chi_square - freedom) / math.sqrt(2 * freedom)


def permutations(n: int, n_keys: int, indices: Iterable[int] | None = None) -> IntArray:
    """Images of all or some indices under many permutations: (n_keys, n_indices)."""
    chosen = np.array(list(range(n) if indices is None else indices))
    keys = np.repeat(np.arange(n_keys, dtype=np.uint64), len(chosen))
    return permute(np.tile(chosen, n_keys), n, keys).reshape(n_keys, len(chosen))


def tuple_counts(rows: IntArray, n: int) -> IntArray:
    """Counts of the tuples without repetition among the rows."""
    width = rows.shape[1]
    codes = rows @ (n ** np.arange(width))
    counts = np.bincount(codes, minlength=n**width)
    possible = [
        sum(index * n**digit for digit, index in enumerate(indices))
        for indices in itertools.permutations(range(n), width)
    ]
    assert counts.sum() == counts[possible].sum()
    return counts[possible]
