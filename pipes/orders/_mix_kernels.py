"""The numbers of `random_numbers.mix`, and fractions made of them, by a kernel."""

import numpy as np

from ecgstore.arrays import FloatArray, UInt64Array
from ecgstore.system.kernels import kernel

_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_FACTOR_1 = np.uint64(0xBF58476D1CE4E5B9)
_FACTOR_2 = np.uint64(0x94D049BB133111EB)
_ONE = np.uint64(1)


@kernel
def _finalised(number: np.uint64) -> np.uint64:
    """Let every bit of a number affect all its other bits."""
    number = np.uint64((number ^ (number >> np.uint64(30))) * _FACTOR_1)
    number = np.uint64((number ^ (number >> np.uint64(27))) * _FACTOR_2)
    return np.uint64(number ^ (number >> np.uint64(31)))


@kernel
def _mixed(finalised_key: np.uint64, number: np.uint64) -> np.uint64:
    """Return the number of a key and a counter; see `random_numbers.mix`."""
    own = _finalised(np.uint64((number + _ONE) * _INCREMENT))
    return _finalised(np.uint64(own + finalised_key))


@kernel
def mix_all(key: np.uint64, numbers: UInt64Array, out: UInt64Array) -> None:
    """Set `out` to the numbers of one key and several counters."""
    finalised_key = _finalised(key)
    for i in range(len(numbers)):
        out[i] = _mixed(finalised_key, numbers[i])


@kernel
def draw(
    states: UInt64Array,
    key: np.uint64,
    begin: np.uint64,
    low: float,
    high: float,
    out: FloatArray,
) -> None:
    """Set ``out[i, k]`` to a number from `low` to `high`, of ``states[i] + begin + k``.

    Its upper 53 bits are a fraction from 0 to below 1.
    """
    finalised_key = _finalised(key)
    for i in range(len(states)):
        first = np.uint64(states[i] + begin)
        of_record = out[i]
        for k in range(len(of_record)):
            number = _mixed(finalised_key, np.uint64(first + np.uint64(k)))
            fraction = np.float64(np.int64(number >> np.uint64(11))) * 2.0**-53
            of_record[k] = low + (high - low) * fraction
