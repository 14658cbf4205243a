"""The forward pass of the delineation network."""

from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array
from ecgstore.beats.unet._layers_kernels import (
    PAD,
    add_doubled,
    add_mixed,
    add_rectified,
    copy_rows,
    depthwise_half,
    depthwise_seven,
    fill_rows,
    pool,
    rectify,
    stem,
)
from ecgstore.system.kernels import kernel

N_CLASSES: Final = 7
STEP: Final = 16
"""The signal's length must be a multiple of this."""

N_WEIGHTS: Final = 49_415
"""Number of weights that `forward` reads."""

_A: Final = 8
_B: Final = 16
_C: Final = 24
_D: Final = 32
_CONTEXT: Final = 48
_N_DILATIONS: Final = 5


@kernel
def _block(
    x: Float32Array,
    w: Float32Array,
    k: int,
    shared: Float32Array,
    y: Float32Array,
    z: Float32Array,
    n: int,
) -> int:
    """Apply a residual block to all leads in place; return the end of its weights.

    Weights: depthwise, pointwise, shared (if `shared` has rows), biases.
    """
    n_leads, width = x.shape[0], x.shape[1]
    k_point = k + 7 * width
    k_shared = k_point + width * width
    k_bias = k_shared + width * len(shared)
    common = z[width : 2 * width]
    fill_rows(common, w, k_bias, n)
    if len(shared):
        add_mixed(common, w, k_shared, shared, 0, n)
    for lead in range(n_leads):
        depthwise_seven(x[lead], w, k, y, n)
        copy_rows(z, common, n)
        add_mixed(z[:width], w, k_point, y[:width], 0, n)
        add_rectified(x[lead], z, n)
    return int(k_bias + width)


@kernel
def _down(
    x: Float32Array, w: Float32Array, k: int, y: Float32Array, out: Float32Array, n: int
) -> int:
    """Halve the rate of all leads to `n` times; weights: depthwise, pointwise, bias."""
    width, width_out = x.shape[1], out.shape[1]
    k_point = k + 5 * width
    k_bias = k_point + width * width_out
    for lead in range(len(x)):
        depthwise_half(x[lead], w, k, y, n)
        fill_rows(out[lead], w, k_bias, n)
        add_mixed(out[lead], w, k_point, y[:width], 0, n)
        rectify(out[lead], n)
    return int(k_bias + width_out)


@kernel
def _up(
    x: Float32Array, w: Float32Array, k: int, y: Float32Array, out: Float32Array, n: int
) -> int:
    """Double the rate of all leads from `n` times and add them to `out`."""
    width, width_out = x.shape[1], out.shape[1]
    k_bias = k + width * width_out
    for lead in range(len(x)):
        fill_rows(y[:width_out], w, k_bias, n)
        add_mixed(y[:width_out], w, k, x[lead], 0, n)
        add_doubled(out[lead], y, n)
    return int(k_bias + width_out)


@kernel
def _context(
    shared: Float32Array,
    w: Float32Array,
    k: int,
    x: Float32Array,
    y: Float32Array,
    n: int,
) -> int:
    """Set `x` to features of the record around each time, by dilated convolutions."""
    k_bias = k + len(x) * len(shared)
    fill_rows(x, w, k_bias, n)
    add_mixed(x, w, k, shared, 0, n)
    rectify(x, n)
    k = k_bias + len(x)
    for stage in range(_N_DILATIONS):
        k_bias = k + 3 * len(x) * len(x)
        fill_rows(y, w, k_bias, n)
        for tap in range(3):
            shift = (tap - 1) * (1 << stage)
            add_mixed(y, w, k + tap * len(x) * len(x), x, shift, n)
        add_rectified(x, y, n)
        k = k_bias + len(x)
    return k


def memory_size(n_leads: int, n_samples: int) -> int:
    """Return how many numbers the features of all leads take."""
    features = ((_A, 2), (_B, 4), (_C, 8), (_D, 16))
    return n_leads * sum(
        width * (n_samples // rate + 2 * PAD) for width, rate in features
    )


@kernel
def forward(
    signal: Float32Array,
    usable: BoolArray,
    w: Float32Array,
    memory: Float32Array,
    out: Float32Array,
) -> int:
    """Set `out` to the logits of the classes of each lead.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        At 250 Hz, scaled; n_samples is a multiple of `STEP`.
    usable : ndarray of shape (n_leads, n_samples / STEP)
        Whether each lead counts in each span of `STEP` samples.
    w : ndarray of shape (N_WEIGHTS,)
        All weights, in the order of use.
    memory : ndarray of shape (memory_size(n_leads, n_samples),)
        Zeros, or what an earlier call for an equal number of leads and samples left.
    out : ndarray of shape (n_leads, 7, n_samples / 2 + 2 * PAD)

    Returns
    -------
    int
        Number of weights used.
    """
    n_leads = len(signal)
    n_a = signal.shape[1] // 2
    n_b, n_c, n_d = n_a // 2, n_a // 4, n_a // 8
    # Only the padding must be zero, and nothing is ever written into it.
    end_a = n_leads * _A * (n_a + 2 * PAD)
    end_b = end_a + n_leads * _B * (n_b + 2 * PAD)
    end_c = end_b + n_leads * _C * (n_c + 2 * PAD)
    end_d = end_c + n_leads * _D * (n_d + 2 * PAD)
    a = memory[:end_a].reshape((n_leads, _A, n_a + 2 * PAD))
    b = memory[end_a:end_b].reshape((n_leads, _B, n_b + 2 * PAD))
    c = memory[end_b:end_c].reshape((n_leads, _C, n_c + 2 * PAD))
    d = memory[end_c:end_d].reshape((n_leads, _D, n_d + 2 * PAD))
    even = np.zeros(n_a + 2 * PAD, np.float32)
    odd = np.zeros(n_a + 2 * PAD, np.float32)
    # Scratch rows of each rate.
    y_a = np.zeros((_A, n_a + 2 * PAD), np.float32)
    z_a = np.zeros((2 * _A, n_a + 2 * PAD), np.float32)
    y_b = np.zeros((_B, n_b + 2 * PAD), np.float32)
    z_b = np.zeros((2 * _B, n_b + 2 * PAD), np.float32)
    y_c = np.zeros((_C, n_c + 2 * PAD), np.float32)
    z_c = np.zeros((2 * _C, n_c + 2 * PAD), np.float32)
    y_d = np.zeros((_D, n_d + 2 * PAD), np.float32)
    z_d = np.zeros((2 * _D, n_d + 2 * PAD), np.float32)
    shared_b = np.zeros((2 * _B, n_b + 2 * PAD), np.float32)
    shared_c = np.zeros((2 * _C, n_c + 2 * PAD), np.float32)
    shared_d = np.zeros((2 * _D, n_d + 2 * PAD), np.float32)
    context = np.zeros((_CONTEXT, n_d + 2 * PAD), np.float32)
    context_y = np.zeros((_CONTEXT, n_d + 2 * PAD), np.float32)
    nothing = np.zeros((0, 2 * PAD), np.float32)

    for lead in range(n_leads):
        row = signal[lead]
        for t in range(n_a):
            even[PAD + t] = row[2 * t]
            odd[PAD + t] = row[2 * t + 1]
        stem(even, odd, w, 0, a[lead], n_a)
    k = 10 * _A
    k = _block(a, w, k, nothing, y_a, z_a, n_a)
    k = _down(a, w, k, y_b, b, n_b)
    k = _block(b, w, k, nothing, y_b, z_b, n_b)
    k = _down(b, w, k, y_c, c, n_c)
    pool(c, usable, shared_c, n_c)
    k = _block(c, w, k, shared_c, y_c, z_c, n_c)
    k = _down(c, w, k, y_d, d, n_d)
    pool(d, usable, shared_d, n_d)
    k = _context(shared_d, w, k, context, context_y, n_d)
    k = _block(d, w, k, context, y_d, z_d, n_d)
    k = _block(d, w, k, nothing, y_d, z_d, n_d)
    k = _up(d, w, k, y_d, c, n_d)
    k = _block(c, w, k, nothing, y_c, z_c, n_c)
    k = _up(c, w, k, y_c, b, n_c)
    pool(b, usable, shared_b, n_b)
    k = _block(b, w, k, shared_b, y_b, z_b, n_b)
    k = _up(b, w, k, y_b, a, n_b)
    k = _block(a, w, k, nothing, y_a, z_a, n_a)
    for lead in range(n_leads):
        fill_rows(out[lead], w, k + 3 * N_CLASSES * _A, n_a)
        for tap in range(3):
            add_mixed(out[lead], w, k + tap * N_CLASSES * _A, a[lead], tap - 1, n_a)
    return k + 3 * N_CLASSES * _A + N_CLASSES
