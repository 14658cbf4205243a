"""Layers of the delineation network that do not mix rows, vectorised along time.

Feature maps have the shape (n_leads, width, n_times + 2 * PAD) with zeros in the
padding, so that convolutions need no test for the ends. Sums have a fixed order, and
multiplications and additions are not fused here, so that results are the same on every
machine. The innermost loops use rows of at most nine arrays: LLVM does not vectorise
loops over more, because it must check at run time that no two of them overlap.
"""

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array
from ecgstore.beats.unet._mixing_kernels import PAD
from ecgstore.system.kernels import kernel


@kernel
def fill_rows(out: Float32Array, values: Float32Array, k: int, n: int) -> None:
    """Set each row of `out` to its bias; the biases begin at `values[k]`."""
    for i in range(len(out)):
        row, value = out[i][PAD : PAD + n], values[k + i]
        for t in range(n):
            row[t] = value


@kernel
def add_rectified(x: Float32Array, y: Float32Array, n: int) -> None:
    """Add the positive features of `y` to `x`."""
    for i in range(len(x)):
        to, row = x[i][PAD : PAD + n], y[i][PAD : PAD + n]
        for t in range(n):
            to[t] += max(row[t], np.float32(0))


@kernel
def depthwise_seven(
    x: Float32Array, w: Float32Array, k: int, out: Float32Array, n: int
) -> None:
    """Convolve each row with seven weights of its own."""
    for i in range(len(x)):
        row, to = x[i][PAD - 3 : PAD + n + 3], out[i][PAD : PAD + n]
        j = k + 7 * i
        w0, w1, w2, w3 = w[j], w[j + 1], w[j + 2], w[j + 3]
        w4, w5, w6 = w[j + 4], w[j + 5], w[j + 6]
        for t in range(n):
            to[t] = (
                (w0 * row[t] + w1 * row[t + 1])
                + (w2 * row[t + 2] + w3 * row[t + 3])
                + ((w4 * row[t + 4] + w5 * row[t + 5]) + w6 * row[t + 6])
            )


@kernel
def depthwise_half(
    x: Float32Array, w: Float32Array, k: int, out: Float32Array, n: int
) -> None:
    """Convolve each row with five weights of its own, at every second of 2 n times."""
    for i in range(len(x)):
        row, to = x[i][PAD - 2 : PAD + 2 * n + 3], out[i][PAD : PAD + n]
        j = k + 5 * i
        w0, w1, w2, w3, w4 = w[j], w[j + 1], w[j + 2], w[j + 3], w[j + 4]
        for t in range(n):
            to[t] = (
                (w0 * row[2 * t] + w1 * row[2 * t + 1])
                + (w2 * row[2 * t + 2] + w3 * row[2 * t + 3])
                + w4 * row[2 * t + 4]
            )


@kernel
def stem(
    even: Float32Array,
    odd: Float32Array,
    w: Float32Array,
    k: int,
    out: Float32Array,
    n: int,
) -> None:
    """Convolve a signal with nine weights per feature, at every second sample.

    `even` and `odd` are the samples 2 t and 2 t + 1, padded; the biases follow the
    weights.
    """
    a, b = even[PAD - 2 : PAD + n + 2], odd[PAD - 2 : PAD + n + 2]
    for i in range(len(out)):
        to = out[i][PAD : PAD + n]
        j = k + 9 * i
        bias = w[k + 9 * len(out) + i]
        w0, w1, w2, w3, w4 = w[j], w[j + 1], w[j + 2], w[j + 3], w[j + 4]
        w5, w6, w7, w8 = w[j + 5], w[j + 6], w[j + 7], w[j + 8]
        for t in range(n):
            value = (
                bias
                + (w0 * a[t] + w2 * a[t + 1])
                + (w4 * a[t + 2] + w6 * a[t + 3])
                + (w8 * a[t + 4] + w1 * b[t])
                + ((w3 * b[t + 1] + w5 * b[t + 2]) + w7 * b[t + 3])
            )
            to[t] = max(value, np.float32(0))


@kernel
def add_doubled(out: Float32Array, x: Float32Array, n: int) -> None:
    """Add `x`, interpolated to twice its `n` times, to `out`."""
    half = np.float32(0.5)
    for i in range(len(out)):
        row, to = x[i][PAD : PAD + n], out[i][PAD : PAD + 2 * n]
        for t in range(n - 1):
            to[2 * t] += row[t]
            to[2 * t + 1] += half * (row[t] + row[t + 1])
        to[2 * n - 2] += row[n - 1]
        to[2 * n - 1] += row[n - 1]


@kernel
def pool(x: Float32Array, usable: BoolArray, out: Float32Array, n: int) -> None:
    """Set half of `out` to the mean over the usable leads, and half to the maximum.

    `usable` of shape (n_leads, n_spans) divides the `n` times into equal spans. Where
    no lead is usable, `out` is 0.
    """
    if usable.all():
        _pool_all(x, out, n)
    else:
        _pool_usable(x, usable, out, n)


@kernel
def _pool_usable(x: Float32Array, usable: BoolArray, out: Float32Array, n: int) -> None:
    """Set `out` to mean and maximum where some leads are not usable."""
    n_leads, width = x.shape[0], x.shape[1]
    n_spans = usable.shape[1]
    size = n // n_spans
    for i in range(width):
        mean, highest = out[i][PAD : PAD + n], out[width + i][PAD : PAD + n]
        for k in range(n_spans):
            begin, end = k * size, (k + 1) * size
            mean[begin:end] = 0
            highest[begin:end] = -np.inf
            n_usable = 0
            for lead in range(n_leads):
                if usable[lead, k]:
                    n_usable += 1
                    row = x[lead, i][PAD : PAD + n]
                    for t in range(begin, end):
                        mean[t] += row[t]
                        highest[t] = max(highest[t], row[t])
            if n_usable:
                share = np.float32(1) / np.float32(n_usable)
                for t in range(begin, end):
                    mean[t] *= share
            else:
                highest[begin:end] = 0


@kernel
def _pool_all(x: Float32Array, out: Float32Array, n: int) -> None:
    """Set `out` to mean and maximum over all leads."""
    n_leads, width = x.shape[0], x.shape[1]
    share = np.float32(1) / np.float32(n_leads)
    for i in range(width):
        mean, highest = out[i][PAD : PAD + n], out[width + i][PAD : PAD + n]
        first = x[0, i][PAD : PAD + n]
        for t in range(n):
            mean[t] = first[t]
            highest[t] = first[t]
        for lead in range(1, n_leads):
            row = x[lead, i][PAD : PAD + n]
            for t in range(n):
                mean[t] += row[t]
                highest[t] = max(highest[t], row[t])
        for t in range(n):
            mean[t] *= share
