"""Find records that hold the same ECG, by their signatures, in near-linear time."""

import functools
import zlib
from collections.abc import Collection, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, IntArray
from ecgstore.signals._same_signal_kernels import link_similar
from ecgstore.signals._signature_kernels import STORED_RATE
from ecgstore.signals.signature import CHANNELS, N_KEYS, N_STORED

MIN_SIMILARITY: Final = 0.93
"""Least correlation of the waves of two records with the same ECG.

Chosen on 946 real records (PTB, PTB-XL, CPSC 2018, Georgia, LUDB, SaMi-Trop and
CODE-15 %), some of one patient. Copies at 100, 250, 257, 400 and 1000 Hz, filtered at
0.5-40 Hz, scaled, rounded to 5 uV, beginning up to 1 s earlier or later, cut, padded,
and with several of these changes had at least 0.987. Of the 446,979 pairs that are no
copies, the highest had 0.85 among those with an equal key, and at any lag 0.87 with 5 s
in common and 0.92 with 4 s. ``python -m bench.builds.same_signals`` measures it.
"""

MIN_SIMILARITY_OF_FEW: Final = 0.975
"""The same for signatures of a single lead, or of leads that may be alike.

Of 767 records (PTB, PTB-XL, CPSC 2018, Georgia, LUDB), the most similar two that are no
copies had 0.962 in a single lead (III), and 0.943 in two leads beside each other (V5
and V6). A copy with the changes above had at least 0.979, in any single lead.
"""

MIN_OVERLAP_S: Final = 4.0
"""Least time that two records must have in common: of records shorter than about 6 s,
copies that begin later may not be found."""

_FIRST_LOOK: Final = 0.7
"""Least correlation of every fourth sample: two records with less are compared no
further. It takes 0.4 us, and most records with an equal key are not alike."""

_STRIDE: Final = 4
_NEIGHBOURS: Final = 16
"""Records with an equal key that a record is compared with. More have the same key only
where a folder holds many unlike records with the same beats, or very many copies, and
each of these is next to another one."""

_PARTS: Final = 64  # of a sample of the waves: the unit of places
_N_TAPS: Final = 8

_KEYS_AT_ONCE: Final = 1 << 24
"""Keys that are sorted at a time: 10 million records have ten times as many."""

_N_HIGH_BITS: Final = 16
_LOW_BITS: Final = np.uint32(32 - _N_HIGH_BITS)
_POSITION_BITS: Final = np.uint64(32)
_MAX_RECORDS: Final = (1 << int(_POSITION_BITS)) // N_KEYS
_BLOCK: Final = 1 << 14  # records that are read at a time


def least_similarity(leads: Collection[str]) -> float:
    """Return the least correlation of records with the same ECG, of some leads.

    Examples
    --------
    >>> least_similarity(["I", "II"]), least_similarity(["V5", "V6"])
    (0.93, 0.975)
    """
    has_both = all(not {*channel}.isdisjoint(leads) for channel in CHANNELS)
    return MIN_SIMILARITY if has_both else MIN_SIMILARITY_OF_FEW


def same_signals(
    signatures: NDArray[Any], min_similarity: float = MIN_SIMILARITY
) -> IntArray:
    """Return for each record the first one that holds the same ECG.

    Records are compared if a key of one equals a key of the other; they hold the same
    ECG if their waves then correlate by at least `min_similarity`, directly or through
    a chain of such records.

    Parameters
    ----------
    signatures : ndarray of shape (n_records,)
        Signatures, at most 2**28; a record without keys holds the same ECG as no other.
        Of a `numpy.memmap`, no more than a part is in memory at a time.
    min_similarity : float
        See `least_similarity`.

    Returns
    -------
    ndarray of shape (n_records,)
        Index of a record, the record's own where there is no earlier one. Which records
        belong together does not depend on their order.

    Raises
    ------
    ValueError
        If there are more signatures.

    Notes
    -----
    Keys are sorted, some hundred MB of them at a time, and each record is compared with
    up to 16 of the following ones with an equal key, unless the two are linked already.
    So there are at most 16 comparisons per key, whatever the records hold.
    """
    signatures = np.asarray(signatures)
    n = len(signatures)
    if n > _MAX_RECORDS:
        raise ValueError(
            f"there are {n} signatures; expected at most {_MAX_RECORDS} at a time"
        )
    waves, ranges = signatures["waves"], signatures["range"]
    # A kernel is compiled for arrays that may be written or for those that may not.
    waves.flags.writeable = ranges.flags.writeable = False
    work = (
        spread_memory(1 + _NEIGHBOURS, _STRIDE),
        spread_memory(2, 1),
        np.empty(N_STORED, np.int32),
        np.empty(1 + _NEIGHBOURS, np.int64),
    )
    checksums = _Checksums(signatures)
    parents = np.arange(n)
    for first, end, n_keys in _passes(signatures):
        keys, positions = _shared_keys(signatures, first, end, n_keys)
        # The order among equal keys, and so which of two records is interpolated,
        # depends on their content and not on their rows.
        order = np.lexsort((checksums.of(positions // N_KEYS), keys))
        keys, (rows, slots) = keys[order], np.divmod(positions[order], N_KEYS)
        link_similar(
            keys,
            signatures["places"][rows, slots].astype(np.int64),
            rows,
            waves,
            ranges,
            interpolation(),
            round(MIN_OVERLAP_S * STORED_RATE),
            (_FIRST_LOOK, min_similarity),
            work,
            parents,
        )
    return parents


def spread_memory(n_waves: int, stride: int) -> NDArray[np.int32]:
    """Return the `spread` of `similarity`, for waves of signatures."""
    n_places = -(-N_STORED // stride)
    return np.zeros((n_waves, 2, len(CHANNELS), stride, n_places), np.int32)


def _passes(signatures: NDArray[Any]) -> Iterator[tuple[int, int, int]]:
    """Yield ranges of the highest bits of keys, and how many keys each one has.

    These are at most `_KEYS_AT_ONCE`, unless more have the same highest bits.
    """
    counts = np.zeros(1 << _N_HIGH_BITS, np.int64)
    for _, keys, is_key in _blocks(signatures):
        counts += np.bincount(keys[is_key] >> _LOW_BITS, minlength=len(counts))
    ends = np.cumsum(counts)
    first = n_before = 0
    while first < len(counts):
        last = np.searchsorted(ends, n_before + _KEYS_AT_ONCE, side="right")
        end = max(first + 1, int(last))
        n_keys = int(ends[end - 1]) - n_before
        yield first, end, n_keys
        first, n_before = end, n_before + n_keys


def _shared_keys(
    signatures: NDArray[Any], first: int, end: int, n_keys: int
) -> tuple[NDArray[np.uint32], IntArray]:
    """Return the keys in a range of the highest bits that occur more than once.

    In ascending order, with their positions among all keys, which are ascending where
    keys are equal.
    """
    # The key and behind it its position: one number is sorted several times as fast.
    codes = np.empty(n_keys, np.uint64)
    n_found = 0
    for begin, keys, is_key in _blocks(signatures):
        high = keys >> _LOW_BITS
        found = np.flatnonzero(is_key & (high >= first) & (high < end))
        code = codes[n_found : n_found + len(found)]
        code[:] = keys[found]
        code <<= _POSITION_BITS
        code += (begin * N_KEYS + found).astype(np.uint64)
        n_found += len(found)
    codes.sort()
    high_codes = codes >> _POSITION_BITS
    is_same = high_codes[1:] == high_codes[:-1]
    is_shared = np.zeros(n_keys, bool)
    is_shared[1:] = is_same
    is_shared[:-1] |= is_same
    positions = codes[is_shared] & np.uint64((1 << int(_POSITION_BITS)) - 1)
    return high_codes[is_shared].astype(np.uint32), positions.astype(np.int64)


def _blocks(
    signatures: NDArray[Any],
) -> Iterator[tuple[int, NDArray[np.uint32], BoolArray]]:
    """Yield the first row of each block, its keys, and which of these there are."""
    for begin in range(0, len(signatures), _BLOCK):
        block = signatures[begin : begin + _BLOCK]
        is_key = block["places"] != np.iinfo(np.uint16).max
        yield begin, block["keys"].reshape(-1), is_key.reshape(-1)


class _Checksums:
    """Checksums of signatures, which are read when they are needed."""

    def __init__(self, signatures: NDArray[Any]) -> None:
        self._signatures = signatures
        self._values = np.zeros(len(signatures), np.uint32)
        self._is_known = np.zeros(len(signatures), bool)

    def of(self, rows: IntArray) -> NDArray[np.uint32]:
        """Return the checksums of rows."""
        missing = np.unique(rows[~self._is_known[rows]])
        for begin in range(0, len(missing), _BLOCK):
            some = missing[begin : begin + _BLOCK]
            read = self._signatures[some]
            self._values[some] = [
                zlib.crc32(row) for row in read.view(f"V{read.itemsize}")
            ]
        self._is_known[missing] = True
        return self._values[rows]


@functools.cache
def interpolation() -> NDArray[np.int32]:
    """Return weights that interpolate between samples, shape (_PARTS, _N_TAPS).

    A sinc under a Hann window, in units of 1/256.
    """
    sample = np.arange(_N_TAPS) - (_N_TAPS // 2 - 1)
    distance = sample - np.arange(_PARTS)[:, np.newaxis] / _PARTS
    window = np.cos(np.pi * distance / (_N_TAPS + 1)) ** 2
    weights = np.sinc(distance) * window
    weights /= weights.sum(axis=1, keepdims=True)
    taps: NDArray[np.int32] = np.rint(256 * weights).astype(np.int32)
    return taps
