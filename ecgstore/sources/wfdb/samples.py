"""The result of reading signal files, and its comparison with the header."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.sources.wfdb.header import LeadHeader


class Samples(NamedTuple):
    """The signal of a record, or of its beginning.

    Attributes
    ----------
    signal : ndarray of shape (12, n_read)
        Voltages in mV in the order of `LEADS`; NaN where a sample is missing.
    n_samples : int
        Samples per lead of the whole record.
    checksum_differs, first_value_differs : ndarray of shape (12,)
        As in `Record`.
    """

    signal: FloatArray
    n_samples: int
    checksum_differs: BoolArray
    first_value_differs: BoolArray


def n_wanted(n_samples: int, max_samples: int | None) -> int:
    """Return the number of samples to read of a record with `n_samples`."""
    return n_samples if max_samples is None else min(n_samples, max_samples)


def checksum_differs(leads: Sequence[LeadHeader], sums: Sequence[int]) -> BoolArray:
    """Return for each lead whether the sum of its counts differs from the header's.

    Sums are compared modulo 65536: WFDB's checksum has 16 bits.
    """
    return np.array(
        [
            lead.checksum is not None and (total - lead.checksum) & 0xFFFF != 0
            for lead, total in zip(leads, sums, strict=True)
        ]
    )


def first_value_differs(
    leads: Sequence[LeadHeader], firsts: Sequence[int]
) -> BoolArray:
    """Return for each lead whether its first count differs from the header's."""
    return np.array(
        [
            lead.initial_value is not None and lead.initial_value != first
            for lead, first in zip(leads, firsts, strict=True)
        ]
    )


def no_difference(n_leads: int) -> BoolArray:
    """Return False for every lead, where a comparison is not possible."""
    return np.zeros(n_leads, dtype=np.bool_)
