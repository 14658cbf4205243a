"""The leads of a record, made of the channels that its files hold."""

from typing import Protocol

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.sources.lead_choice import ChosenLeads
from ecgstore.sources.record_signal import RecordSignal


class ChannelSignal(Protocol):
    """The channels of a record that are read: a `RecordSignal` with its own rows.

    `ChosenLeads.channels` says which channel is in which row.
    """

    @property
    def n_samples(self) -> int:
        """As in `RecordSignal`."""

    @property
    def checksum_differs(self) -> BoolArray:
        """As in `RecordSignal`, by channel."""

    @property
    def first_value_differs(self) -> BoolArray:
        """As in `RecordSignal`, by channel."""

    def read(self, begin: int, end: int) -> FloatArray:
        """Return some samples of the channels; see `RecordSignal.read`."""


def chosen_signal(signal: ChannelSignal, leads: ChosenLeads) -> RecordSignal:
    """Return the signal of the leads that are made of some channels.

    Parameters
    ----------
    signal : ChannelSignal
        The channels that `leads` names, in that order.
    leads : ChosenLeads
        The leads, and how they are made.
    """
    return _ChosenSignal(signal, leads)


class _ChosenSignal:
    """The signal of chosen leads."""

    def __init__(self, signal: ChannelSignal, leads: ChosenLeads) -> None:
        self.leads = leads
        self.n_samples = signal.n_samples
        self._signal = signal

    @property
    def checksum_differs(self) -> BoolArray:
        """Whether a header's checksum differs; False for computed leads."""
        return self._of_leads(self._signal.checksum_differs)

    @property
    def first_value_differs(self) -> BoolArray:
        """Whether a header's first value differs; False for computed leads."""
        return self._of_leads(self._signal.first_value_differs)

    def _of_leads(self, flags: BoolArray) -> BoolArray:
        """Return the flags of the channels as flags of the leads."""
        if self.leads.recipes is None:
            return flags
        return np.array(
            [
                len(recipe) == 1 and bool(flags[recipe[0][0]])
                for recipe in self.leads.recipes
            ]
        )

    def read(self, begin: int, end: int) -> FloatArray:
        """Return some samples of the leads; see `RecordSignal`."""
        channels = self._signal.read(begin, end)
        if self.leads.recipes is None:
            return channels
        signal = np.full((len(self.leads.names), end - begin), np.nan)
        for lead, recipe in zip(signal, self.leads.recipes, strict=True):
            if recipe:
                row, factor = recipe[0]
                np.multiply(channels[row], factor, out=lead)
            for row, factor in recipe[1:]:
                lead += factor * channels[row]
        return signal
