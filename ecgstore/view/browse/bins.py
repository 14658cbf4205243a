"""Bins of a column of numbers, with edges that people would choose."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, FloatArray, IntArray

_MOST_BINS: Final = 28
_SAMPLE: Final = 200_000
"""Values from which the range of the bins is chosen."""

_OUTER: Final = 0.005
"""This part of the values may lie beyond the bins, on either side."""

_LEAST_POWER: Final = -300
"""Of the width of bins: beyond it, powers of ten are no numbers."""

_BLOCK: Final = 1 << 18


@dataclass(frozen=True)
class Bins:
    """A column of numbers, cut into bins.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Bin k holds values from ``edges[k]`` on and below ``edges[k + 1]``; the outer
        ones may be infinite.
    codes : ndarray of shape (n_records,)
        Bin of each record; `n_bins` where the value is missing.
    """

    edges: FloatArray
    codes: NDArray[np.uint8]

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Bins":
        """Return bins of one width, with one at each end for what is far out."""
        edges = bin_edges(values)
        codes = np.empty(len(values), np.uint8)
        for begin in range(0, len(values), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            part = np.asarray(values[block], np.float64)
            bins = np.searchsorted(edges, part, side="right") - 1
            bins = np.clip(bins, 0, len(edges) - 2)  # infinity is in the last one
            bins[np.isnan(part)] = len(edges) - 1
            codes[block] = bins
        return cls(edges, codes)

    @cached_property
    def of_all(self) -> IntArray:
        """How many of all records are in each bin; last, those in none."""
        return self.counts(None)

    def counts(self, mask: BoolArray | None) -> IntArray:
        """Return how many of some records are in each bin; last, those in none."""
        codes = self.codes if mask is None else self.codes[mask]
        return np.bincount(codes, minlength=len(self.edges))


def bin_edges(values: NDArray[Any]) -> FloatArray:
    """Return edges of bins that hold all values.

    Examples
    --------
    >>> bin_edges(np.array([18.0, 22.0, 41.0, np.nan, 63.0])).tolist()[:4]
    [18.0, 20.0, 22.0, 24.0]
    >>> bin_edges(np.array([0, 1, 1, 2])).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    is_whole = values.dtype.kind in "iu"
    sample = np.asarray(values[:: max(1, len(values) // _SAMPLE)], np.float64)
    sample = sample[np.isfinite(sample)]
    if not len(sample):
        return np.array([-np.inf, np.inf])
    # Observed values: between those of +-1e308, there are none to be computed.
    low, high = np.quantile(sample, [_OUTER, 1 - _OUTER], method="nearest")
    factor, power = _width(high / _MOST_BINS - low / _MOST_BINS, is_whole)
    width = factor * 10.0**power
    first = np.floor(low / width)
    numbers = first + np.arange(int(np.floor(high / width) - first) + 2)
    with np.errstate(over="ignore"):
        # Divided by a power of ten, edges are the numbers that people write.
        scaled = numbers * factor
        edges = scaled * 10.0**power if power >= 0 else scaled / 10.0**-power
    edges = np.unique(edges)  # some may be equal where numbers are huge
    lowest, highest = _extremes(values)
    if lowest < edges[0]:
        below = edges[0] - width
        edges = np.concatenate([[below if lowest >= below else -np.inf], edges])
    if highest >= edges[-1]:
        above = edges[-1] + width
        edges = np.concatenate([edges, [above if highest < above else np.inf]])
    return np.unique(edges)


def _width(least: float, is_whole: bool) -> tuple[float, int]:
    """Return the smallest width that suffices: 1, 2, 2.5 or 5, and a power of ten."""
    if least <= 0:
        return 1.0, 0
    power = max(math.floor(math.log10(least)), _LEAST_POWER)
    if is_whole and power < 0:
        return 1.0, 0
    factors = (1.0, 2.0, 5.0, 10.0) if is_whole and power == 0 else (1, 2, 2.5, 5, 10)
    factor = next(one for one in factors if one * 10.0**power >= least)
    return float(factor), power


def _extremes(values: NDArray[Any]) -> tuple[float, float]:
    """Return the lowest and the highest value."""
    lowest, highest = np.inf, -np.inf
    for begin in range(0, len(values), _BLOCK):
        part = np.asarray(values[begin : begin + _BLOCK], np.float64)
        lowest = np.fmin.reduce(part, initial=lowest)
        highest = np.fmax.reduce(part, initial=highest)
    return float(lowest), float(highest)
