"""Gaussian noise computed from keys and a counter, without any state."""

import numpy as np

from ecgstore.arrays import Float32Array
from ecgstore.pipes.fusing import _codes_of_kernels as codes
from ecgstore.system.kernels import kernel

_FACTOR_1 = np.uint32(codes.FACTOR_1)
_FACTOR_2 = np.uint32(codes.FACTOR_2)
_FACTOR_3 = np.uint32(codes.FACTOR_3)
_INCREMENT = np.uint32(codes.INCREMENT)

_SQRT_HALF_BITS = np.int32(0x3F3504F3)  # sqrt(0.5) as float32
_MANTISSA_BITS = np.int32(23)
_SIGN_BIT = np.int32(-(2**31))

# ln(1 + x) = x + x**2 * (...), fitted for x from sqrt(0.5) - 1 to sqrt(2) - 1: relative
# error 3e-6.
_LN_2 = np.float32(0.6931471805599453)
_LN = (
    np.float32(-0.50000411),
    np.float32(0.33324924),
    np.float32(-0.24932815),
    np.float32(0.20346346),
    np.float32(-0.18482634),
    np.float32(0.12282627),
)

# sin(pi / 2 * x) = x * (...) of x**2, fitted for x from 0 to 1: error 1.4e-6.
_SIN = (
    np.float32(1.57079575),
    np.float32(-0.64593228),
    np.float32(0.07951469),
    np.float32(-0.00437952),
)


@kernel
def _scrambled(x: np.uint32) -> np.uint32:
    """Let every bit of a number affect all other bits."""
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * _FACTOR_1)
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * _FACTOR_2)
    return np.uint32(x ^ (x >> np.uint32(15)))


@kernel
def _first_bits(counter: np.uint32, key_1: np.uint32, key_2: np.uint32) -> np.uint32:
    """Return 32 random bits of two keys and a counter."""
    keyed = np.uint32(np.uint32(counter * _INCREMENT) + key_1)
    bits = np.uint32(_scrambled(np.uint32(keyed ^ key_2)) + key_1)
    bits = np.uint32(bits * _FACTOR_3)
    return np.uint32(bits ^ (bits >> np.uint32(16)))


@kernel
def _second_bits(first: np.uint32, key_2: np.uint32) -> np.uint32:
    """Return 32 other random bits."""
    bits = np.uint32(np.uint32(first * _INCREMENT) + key_2)
    bits = np.uint32(bits ^ (bits >> np.uint32(15)))
    return np.uint32(bits * _FACTOR_2)


@kernel
def _radius(bits: np.uint32) -> np.float32:
    """Return ``sqrt(-2 ln u)`` of a random u between 0 and 1, of 24 bits."""
    whole = np.float32(np.int32(bits >> np.uint32(8)))
    u = np.float32((whole + np.float32(0.5)) * np.float32(2.0**-24))
    as_int = np.float32(u).view(np.int32)
    exponent = np.int32(np.int32(as_int - _SQRT_HALF_BITS) >> _MANTISSA_BITS)
    mantissa = np.int32(as_int - np.int32(exponent << _MANTISSA_BITS))
    x = np.float32(np.int32(mantissa).view(np.float32) - np.float32(1))
    z = x * x
    low = _LN[0] + _LN[1] * x
    middle = _LN[2] + _LN[3] * x
    high = _LN[4] + _LN[5] * x
    ln = np.float32(exponent) * _LN_2 + (x + z * (low + z * (middle + z * high)))
    return np.float32(np.sqrt(np.float32(-2) * ln))


@kernel
def _sine(quarters: np.float32) -> np.float32:
    """Return the sine of an angle in quarters of a turn, from 0 to 1."""
    y = quarters * quarters
    return np.float32(
        quarters * ((_SIN[0] + y * _SIN[1]) + (y * y) * (_SIN[2] + y * _SIN[3]))
    )


@kernel
def _angle(bits: np.uint32) -> np.float32:
    """Return a random angle between 0 and a quarter of a turn, of 22 bits."""
    whole = np.float32(np.int32((bits >> np.uint32(8)) & np.uint32(0x3FFFFF)))
    return np.float32((whole + np.float32(0.5)) * np.float32(2.0**-22))


@kernel
def _signed(value: np.float32, bit: np.int32) -> np.float32:
    """Return a number with its sign changed where the sign bit is set."""
    return np.float32(np.int32(np.float32(value).view(np.int32) ^ bit).view(np.float32))


@kernel
def add_noise(
    x: Float32Array,
    n_samples: int,
    n_real: int,
    row: int,
    key_1: np.uint32,
    key_2: np.uint32,
    sd: np.float32,
) -> None:
    """Add noise to ``x[:n_real]``: row `row` of the keys' rows of `n_samples` numbers.

    Two Gaussian numbers are computed from a counter, by the transform of Box and Muller
    (1958, Ann. Math. Stat. 29:610), for samples half a row apart. So compilers make
    several at a time.
    """
    half = (n_samples + 1) // 2
    counter = np.uint32(row * half)
    n_both = max(n_real - half, 0)
    n_first = min(n_real, half)
    low, high = x[:half], x[half:]
    for j in range(n_both):
        first = _first_bits(np.uint32(counter + np.uint32(j)), key_1, key_2)
        second = _second_bits(first, key_2)
        size, angle = _radius(first) * sd, _angle(second)
        signs = np.int32(second)
        low[j] += _signed(size * _sine(angle), np.int32(signs & _SIGN_BIT))
        other = np.int32(np.int32(signs << np.int32(1)) & _SIGN_BIT)
        high[j] += _signed(size * _sine(np.float32(1) - angle), other)
    for j in range(n_both, n_first):
        first = _first_bits(np.uint32(counter + np.uint32(j)), key_1, key_2)
        second = _second_bits(first, key_2)
        size, angle = _radius(first) * sd, _angle(second)
        low[j] += _signed(size * _sine(angle), np.int32(np.int32(second) & _SIGN_BIT))
