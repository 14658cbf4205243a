"""A signature of an ECG that survives resampling, scaling, filtering and cutting.

Copies of a record that are not identical have different hashes: a data set at two
sampling rates, in other units, filtered, or cut differently. Their signatures are
similar, and `ecgstore.signals.same_signal` finds the similar ones among many.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import FloatArray
from ecgstore.record import LEADS
from ecgstore.signals._signature_kernels import (
    active_range,
    band_pass,
    bring_to_rate,
    compress,
    find_landmarks,
    largest_deviation,
    make_keys,
)

DURATION_S: Final = 10.0
"""A signature describes at most the first 10 s of a record."""

MIN_FS: Final = 60.0
"""Records with a lower sampling rate have no signature: it needs up to 25 Hz."""

RATE: Final = 200
"""Sampling rate in Hz at which all records are compared."""

STORED_RATE: Final = 50
"""Sampling rate of the stored waves in Hz; above 25 Hz, they have almost nothing."""

SMOOTHING: Final = (8, 7)
"""Lengths of two moving sums, 40 and 35 ms: no response at 25 Hz, at 50 Hz and at
57 Hz, and little above."""

DISTANCE: Final = 8
"""Of each value, the mean of the values 40 ms before and after is subtracted: the
response falls with the square of the frequency, to 1 % at 0.5 Hz."""

N_KEYS: Final = 16
"""Half of the keys describe the signal after landmarks, half that before."""

N_BITS: Final = 31
"""Bits of a key that describe the signal; one more tells after from before."""

_COUNT_BITS: Final = 25
_LEAST_COUNTS: Final = 4096  # rounding alone gives 224
_TOP: Final = 4095
_STORED_TOP: Final = 127
_REACH: Final = 4
_RADIUS: Final = RATE // 5
_BLOCKS_AS_HIGH: Final = 3
_FRACTION: Final = 6
_EDGE: Final = RATE // 5
_GAP: Final = RATE // 4
_SUM_LENGTH: Final = RATE // STORED_RATE
_N_SUMS: Final = 3 * STORED_RATE
_NO_PLACE: Final = 65535

_LOST: Final = sum(SMOOTHING) - len(SMOOTHING) + 2 * DISTANCE
N_STORED: Final = -((_LOST - round(DURATION_S * RATE)) // _SUM_LENGTH)
"""Samples of each stored wave."""

SIGNATURE: Final = np.dtype(
    [
        ("keys", "<u4", N_KEYS),
        ("places", "<u2", N_KEYS),
        ("range", "<u2", 2),
        ("waves", "i1", (2, N_STORED)),
    ]
)
"""Fields of a signature.

``keys`` are 32 bits each, ``places`` the landmarks that they belong to, in 1/3200 s
(65535: no key), ``range`` the begin and the end of the signal in samples of the waves,
and ``waves`` the square roots, with their sign, of the band-passed channels II - V2 and
I + V4.
"""

_I, _II, _V2, _V4 = map(LEADS.index, ("I", "II", "V2", "V4"))


def signature(signal: FloatArray, fs: float) -> bytes:
    """Return the signature of a signal, or ``b""`` if it has none.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV in the order of `LEADS`, NaN where a sample is missing. Samples
        after `DURATION_S` are ignored.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    bytes
        One `SIGNATURE`, of 1086 bytes. A signal without changes, with less than 3.4 s,
        or with a lower rate than `MIN_FS` has no signature.

    Notes
    -----
    The channels II - V2 and I + V4 are rounded to 25 bits of their range and brought to
    200 Hz by averaging, so that no copy's rate matters. A band-pass of about 5 to 20 Hz
    follows, which the filters of data sets leave alone, and the square root, which
    gives P and T waves and noise more weight: these differ most between two recordings
    of one patient. A landmark is a maximum of the energy, mostly a QRS complex. From
    0.25 s after the landmark, and up to 0.25 s before it, 3 s of both channels are
    projected on 31 fixed vectors of random signs; the signs of the results are a key
    (Charikar 2002, *STOC* 34:380). Keys of a copy are mostly equal, because landmarks
    move with the signal.

    After the first rounding everything is computed in integers, or with correctly
    rounded operations that no compiler can combine: the bytes do not depend on the
    machine.
    """
    if not fs >= MIN_FS:
        return b""
    n_samples = min(signal.shape[1], math.ceil(DURATION_S * fs))
    step = round(fs / RATE * 2**20)
    n_intervals = min(round(DURATION_S * RATE), (n_samples << 20) // step)
    n = n_intervals - _LOST
    if n <= _GAP + _N_SUMS * _SUM_LENGTH:
        return b""
    channels = np.empty((2, n_samples))
    np.subtract(signal[_II, :n_samples], signal[_V2, :n_samples], out=channels[0])
    np.add(signal[_I, :n_samples], signal[_V4, :n_samples], out=channels[1])
    origin = np.empty(2)
    largest = largest_deviation(channels, origin)
    if not 0 < largest < math.inf:
        return b""
    scale = math.ldexp(1.0, _COUNT_BITS - math.frexp(largest)[1])
    values = np.empty((2, n_intervals), np.int64)
    sums = np.empty(n_samples + 1, np.int64)
    bring_to_rate(channels, origin, scale, step, sums, values)
    highest = band_pass(values, np.array(SMOOTHING), DISTANCE)
    if highest < _LEAST_COUNTS:
        return b""

    amplitudes = np.empty((2, n), np.int32)
    compress(values, highest, _TOP, amplitudes)
    heights = np.empty(_BLOCKS_AS_HIGH, np.int64)
    begin, end = active_range(amplitudes, RATE, _FRACTION, heights)
    # Where padding begins or ends, the signal can have a step.
    begin += _EDGE if begin else 0
    end -= _EDGE if end < n else 0
    energy = np.empty(n, np.int64)
    places = np.empty(n // _RADIUS + 2, np.int64)
    n_landmarks = find_landmarks(amplitudes, _REACH, _RADIUS, energy, places)
    result = np.zeros((), SIGNATURE)
    make_keys(
        amplitudes,
        begin,
        end,
        places[:n_landmarks],
        energy,
        (_GAP, _N_SUMS, _SUM_LENGTH),
        _signs(),
        (
            np.empty((2, n), np.int32),
            np.empty(N_BITS, np.int32),
            np.empty(n_landmarks, np.int64),
        ),
        result["keys"],
        result["places"],
    )
    if (result["places"] == _NO_PLACE).all():
        return b""
    compress(values, highest, _STORED_TOP, amplitudes)
    waves = amplitudes[:, ::_SUM_LENGTH]
    result["waves"][:, : waves.shape[1]] = waves
    result["range"] = -(-begin // _SUM_LENGTH), -(-end // _SUM_LENGTH)
    return result.tobytes()


def signature_array(signatures: Sequence[bytes]) -> NDArray[Any]:
    """Return signatures as an array of `SIGNATURE`; without a key where there is none.

    Parameters
    ----------
    signatures : sequence of bytes, of length n
        Results of `signature`.

    Returns
    -------
    ndarray of shape (n,)
        A writable array.
    """
    none = np.zeros((), SIGNATURE)
    none["places"] = _NO_PLACE
    filled = b"".join(text or none.tobytes() for text in signatures)
    return np.frombuffer(bytearray(filled), SIGNATURE)


@functools.cache
def _signs() -> NDArray[np.int32]:
    """Return the vectors of random signs, shape (2 * _N_SUMS, N_BITS).

    The signs are the highest bits of the numbers of the generator splitmix64 (Steele,
    Lea and Flood 2014) with the seed 0.
    """
    weyl = np.arange(1, 2 * _N_SUMS * N_BITS + 1, dtype=np.uint64)
    mixed = weyl * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    signs = 2 * ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(63)).astype(np.int32)
    return (signs - 1).reshape(2 * _N_SUMS, N_BITS)
