"""Sampling rates that an ECG can have."""

from typing import Final

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason

_MIN_FS: Final = 50.0  # Hz: below, the waves of an ECG cannot be distinguished
_MAX_FS: Final = 20_000.0  # Hz: more than any electrocardiograph records


def check_sampling_rate(fs: float, where: str) -> None:
    """Refuse a sampling rate that no ECG has; NaN included.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    where : str
        The record's header, for the error message.

    Raises
    ------
    RecordError
        With `Reason.BAD_SAMPLING_RATE`.
    """
    if not _MIN_FS <= fs <= _MAX_FS:
        raise RecordError(
            Reason.BAD_SAMPLING_RATE,
            f"{where}: {fs:g} Hz; expected {_MIN_FS:g} to {_MAX_FS:g} Hz",
        )
