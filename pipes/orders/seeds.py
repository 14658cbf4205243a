"""The random seeds of single records, from which augmentations and crops are drawn."""

import numpy as np

from ecgstore.arrays import UInt64Array
from ecgstore.pipes.orders.order import check_positions
from ecgstore.pipes.orders.random_numbers import Purpose, key_of, mix


def record_seeds(seed: int, epoch: int, begin: int, end: int) -> UInt64Array:
    """Return a random seed for the record at each of some positions of an epoch.

    Parameters
    ----------
    seed : int
        Any integer.
    epoch : int
        The epoch, from 0.
    begin, end : int
        Range of positions in the epoch, `end` not included.

    Returns
    -------
    ndarray of shape (end - begin,)
        Random numbers; no two of an epoch are the same.

    Raises
    ------
    ValueError
        If the epoch is negative or the positions are not a range.
    """
    check_positions(epoch, begin, end)
    positions: UInt64Array = np.arange(begin, end, dtype=np.uint64)
    return mix(key_of(Purpose.SEEDS, seed, epoch), positions)
