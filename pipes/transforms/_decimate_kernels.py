"""The low-pass filter of decimation, computed only for samples that are kept."""

import numpy as np

from ecgstore.arrays import Float32Array
from ecgstore.system.kernels import kernel


@kernel
def decimate(
    signals: Float32Array, taps: Float32Array, factor: int, out: Float32Array
) -> None:
    """Set `out` to every `factor`-th sample of the filtered signals.

    The signals are of shape (n_rows, n_samples), `out` of (n_rows, ceil(n_samples /
    factor)), and there are ``2 * n * factor + 1`` taps. Samples are sorted by their
    remainder, so that what a tap sees are neighbours, and it is added to all outputs at
    once. Sums have a fixed order: a signal has the same result in any company.
    """
    n_samples, n_slow = signals.shape[1], out.shape[1]
    n_before = len(taps) // factor // 2
    by_remainder = np.zeros((factor, n_slow + 2 * n_before), np.float32)
    for k in range(len(signals)):
        row, to = signals[k], out[k]
        for remainder in range(factor):
            part = by_remainder[remainder][n_before:]
            for t in range((n_samples - remainder + factor - 1) // factor):
                part[t] = row[remainder + t * factor]
        for t in range(n_slow):
            to[t] = 0
        for tap in range(len(taps)):
            weight = taps[tap]
            part = by_remainder[tap % factor][tap // factor :]
            for t in range(n_slow):
                to[t] += weight * part[t]
