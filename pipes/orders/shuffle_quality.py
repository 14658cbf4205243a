"""Measure how well an order shuffles."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.pipes.orders.order import Order

_GROUPS: Final = 64


def mixing(
    order: Order,
    batch_size: int,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    epoch: int = 0,
) -> float:
    """Return how well an order shuffles: 1 like a random permutation, 0 not at all.

    Parameters
    ----------
    order : Order
        The order.
    batch_size : int
        Successive positions of a batch, at least 2. A smaller last batch is ignored.
    groups : array-like of shape (n,), optional
        Group of each record, for example its source or its patient; if left out, the
        records in the order of the selection, divided into 64 equal parts.
    epoch : int
        The epoch to measure.

    Returns
    -------
    float
        The entropy of the groups within a batch, averaged over all batches, divided
        by the entropy expected of batches drawn at random without replacement. It can
        be above 1 by chance, or if the order spreads the groups more evenly than chance
        does.

    Raises
    ------
    ValueError
        If the batch size is below 2 or above the number of records, if `groups` has
        another length, or if all records are in one group.

    Examples
    --------
    >>> from ecgstore.pipes import Sequential, Shuffled
    >>> round(mixing(Sequential(6400), batch_size=100), 2)
    0.0
    >>> round(mixing(Shuffled(6400, seed=0), batch_size=100), 2)
    1.0

    Notes
    -----
    The expected entropy is exact: the number of records of a batch that belong to a
    group follows the hypergeometric distribution.
    """
    highest = min(order.n, len(order))
    if not 2 <= batch_size <= highest:
        raise ValueError(f"batch_size is {batch_size}; expected 2 to {highest}")
    if groups is None:
        group_numbers: IntArray = np.arange(order.n) * _GROUPS // order.n
    else:
        group_numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    if group_numbers.shape != (order.n,):
        raise ValueError(
            f"groups have shape {group_numbers.shape}; expected ({order.n},): one "
            "group per record of the order"
        )
    sizes = np.bincount(group_numbers)
    if np.count_nonzero(sizes) < 2:
        raise ValueError("all records are in one group; expected at least 2 groups")
    n_whole = len(order) // batch_size
    groups_in_order = group_numbers[order.indices(epoch, 0, n_whole * batch_size)]
    batches = np.repeat(np.arange(n_whole), batch_size)
    counts = np.unique(batches * len(sizes) + groups_in_order, return_counts=True)[1]
    # The entropy of counts c that add up to m is log(m) - sum(c log(c)) / m.
    entropy = math.log2(batch_size) - _x_log_x(counts).sum() / counts.sum()
    return float(entropy / _expected_entropy(sizes, batch_size))


def _expected_entropy(sizes: IntArray, batch_size: int) -> float:
    """Return the mean entropy of groups, in bits, in batches without replacement."""
    n = int(sizes.sum())
    total = 0.0
    for size, n_groups in zip(*np.unique(sizes, return_counts=True), strict=True):
        low = max(batch_size - (n - int(size)), 0)
        counts = np.arange(low, min(batch_size, int(size)) + 1)
        log_ways = [
            _log_choose(int(size), count)
            + _log_choose(n - int(size), batch_size - count)
            for count in counts.tolist()
        ]
        probabilities = np.exp(np.array(log_ways) - _log_choose(n, batch_size))
        total += float(n_groups * (probabilities * _x_log_x(counts)).sum())
    return math.log2(batch_size) - total / batch_size


def _x_log_x(counts: IntArray) -> FloatArray:
    """Return each count times its binary logarithm; 0 for a count of 0."""
    logarithms: FloatArray = np.log2(np.maximum(counts, 1))
    return counts * logarithms


def _log_choose(n: int, k: int) -> float:
    """Return the natural logarithm of the number of ways to choose k of n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
