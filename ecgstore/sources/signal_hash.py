"""A hash of a signal that does not depend on its file format."""

import hashlib

import numpy as np

from ecgstore.arrays import FloatArray


def signal_sha256(signal: FloatArray) -> str:
    r"""Return the SHA-256 of a signal that is rounded to microvolts.

    The same ECG has the same hash in every file format, so that copies of a
    recording can be found and kept in one fold.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV; NaN where a sample is missing.

    Returns
    -------
    str
        64 hexadecimal digits.

    Notes
    -----
    The hashed bytes are little-endian int32: all leads of the first sample, then all
    leads of the second, and so on. Values are microvolts, rounded half to even and
    limited to -2147483647..2147483647; a missing sample is -2147483648.

    Examples
    --------
    >>> signal_sha256(np.array([[0.001, np.nan]])) == hashlib.sha256(
    ...     b"\x01\x00\x00\x00" + b"\x00\x00\x00\x80"
    ... ).hexdigest()
    True
    """
    from ecgstore.sources.wfdb._samples_kernels import mv_to_microvolts

    n_leads, n_samples = signal.shape
    microvolts = np.empty((n_samples, n_leads), dtype=np.int32)
    mv_to_microvolts(np.ascontiguousarray(signal, dtype=np.float64), microvolts)
    return hashlib.sha256(microvolts.astype("<i4", copy=False).data).hexdigest()
