"""Transforms by SciPy and NumPy."""

import numpy as np
from scipy.signal import firwin, upfirdn

from bench.loading.transforms.candidates import FACTOR, Signals, Work


def make(name: str) -> Work:
    """Return a function that transforms a batch."""
    if name == "standardise":
        mean = np.linspace(-0.01, 0.01, 12, dtype=np.float32)[:, np.newaxis]
        sd = np.linspace(0.1, 0.4, 12, dtype=np.float32)[:, np.newaxis]

        def standardise(signals: Signals) -> Signals:
            signals -= mean
            signals /= sd
            return signals

        return standardise
    # As `scipy.signal.decimate(ftype="fir")`, in single precision, which it lacks.
    taps = firwin(20 * FACTOR + 1, 1 / FACTOR, window="hamming").astype(np.float32)

    def decimate(signals: Signals) -> Signals:
        slow = upfirdn(taps, signals, 1, FACTOR, axis=-1)
        begin = 10  # samples of the filter's delay, at the new rate
        kept: Signals = slow[..., begin : begin + signals.shape[-1] // FACTOR]
        return kept

    return decimate
