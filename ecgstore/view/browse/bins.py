"""Bins of a column of numbers, with edges that people would choose."""

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

_DECIMALS: Final = 12
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
    low, high = np.quantile(sample, [_OUTER, 1 - _OUTER])
    width = _width((high - low) / _MOST_BINS, is_whole)
    first = np.floor(low / width)
    n_bins = int(np.floor(high / width) - first) + 1
    # Of huge or tiny numbers, some edges may be equal.
    edges: FloatArray = np.unique(
        np.round((first + np.arange(n_bins + 1)) * width, _DECIMALS)
    )
    lowest, highest = _extremes(values)
    if lowest < edges[0]:
        edges = np.concatenate([[-np.inf], edges])
    if highest >= edges[-1]:
        edges = np.concatenate([edges, [np.inf]])
    return edges


def _width(least: float, is_whole: bool) -> float:
    """Return the smallest of 1, 2, 2.5 and 5 times a power of ten that suffices."""
    if least <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(least))
    width = next(
        factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least
    )
    return float(max(np.ceil(width), 1.0) if is_whole else width)


def _extremes(values: NDArray[Any]) -> tuple[float, float]:
    """Return the lowest and the highest value."""
    lowest, highest = np.inf, -np.inf
    for begin in range(0, len(values), _BLOCK):
        part = np.asarray(values[begin : begin + _BLOCK], np.float64)
        lowest = np.fmin.reduce(part, initial=lowest)
        highest = np.fmax.reduce(part, initial=highest)
    return float(lowest), float(highest)
