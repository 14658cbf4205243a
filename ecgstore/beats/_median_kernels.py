"""Compute medians that ignore NaNs."""

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.system.kernels import kernel


@kernel
def write_medians(values: FloatArray, out: FloatArray) -> None:
    """Set `out` to the median of each row, ignoring NaNs."""
    some = np.empty(values.shape[1])
    for i in range(len(values)):
        n = 0
        for value in values[i]:
            if not np.isnan(value):
                some[n] = value
                n += 1
        if n == 0:
            out[i] = np.nan
            continue
        in_order = some[:n]
        in_order.sort()
        out[i] = (in_order[(n - 1) // 2] + in_order[n // 2]) / 2
