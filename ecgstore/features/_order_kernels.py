"""Kernels for sorting, quantiles and averages, shared by groups of features."""

import math

from ecgstore.arrays import FloatArray
from ecgstore.system.kernels import kernel


@kernel
def sort(values: FloatArray) -> None:
    """Sort in place (Shell's sort with the gaps 1, 4, 13, ...: no allocation)."""
    gap = 1
    while gap < len(values) // 3:
        gap = 3 * gap + 1
    while gap:
        for i in range(gap, len(values)):
            value = values[i]
            j = i
            while j >= gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3


@kernel
def quantile(ordered: FloatArray, part: float) -> float:
    """Return a quantile by linear interpolation (type 7) of sorted values."""
    place = part * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


@kernel
def median_of_sorted(ordered: FloatArray) -> float:
    """Return the median of sorted values."""
    n = len(ordered)
    return float(0.5 * (ordered[(n - 1) // 2] + ordered[n // 2]))


@kernel
def median_of_defined(values: FloatArray) -> float:
    """Return the median of the values that are not NaN, or NaN; reorders them."""
    n = 0
    for value in values:
        if not math.isnan(value):
            values[n] = value
            n += 1
    if n == 0:
        return math.nan
    sort(values[:n])
    return float(median_of_sorted(values[:n]))


@kernel
def mean_of_defined(values: FloatArray) -> float:
    """Return the mean of the values that are not NaN, or NaN."""
    total = 0.0
    n = 0
    for value in values:
        if not math.isnan(value):
            total += value
            n += 1
    return total / n if n else math.nan


@kernel
def write_medians(rows: FloatArray, work: FloatArray) -> None:
    """Write the medians of the other rows to the first one.

    `work` has shape (n_rows - 1,).
    """
    n = len(rows) - 1
    for column in range(rows.shape[1]):
        for k in range(n):
            work[k] = rows[1 + k, column]
        rows[0, column] = median_of_defined(work[:n])
