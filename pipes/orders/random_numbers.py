"""Random numbers computed from a key and a counter, independently of each other.

A saved state refers to a position in an order and must give the same order in every
later release. The arithmetic is therefore this module's own, on integers: the streams
of `numpy.random` may change from release to release.
"""

import hashlib
from enum import IntEnum
from typing import Final

import numpy as np

from ecgstore.arrays import UInt64Array

# SplitMix64: the golden ratio as increment and the 13th of David Stafford's finalisers
# (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014,
# doi:10.1145/2660193.2660195).
_INCREMENT: Final = np.uint64(0x9E3779B97F4A7C15)
_FACTOR_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_FACTOR_2: Final = np.uint64(0x94D049BB133111EB)
_SHIFT_1: Final = np.uint64(30)
_SHIFT_2: Final = np.uint64(27)
_SHIFT_3: Final = np.uint64(31)


class Purpose(IntEnum):
    """Purposes of random numbers, so that numbers for different ones are independent.

    A purpose is part of the key (`key_of`): never renumber one.
    """

    SEEDS = 1
    SHUFFLE = 2
    SHORT_BLOCK = 3
    BLOCKS = 4
    WINDOWS = 5
    DRAWS = 6
    CLASSES = 7
    MEMBERS = 8


def key_of(*parts: int) -> int:
    """Return a key that depends on each of some integers and on their order.

    Parameters
    ----------
    *parts : int
        Integers of any size and sign.

    Returns
    -------
    int
        From 0 to 2**64 - 1.

    Examples
    --------
    >>> key_of(1, 23) != key_of(12, 3)
    True
    """
    text = ",".join(f"{part:x}" for part in parts)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def mix(key: int | UInt64Array, numbers: UInt64Array) -> UInt64Array:
    """Return random 64-bit numbers, each computed from one key and one counter.

    Parameters
    ----------
    key : int or ndarray
        From 0 to 2**64 - 1; an array must broadcast with `numbers`.
    numbers : ndarray
        The counters. With one key, different counters give different random numbers.

    Returns
    -------
    ndarray
        Random numbers, in the shape to which `key` and `numbers` broadcast.

    Notes
    -----
    SplitMix64's numbers for the seed 0, shifted by the finalised key and finalised once
    more, so that the streams of two keys are not parts of one longer stream.
    """
    keys = _finalise(np.array(key, np.uint64, ndmin=1))
    return _finalise(_finalise((numbers + np.uint64(1)) * _INCREMENT) + keys)


def mixed_seeds(key: int, seeds: UInt64Array) -> UInt64Array:
    """Return the numbers of `mix` for one key and seeds of records, faster.

    Parameters
    ----------
    key : int
        From 0 to 2**64 - 1.
    seeds : ndarray of shape (n,)
        The counters.
    """
    from ecgstore.pipes.orders._mix_kernels import mix_all  # loads numba

    mixed = np.empty(len(seeds), np.uint64)
    mix_all(np.uint64(key), np.ascontiguousarray(seeds), mixed)
    return mixed


def _finalise(numbers: UInt64Array) -> UInt64Array:
    """Let every bit of a number affect all its other bits, in place."""
    numbers ^= numbers >> _SHIFT_1
    numbers *= _FACTOR_1
    numbers ^= numbers >> _SHIFT_2
    numbers *= _FACTOR_2
    numbers ^= numbers >> _SHIFT_3
    return numbers
