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

from ecgstore.arrays import FloatArray, UInt8Array
from ecgstore.record import LEADS
from ecgstore.signals._signature_kernels import (
    GAP,
    N_LOST,
    N_SUMS,
    RADIUS,
    RATE,
    SUM_LENGTH,
    describe,
)

DURATION_S: Final = 10.0
"""A signature describes at most the first 10 s of a record."""

MIN_FS: Final = 60.0
"""Records with a lower sampling rate have no signature: it needs up to 25 Hz."""

SIGNATURE_VERSION: Final = 1
"""Increase it when signatures change: those of two versions cannot be compared."""

N_KEYS: Final = 16
"""Half of the keys describe the signal after landmarks, half that before."""

N_BITS: Final = 31
"""Bits of a key that describe the signal; one more tells after from before."""

_NO_PLACE: Final = 65535

N_STORED: Final = -((N_LOST - round(DURATION_S * RATE)) // SUM_LENGTH)
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

CHANNELS: Final = (("II", "V2"), ("I", "V4"))
"""The leads that each of the two channels of a signature describes."""

(_II, _V2), (_I, _V4) = (map(LEADS.index, names) for names in CHANNELS)


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
    if not MIN_FS <= fs < math.inf:
        return b""
    n_samples = min(signal.shape[1], math.ceil(DURATION_S * fs))
    step = round(fs / RATE * 2**20)
    n_intervals = min(round(DURATION_S * RATE), (n_samples << 20) // step)
    n = n_intervals - N_LOST
    if n <= GAP + N_SUMS * SUM_LENGTH:
        return b""
    channels = np.empty((2, n_samples))
    with np.errstate(invalid="ignore", over="ignore"):  # counts as missing
        np.subtract(signal[_II, :n_samples], signal[_V2, :n_samples], out=channels[0])
        np.add(signal[_I, :n_samples], signal[_V4, :n_samples], out=channels[1])
    work = (
        np.empty(n_samples + 1, np.int64),
        np.empty((2, n_intervals), np.int64),
        np.empty((2, 2, n), np.int32),
        np.empty(n, np.int64),
        np.empty((2, n // RADIUS + 2), np.int64),
        np.empty(N_BITS, np.int32),
    )
    result = np.empty((), SIGNATURE)
    fields = (result[name] for name in ("keys", "places", "range", "waves"))
    return (
        result.tobytes() if describe(channels, step, _signs(), work, *fields) else b""
    )


def signature_rows(signatures: NDArray[Any]) -> UInt8Array:
    """Return signatures as rows of bytes, as a store has them.

    Parameters
    ----------
    signatures : ndarray of shape (n,)
        Of `SIGNATURE`.

    Returns
    -------
    ndarray of shape (n, 1086)
        A view.
    """
    return signatures.view(np.uint8).reshape(-1, SIGNATURE.itemsize)


def signatures_of_rows(rows: UInt8Array) -> NDArray[Any]:
    """Return signatures of `SIGNATURE` from the rows of `signature_rows`."""
    packed: UInt8Array = np.ascontiguousarray(rows)
    return packed.view(SIGNATURE).reshape(-1)


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
    """Return the vectors of random signs, shape (2 * N_SUMS, N_BITS).

    The signs are the highest bits of the numbers of the generator splitmix64 (Steele,
    Lea and Flood 2014) with the seed 0.
    """
    weyl = np.arange(1, 2 * N_SUMS * N_BITS + 1, dtype=np.uint64)
    mixed = weyl * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    signs = 2 * ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(63)).astype(np.int32)
    return (signs - 1).reshape(2 * N_SUMS, N_BITS)
