"""Random permutations that can be evaluated at any index without storing the rest.

As in `random_numbers`, all arithmetic is this module's own, so that saved states stay
valid in later releases.
"""

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray, UInt32Array, UInt64Array
from ecgstore.pipes.orders.random_numbers import mix

_Scalar = TypeVar("_Scalar", bound=np.generic)

MAX_LENGTH: Final = 2**40
"""Length of the longest permutation that `permute` is designed and tested for."""

# Factors and middle shift of MurmurHash3's 32-bit finaliser (Austin Appleby, public
# domain). Its outer shifts are left out: only the highest bits of a product are used.
_ROUND_FACTOR_1: Final = np.uint32(0x85EBCA6B)
_ROUND_FACTOR_2: Final = np.uint32(0xC2B2AE35)
_ROUND_SHIFT: Final = np.uint32(15)
_HALF: Final = np.uint64(32)

# Chi-square over all permutations of 2 to 6 indices (a million keys), over triples of
# 16 indices and over pairs of 24 and 64 (400 and 800 thousand keys): 8 rounds fail
# nearly everywhere (32 standard deviations for 4 indices), 10 rounds fail for 4 indices
# (4.6), and from 12 rounds on no deviation is seen. Larger domains need fewer rounds.
_ROUNDS: Final = 12


def permute(indices: IntArray, n: int | IntArray, key: int | UInt64Array) -> IntArray:
    """Return the images of some indices under a random permutation.

    Time and memory depend on the number of indices, not on `n`.

    Parameters
    ----------
    indices : ndarray of shape (n_indices,)
        Indices from 0 to ``n - 1``.
    n : int or ndarray of shape (n_indices,)
        Length of the permutation, from 1 to `MAX_LENGTH`; an array if the indices
        belong to several permutations.
    key : int or ndarray of shape (n_indices,)
        Selects the permutation, from 0 to 2**64 - 1; an array if the indices belong to
        several permutations.

    Returns
    -------
    ndarray of shape (n_indices,)
        Indices from 0 to ``n - 1``. For one `n` and one key, different indices have
        different images.

    Examples
    --------
    >>> sorted(permute(np.arange(5), 5, key=1).tolist())
    [0, 1, 2, 3, 4]

    Notes
    -----
    A Feistel network of two halves, one of whole bits and one modulo a number, on a
    domain hardly larger than `n`. An image outside 0 to ``n - 1`` is permuted again
    until it is inside, which is called cycle walking (Black and Rogaway, "Ciphers with
    arbitrary finite domains", CT-RSA 2002, doi:10.1007/3-540-45760-7_9, which has both
    ideas).
    """
    counts = np.array(n, np.int64, ndmin=1)
    bits, modulus = _domain(counts)
    round_keys = _round_keys(key)
    result = _feistel(indices, bits, modulus, round_keys)
    result *= counts > 1  # the only permutation of length 1, without cycle walking
    outside = np.flatnonzero(result >= counts)
    while outside.size:
        result[outside] = _feistel(
            result[outside],
            _columns(bits, outside),
            _columns(modulus, outside),
            _columns(round_keys, outside),
        )
        outside = outside[result[outside] >= _columns(counts, outside)]
    return result


def _domain(counts: IntArray) -> tuple[UInt32Array, UInt64Array]:
    """Return bits and modulus of the two halves of the smallest domains for `counts`.

    Odd permutations need an even modulus: without one, all rounds would be even.
    Halves of at least 4 values need fewer rounds than smaller ones.
    """
    bits = np.maximum(np.frexp(counts.astype(np.float64))[1].astype(np.int64) // 2, 2)
    modulus = np.maximum(-(-counts >> bits), 4)
    return bits.astype(np.uint32), (modulus + modulus % 2).astype(np.uint64)


def _round_keys(key: int | UInt64Array) -> UInt32Array:
    """Return the keys of the rounds, of shape (_ROUNDS, n_keys).

    They increase in equal steps, which the mixing within the rounds hides.
    """
    mixed = mix(key, np.zeros(1, np.uint64))
    first = mixed.astype(np.uint32)
    step = (mixed >> _HALF).astype(np.uint32)
    rounds: UInt32Array = np.arange(_ROUNDS, dtype=np.uint32)[:, np.newaxis]
    return first + step * rounds


def _feistel(
    indices: IntArray, bits: UInt32Array, modulus: UInt64Array, round_keys: UInt32Array
) -> IntArray:
    """Return the images of indices of the domain under the Feistel network."""
    low = (indices & ((1 << bits.astype(np.int64)) - 1)).astype(np.uint32)
    high = (indices >> bits).astype(np.uint32)
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
    """Write random numbers of one half and the keys; the highest bits are the best."""
    np.bitwise_xor(half, keys, out=mixed)
    mixed *= _ROUND_FACTOR_1
    np.right_shift(mixed, _ROUND_SHIFT, out=scratch)
    mixed ^= scratch
    mixed *= _ROUND_FACTOR_2


def _columns(values: NDArray[_Scalar], chosen: IntArray) -> NDArray[_Scalar]:
    """Return the chosen columns of an array, or its only column."""
    return values if values.shape[-1] == 1 else values[..., chosen]
