"""MiniRocket without intermediate results: convolve, compare, and count at once.

Signals are split into even and odd samples, because outputs are at every second sample;
so rows are contiguous and loops over them are vectorised. A convolution takes additions
only: weights are 2 at three taps and -1 at the other six, so that an output is three
times the sum of the three, less the sum of all nine, which kernels of one lead share.
Sums have a fixed order: a record has the same features in any company.
"""

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array, IntArray
from ecgstore.system.kernels import kernel

BLOCK = 128
"""Rows have a multiple of this length: eight parts of whole vector registers."""


@kernel
def write_features(
    signals: Float32Array,
    n_real: IntArray,
    uses: BoolArray,
    taps: IntArray,
    dilations: IntArray,
    scale: Float32Array,
    begins: Float32Array,
    out: Float32Array,
) -> None:
    """Set `out` to the share of samples at which outputs are above the thresholds.

    The signals are of shape (n_records, n_leads, n_samples); `n_real` has the number of
    samples of each before its padding of zeros. `uses` (n_dilations, n_patterns,
    n_leads) has the leads that a convolution sums, `taps` (n_patterns, 3) the taps of
    weight 2, among 0 to 8. An output times `scale` (n_dilations, n_patterns), less one
    of `begins` (n_dilations, n_patterns, n_thresholds), counts as 0 below 0, as 1 above
    1. `out` is of shape (n_records, n_dilations, n_thresholds, n_patterns).
    """
    n_leads, n_samples = signals.shape[1:]
    reach = 2 * dilations[-1] + 1
    n = (n_samples + 1) // 2
    n = (n + BLOCK - 1) // BLOCK * BLOCK
    halves = np.zeros((2, n_leads, n + 2 * reach), np.float32)
    sums = np.zeros((n_leads, n), np.float32)
    outputs = np.zeros(n, np.float32)
    parts = np.zeros(n // 8, np.float32)
    for record in range(len(signals)):
        _split(signals[record], halves, reach)
        n_counted = (n_real[record] + 1) // 2
        for i, dilation in enumerate(dilations):
            _write_sums(halves, dilation, reach, sums)
            for k in range(len(taps)):
                _convolve(halves, sums, uses[i, k], taps[k], dilation, reach, outputs)
                for t in range(n_counted, n):
                    outputs[t] = -np.inf
                for q in range(begins.shape[2]):
                    total = _total_above(outputs, scale[i, k], begins[i, k, q], parts)
                    share = total / np.float32(max(n_counted, 1))
                    out[record, i, q, k] = share


@kernel
def _split(signal: Float32Array, halves: Float32Array, reach: int) -> None:
    """Write the even and the odd samples of each lead, after `reach` zeros."""
    n_samples = signal.shape[1]
    for lead in range(len(signal)):
        row = signal[lead]
        even, odd = halves[0, lead][reach:], halves[1, lead][reach:]
        for t in range((n_samples + 1) // 2):
            even[t] = row[2 * t]
        for t in range(n_samples // 2):
            odd[t] = row[2 * t + 1]


@kernel
def _tap(
    halves: Float32Array, lead: int, tap: int, dilation: int, reach: int, n: int
) -> Float32Array:
    """Return what a tap sees of a lead at the times of the outputs."""
    offset = (tap - 4) * dilation
    begin = reach + (offset >> 1)
    row: Float32Array = halves[offset & 1, lead][begin : begin + n]
    return row


@kernel
def _write_sums(
    halves: Float32Array, dilation: int, reach: int, sums: Float32Array
) -> None:
    """Write the sum over all nine taps, for each lead."""
    n = sums.shape[1]
    for lead in range(len(sums)):
        to = sums[lead]
        for t in range(n):
            to[t] = 0
        for tap in range(9):
            row = _tap(halves, lead, tap, dilation, reach, n)
            for t in range(n):
                to[t] += row[t]


@kernel
def _convolve(
    halves: Float32Array,
    sums: Float32Array,
    uses: BoolArray,
    taps: IntArray,
    dilation: int,
    reach: int,
    out: Float32Array,
) -> None:
    """Write the output of one convolution."""
    n = len(out)
    for t in range(n):
        out[t] = 0
    for lead in range(len(uses)):
        if uses[lead]:
            _add_lead(
                out,
                _tap(halves, lead, taps[0], dilation, reach, n),
                _tap(halves, lead, taps[1], dilation, reach, n),
                _tap(halves, lead, taps[2], dilation, reach, n),
                sums[lead],
            )


@kernel
def _add_lead(
    out: Float32Array,
    first: Float32Array,
    second: Float32Array,
    third: Float32Array,
    sums: Float32Array,
) -> None:
    """Add the convolution of one lead."""
    three = np.float32(3)
    for t in range(len(out)):
        out[t] += three * (first[t] + second[t] + third[t]) - sums[t]


@kernel
def _total_above(
    outputs: Float32Array, scale: np.float32, begin: np.float32, parts: Float32Array
) -> np.float32:
    """Return the sum of the ramps; eight parts of the row are added first.

    A plain sum over the row would wait for one addition after the other.
    """
    n = len(parts)
    for t in range(n):
        parts[t] = (
            (_ramp(outputs[t] * scale - begin) + _ramp(outputs[t + n] * scale - begin))
            + (
                _ramp(outputs[t + 2 * n] * scale - begin)
                + _ramp(outputs[t + 3 * n] * scale - begin)
            )
        ) + (
            (
                _ramp(outputs[t + 4 * n] * scale - begin)
                + _ramp(outputs[t + 5 * n] * scale - begin)
            )
            + (
                _ramp(outputs[t + 6 * n] * scale - begin)
                + _ramp(outputs[t + 7 * n] * scale - begin)
            )
        )
    total = np.float32(0)
    for t in range(0, n, 4):
        total += (parts[t] + parts[t + 1]) + (parts[t + 2] + parts[t + 3])
    return total


@kernel
def _ramp(x: np.float32) -> np.float32:
    """Return a number, 0 below 0 and 1 above 1."""
    return min(max(x, np.float32(0)), np.float32(1))
