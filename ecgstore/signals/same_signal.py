"""Find records that hold the same ECG, by their signatures, in near-linear time."""

import functools
import zlib
from collections.abc import Collection
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.signals._same_signal_kernels import link_similar
from ecgstore.signals._signature_kernels import STORED_RATE
from ecgstore.signals.signature import CHANNELS

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
_NEIGHBOURS: Final = 16
"""Records with an equal key that a record is compared with. More have the same key only
where a folder holds many unlike records with the same beats, or very many copies, and
each of these is next to another one."""

_PARTS: Final = 64  # of a sample of the waves: the unit of places
_N_TAPS: Final = 8


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
        Signatures; a record without keys holds the same ECG as no other.
    min_similarity : float
        See `least_similarity`.

    Returns
    -------
    ndarray of shape (n_records,)
        Index of a record, the record's own where there is no earlier one. Which records
        belong together does not depend on their order.

    Notes
    -----
    Keys are sorted, and each record is compared with up to 16 of the following ones
    with an equal key, unless the two are linked already. So there are at most 16
    comparisons per key, whatever the records hold.
    """
    n = len(signatures)
    is_key = signatures["places"] != np.iinfo(np.uint16).max
    content = np.fromiter(
        (zlib.crc32(row.tobytes()) for row in signatures), np.uint32, n
    )
    # The order among equal keys, and so which of two records is interpolated, depends
    # on their content and not on their rows.
    rows, slots = np.nonzero(is_key)
    order = np.lexsort((content[rows], signatures["keys"][rows, slots]))
    rows, slots = rows[order], slots[order]
    parents = np.arange(n)
    link_similar(
        signatures["keys"][rows, slots],
        signatures["places"][rows, slots].astype(np.int64),
        rows,
        signatures["waves"],
        signatures["range"],
        interpolation(),
        round(MIN_OVERLAP_S * STORED_RATE),
        _NEIGHBOURS,
        (_FIRST_LOOK, min_similarity),
        np.empty(signatures["waves"].shape[2], np.int32),
        parents,
    )
    return parents


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
