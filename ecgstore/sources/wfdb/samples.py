"""Signals that are read in pieces, and the comparison of their counts with the header.

A signal file is divided into frames: for each sampling period of the record, the
samples of all its leads. A lead may have several samples in a frame.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from ecgstore.sources.wfdb.header import LeadHeader

COUNTS_AT_ONCE: Final = 1 << 20
"""Counts of a file, leads that are not wanted included, that are in memory at once."""


class Comparison:
    """The comparison of a record's counts with its header, while they are read.

    Parameters
    ----------
    leads : sequence of LeadHeader
        The leads that are read.
    n_frames : int
        Frames of the record by its header; 0 where the header leaves that open, and
        then has no checksums either, by header(5).

    Attributes
    ----------
    checksum_differs, first_value_differs : ndarray of shape (n_leads,)
        As in `Record`, as far as can be told from what has been read.
    n_summed : int
        Frames that have been read in their order.
    """

    def __init__(self, leads: Sequence[LeadHeader], n_frames: int) -> None:
        self.checksum_differs = np.zeros(len(leads), np.bool_)
        self.first_value_differs = self.checksum_differs
        self._leads = leads
        self._n_frames = n_frames
        self.n_summed = 0
        self._sums: Sequence[int] = ()

    def add(
        self, begin: int, end: int, firsts: Sequence[int], sums: Sequence[int]
    ) -> None:
        """Take the first counts and the sums of the counts in some frames.

        Only frames that follow those before can complete the sums of a record.
        """
        if begin == 0:
            self.first_value_differs = np.array(
                [
                    lead.initial_value is not None and lead.initial_value != first
                    for lead, first in zip(self._leads, firsts, strict=True)
                ]
            )
        if begin != self.n_summed:
            return
        self.n_summed = end
        if begin:
            sums = [a + b for a, b in zip(self._sums, sums, strict=True)]
        self._sums = sums
        if end == self._n_frames:
            # WFDB's checksum has 16 bits.
            self.checksum_differs = np.array(
                [
                    lead.checksum is not None and (total - lead.checksum) & 0xFFFF != 0
                    for lead, total in zip(self._leads, sums, strict=True)
                ]
            )
