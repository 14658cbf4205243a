"""Refuse infinite samples, which files of floating-point numbers can hold."""

from collections.abc import Sequence

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.lead_names import shown_lead
from ecgstore.reasons import Reason


def check_finite(
    signal: FloatArray | Sequence[FloatArray], names: Sequence[str], where: str
) -> None:
    """Refuse a signal with an infinite sample; NaN is a missing one.

    Parameters
    ----------
    signal : ndarray of shape (n_channels, n_samples), or sequence of its rows
        Voltages.
    names : sequence of str
        Names of the channels.
    where : str
        The record, for the message.

    Raises
    ------
    RecordError
        With `Reason.NOT_FINITE`; the message names the channel.
    """
    for channel, name in zip(signal, names, strict=True):
        if np.isinf(channel).any():
            raise RecordError(
                Reason.NOT_FINITE,
                f"{where}: lead {shown_lead(name)} has an infinite sample; expected "
                "numbers, NaN where a sample is missing",
            )
