"""Refuse infinite samples, which files of floating-point numbers can hold."""

from collections.abc import Sequence

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.lead_names import shown_lead
from ecgstore.reasons import Reason


def check_finite(signal: FloatArray, names: Sequence[str], where: str) -> None:
    """Refuse a signal with an infinite sample; NaN is a missing one.

    Parameters
    ----------
    signal : ndarray of shape (n_channels, n_samples)
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
    infinite = np.isinf(signal).any(axis=1)
    if infinite.any():
        name = shown_lead(names[int(infinite.argmax())])
        raise RecordError(
            Reason.NOT_FINITE,
            f"{where}: lead {name} has an infinite sample; expected numbers, NaN where "
            "a sample is missing",
        )
