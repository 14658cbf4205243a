"""The signal of a record that is in memory as a whole."""

from collections.abc import Sequence

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray


class WholeSignal:
    """The channels of a record in memory, in mV; a `ChannelSignal`.

    Parameters
    ----------
    channels : sequence of ndarray of shape (n_samples,)
        The samples; NaN where missing.
    checksum_differs : bool
        Whether a checksum of the file differs from its content.
    """

    def __init__(
        self,
        channels: Sequence[FloatArray] | FloatArray,
        checksum_differs: bool = False,
    ) -> None:
        self.n_samples = len(channels[0])
        self.checksum_differs: BoolArray = np.full(len(channels), checksum_differs)
        self.first_value_differs: BoolArray = np.zeros(len(channels), bool)
        self._channels = channels

    def read(self, begin: int, end: int) -> FloatArray:
        """Return some samples of the channels, in mV."""
        return np.array([channel[begin:end] for channel in self._channels])
