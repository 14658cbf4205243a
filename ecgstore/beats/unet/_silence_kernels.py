"""Measure the bends of leads, and the range of their windows."""

import numpy as np

from ecgstore.arrays import Float32Array
from ecgstore.system.kernels import kernel


@kernel
def write_bends(x: Float32Array, lag: int, step: int, out: Float32Array) -> None:
    """Set `out` to the largest bend in each span of `step` samples of each lead.

    The bend at a time is the second difference over `lag` samples, without its sign; at
    the ends, where a sample is missing, it is 0.
    """
    n = x.shape[1]
    for lead in range(len(x)):
        row, to = x[lead], out[lead]
        for k in range(len(to)):
            highest = np.float32(0)
            for t in range(max(k * step, lag), min((k + 1) * step, n - lag)):
                bend = abs(row[t - lag] - np.float32(2) * row[t] + row[t + lag])
                highest = max(highest, bend)
            to[k] = highest


@kernel
def write_ranges(x: Float32Array, window: int, out: Float32Array) -> None:
    """Set `out` to the range of each window of `window` samples of each lead."""
    for lead in range(len(x)):
        row, to = x[lead], out[lead]
        for k in range(len(to)):
            low, high = row[k * window], row[k * window]
            for t in range(k * window + 1, (k + 1) * window):
                low, high = min(low, row[t]), max(high, row[t])
            to[k] = high - low
