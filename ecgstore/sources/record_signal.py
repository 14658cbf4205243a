"""The signal of a record that is read in pieces: what every format provides."""

from typing import Protocol

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.sources.lead_choice import ChosenLeads


class RecordSignal(Protocol):
    """The signal of a record in any format, which is read in pieces.

    A piece is the same, to the last bit, as that part of the whole signal.
    """

    @property
    def leads(self) -> ChosenLeads:
        """The leads in the order of the rows; which are derived, which are missing."""

    @property
    def n_samples(self) -> int:
        """Samples per lead, at the sampling rate of the header."""

    @property
    def checksum_differs(self) -> BoolArray:
        """As in `Record`, once all pieces have been read in their order."""

    @property
    def first_value_differs(self) -> BoolArray:
        """As in `Record`, once the first piece has been read."""

    def read(self, begin: int, end: int) -> FloatArray:
        """Return the samples from `begin` to `end` of all leads.

        Parameters
        ----------
        begin, end : int
            ``0 <= begin < end <= n_samples``.

        Returns
        -------
        ndarray of shape (n_leads, end - begin)
            Voltages in mV in the order of `leads`; NaN where a sample is missing. This
            is all the memory that is needed, except for some MB, and for the channels
            that are read where leads are derived.

        Raises
        ------
        RecordError
            If the files cannot be read, or are not in their format.
        """
