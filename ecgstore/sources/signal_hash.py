"""A hash of a signal that does not depend on its file format."""

import hashlib
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray

_BLOCK: Final = 2048
"""Samples per lead that are rounded at a time: 98 kB, which stay in the cache."""


class SignalHash:
    r"""The SHA-256 of a signal that is rounded to microvolts, taken piece by piece.

    The same ECG has the same hash in every file format, so that copies of a
    recording can be found and kept in one fold.

    Notes
    -----
    The hashed bytes are little-endian int32: all leads of the first sample, then all
    leads of the second, and so on. Values are microvolts, rounded half to even and
    limited to -2147483647..2147483647; a missing sample is -2147483648.

    Examples
    --------
    >>> signal_hash = SignalHash()
    >>> signal_hash.update(np.array([[0.001]]))
    >>> signal_hash.update(np.array([[np.nan]]))
    >>> signal_hash.hexdigest() == hashlib.sha256(
    ...     b"\x01\x00\x00\x00" + b"\x00\x00\x00\x80"
    ... ).hexdigest()
    True
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, signal: FloatArray) -> None:
        """Add the next piece of a signal.

        Parameters
        ----------
        signal : ndarray of shape (n_leads, n_samples)
            Voltages in mV; NaN where a sample is missing.
        """
        from ecgstore.sources.wfdb._samples_kernels import mv_to_microvolts

        signal = np.ascontiguousarray(signal, dtype=np.float64)
        n_leads, n_samples = signal.shape
        block = np.empty((min(n_samples, _BLOCK), n_leads), dtype=np.int32)
        for first in range(0, n_samples, _BLOCK):
            microvolts = block[: n_samples - first]
            mv_to_microvolts(signal, first, microvolts)
            self._hash.update(microvolts.astype("<i4", copy=False).data)

    def hexdigest(self) -> str:
        """Return the hash of all pieces, 64 hexadecimal digits."""
        return self._hash.hexdigest()


def signal_sha256(signal: FloatArray) -> str:
    """Return the `SignalHash` of a whole signal, (n_leads, n_samples) in mV.

    Examples
    --------
    >>> signal_sha256(np.zeros((12, 5000)))[:8]
    'dd046cca'
    """
    signal_hash = SignalHash()
    signal_hash.update(signal)
    return signal_hash.hexdigest()
