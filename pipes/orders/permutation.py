"""Random numbers and permutations by place: each is computed alone, in any order.

A saved state names a place in an order and must give the same order for ever, so all
arithmetic is this module's own, on integers: the streams of `numpy.random` may change
from release to release.
"""

import hashlib
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray, UInt32Array, UInt64Array

_Scalar = TypeVar("_Scalar", bound=np.generic)

# SplitMix64: the golden ratio as increment and the 13th of David Stafford's finalisers
# (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014,
# doi:10.1145/2660193.2660195).
_INCREMENT: Final = np.uint64(0x9E3779B97F4A7C15)
_FACTOR_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_FACTOR_2: Final = np.uint64(0x94D049BB133111EB)
_SHIFT_1: Final = np.uint64(30)
_SHIFT_2: Final = np.uint64(27)
_SHIFT_3: Final = np.uint64(31)

# Factors and middle shift of MurmurHash3's 32-bit finaliser (Austin Appleby, public
# domain). Its outer shifts are left out: only the highest bits of a product are used.
_ROUND_FACTOR_1: Final = np.uint32(0x85EBCA6B)
_ROUND_FACTOR_2: Final = np.uint32(0xC2B2AE35)
_ROUND_SHIFT: Final = np.uint32(15)
_HALF: Final = np.uint64(32)

# Chi-square over all orders of 2 to 6 places (a million keys), over triples of places
# of 16 and over pairs of 24 and 64 (400 and 800 thousand): 8 rounds fail nearly
# everywhere (32 standard deviations for 4 places), 10 rounds fail for 4 places (4.6),
# and from 12 rounds on nothing is seen. Larger domains need fewer rounds.
_ROUNDS: Final = 12


def key_of(*parts: int) -> int:
    """Return a key that depends on every one of some integers and on their order.

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
    """Return random 64-bit numbers, each from a key and a number alone.

    Parameters
    ----------
    key : int or ndarray
        From 0 to 2**64 - 1; or several, in a shape that fits that of `numbers`.
    numbers : ndarray
        Of what to take random numbers. Under one key, different numbers have different
        random numbers.

    Returns
    -------
    ndarray
        Random numbers, in the shape of `key` and `numbers` together.

    Notes
    -----
    SplitMix64's numbers for the seed 0, shifted by the finalised key and finalised once
    more: streams of two keys are not parts of one longer stream.
    """
    keys = _finalise(np.array(key, np.uint64, ndmin=1))
    return _finalise(_finalise((numbers + np.uint64(1)) * _INCREMENT) + keys)


def permute(places: IntArray, n: int | IntArray, key: int | UInt64Array) -> IntArray:
    """Return where a random permutation sends some places.

    Takes time and memory for the given places only, however many there are in all.

    Parameters
    ----------
    places : ndarray of shape (n_places,)
        Places from 0 to ``n - 1``.
    n : int or ndarray of shape (n_places,)
        How many places are permuted, from 1 to `MAX_PLACES`; or how many for each
        of `places`, if they belong to several permutations.
    key : int or ndarray of shape (n_places,)
        Which permutation, from 0 to 2**64 - 1; or which for each of `places`.

    Returns
    -------
    ndarray of shape (n_places,)
        Places from 0 to ``n - 1``: for one `n` and one key, different places are sent
        to different places.

    Examples
    --------
    >>> sorted(permute(np.arange(5), 5, key=1).tolist())
    [0, 1, 2, 3, 4]

    Notes
    -----
    A Feistel network whose halves are a number of bits and a remainder, on a domain
    hardly larger than `n`; a place that leaves 0 to ``n - 1`` is sent on until it is
    back, called cycle walking (Black and Rogaway, "Ciphers with arbitrary finite
    domains", CT-RSA 2002, doi:10.1007/3-540-45760-7_9, with both of its ideas).
    """
    counts = np.array(n, np.int64, ndmin=1)
    bits, modulus = _domain(counts)
    round_keys = _round_keys(key)
    result = _send(places, bits, modulus, round_keys)
    result *= counts > 1  # a place alone stays: no need to wait until it is back
    away = np.flatnonzero(result >= counts)
    while away.size:
        result[away] = _send(
            result[away],
            _at(bits, away),
            _at(modulus, away),
            _at(round_keys, away),
        )
        away = away[result[away] >= _at(counts, away)]
    return result


def _finalise(numbers: UInt64Array) -> UInt64Array:
    """Mix every bit of the numbers into all others, in place."""
    numbers ^= numbers >> _SHIFT_1
    numbers *= _FACTOR_1
    numbers ^= numbers >> _SHIFT_2
    numbers *= _FACTOR_2
    numbers ^= numbers >> _SHIFT_3
    return numbers


def _domain(counts: IntArray) -> tuple[UInt32Array, UInt64Array]:
    """Return bits and modulus of the two halves of the smallest domains that do.

    An even modulus is needed to reach odd permutations, too: without it, all rounds
    would be even ones. Halves of 4 and more values need fewer rounds than smaller ones.
    """
    bits = np.maximum(np.frexp(counts.astype(np.float64))[1].astype(np.int64) // 2, 2)
    modulus = np.maximum(-(-counts >> bits), 4)
    return bits.astype(np.uint32), (modulus + modulus % 2).astype(np.uint64)


def _round_keys(key: int | UInt64Array) -> UInt32Array:
    """Return keys of the rounds, of shape (_ROUNDS, n_keys).

    They grow in even steps, which the rounds' own mixing hides.
    """
    mixed = mix(key, np.zeros(1, np.uint64))
    first = mixed.astype(np.uint32)
    step = (mixed >> _HALF).astype(np.uint32)
    rounds: UInt32Array = np.arange(_ROUNDS, dtype=np.uint32)[:, np.newaxis]
    return first + step * rounds


def _send(
    places: IntArray, bits: UInt32Array, modulus: UInt64Array, round_keys: UInt32Array
) -> IntArray:
    """Return where the network sends places of its domain."""
    low = (places & ((1 << bits.astype(np.int64)) - 1)).astype(np.uint32)
    high = (places >> bits).astype(np.uint32)
    mixed = np.empty_like(low)
    scratch = np.empty_like(low)
    wide = np.empty(low.shape, np.uint64)
    to_low = np.uint32(32) - bits
    modulus_32 = modulus.astype(np.uint32)
    for keys in range(0, _ROUNDS, 2):
        _mix_half(high, round_keys[keys], mixed, scratch)
        mixed >>= to_low
        low ^= mixed
        _mix_half(low, round_keys[keys + 1], mixed, scratch)
        wide[:] = mixed
        wide *= modulus
        wide >>= _HALF
        high += wide.astype(np.uint32)
        # The smaller of the two is the remainder: below 0, integers wrap around.
        np.subtract(high, modulus_32, out=scratch)
        np.minimum(high, scratch, out=high)
    return (high.astype(np.int64) << bits) | low


def _mix_half(
    half: UInt32Array, keys: UInt32Array, mixed: UInt32Array, scratch: UInt32Array
) -> None:
    """Write random numbers of one half and the keys; their highest bits are best."""
    np.bitwise_xor(half, keys, out=mixed)
    mixed *= _ROUND_FACTOR_1
    np.right_shift(mixed, _ROUND_SHIFT, out=scratch)
    mixed ^= scratch
    mixed *= _ROUND_FACTOR_2


def _at(values: NDArray[_Scalar], chosen: IntArray) -> NDArray[_Scalar]:
    """Return the chosen columns of values, or the one column that is for all."""
    return values if values.shape[-1] == 1 else values[..., chosen]
