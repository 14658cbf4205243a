"""The forward pass of the delineation network."""

from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array
from ecgstore.beats.unet._layers_kernels import (
    add_doubled,
    add_rectified,
    depthwise_half,
    depthwise_seven,
    fill_rows,
    pool,
    stem,
)
from ecgstore.beats.unet._mixing_kernels import (
    PAD,
    add_mixed_rectified,
    convolve_three,
    mix,
    mix_rectified,
    row_length,
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
    n: int,
) -> int:
    """Apply a residual block to all leads in place; return the end of its weights.

    Weights: depthwise, pointwise, shared (if `shared` has rows), biases.
    """
    width = x.shape[1]
    k_point = k + 7 * width
    k_shared = k_point + width * width
    convolved, common = y[:width], y[width:]
    if len(shared):
        mix(common, shared, w, k_shared, n)
    else:
        fill_rows(common, w, k_shared, n)
    for lead in range(len(x)):
        depthwise_seven(x[lead], w, k, convolved, n)
        add_mixed_rectified(x[lead], common, convolved, w, k_point, n)
    return int(k_shared + width * len(shared) + width)


@kernel
def _down(
    x: Float32Array, w: Float32Array, k: int, y: Float32Array, out: Float32Array, n: int
) -> int:
    """Halve the rate of all leads to `n` times; weights: depthwise, pointwise, bias."""
    width, width_out = x.shape[1], out.shape[1]
    k_point = k + 5 * width
    for lead in range(len(x)):
        depthwise_half(x[lead], w, k, y, n)
        mix_rectified(out[lead], y[:width], w, k_point, n)
    return int(k_point + width * width_out + width_out)


@kernel
def _up(
    x: Float32Array, w: Float32Array, k: int, y: Float32Array, out: Float32Array, n: int
) -> int:
    """Double the rate of all leads from `n` times and add them to `out`."""
    width, width_out = x.shape[1], out.shape[1]
    for lead in range(len(x)):
        mix(y[:width_out], x[lead], w, k, n)
        add_doubled(out[lead], y, n)
    return int(k + width * width_out + width_out)


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
    mix_rectified(x, shared, w, k, n)
    k += len(x) * len(shared) + len(x)
    for stage in range(_N_DILATIONS):
        convolve_three(y, x, w, k, 1 << stage, n)
        add_rectified(x, y, n)
        k += 3 * len(x) * len(x) + len(x)
    return k


def memory_size(n_leads: int, n_samples: int) -> int:
    """Return how many numbers the features of all leads take."""
    features = ((_A, 2), (_B, 4), (_C, 8), (_D, 16))
    return n_leads * sum(
        width * row_length(n_samples // rate) for width, rate in features
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
    out : ndarray of shape (n_leads, 7, row_length(n_samples / 2))

    Returns
    -------
    int
        Number of weights used.
    """
    n_leads = len(signal)
    n_a = signal.shape[1] // 2
    n_b, n_c, n_d = n_a // 2, n_a // 4, n_a // 8
    l_a, l_b, l_c, l_d = (
        row_length(n_a),
        row_length(n_b),
        row_length(n_c),
        row_length(n_d),
    )
    # Only the padding must be zero, and nothing is ever written into it.
    end_a = n_leads * _A * l_a
    end_b = end_a + n_leads * _B * l_b
    end_c = end_b + n_leads * _C * l_c
    end_d = end_c + n_leads * _D * l_d
    a = memory[:end_a].reshape((n_leads, _A, l_a))
    b = memory[end_a:end_b].reshape((n_leads, _B, l_b))
    c = memory[end_b:end_c].reshape((n_leads, _C, l_c))
    d = memory[end_c:end_d].reshape((n_leads, _D, l_d))
    even = np.zeros(l_a, np.float32)
    odd = np.zeros(l_a, np.float32)
    # Scratch rows of each rate.
    y_a = np.zeros((2 * _A, l_a), np.float32)
    y_b = np.zeros((2 * _B, l_b), np.float32)
    y_c = np.zeros((2 * _C, l_c), np.float32)
    y_d = np.zeros((2 * _D, l_d), np.float32)
    shared_b = np.zeros((2 * _B, l_b), np.float32)
    shared_c = np.zeros((2 * _C, l_c), np.float32)
    shared_d = np.zeros((2 * _D, l_d), np.float32)
    context = np.zeros((_CONTEXT, l_d), np.float32)
    context_y = np.zeros((_CONTEXT, l_d), np.float32)
    nothing = np.zeros((0, 2 * PAD), np.float32)

    for lead in range(n_leads):
        row = signal[lead]
        for t in range(n_a):
            even[PAD + t] = row[2 * t]
            odd[PAD + t] = row[2 * t + 1]
        stem(even, odd, w, 0, a[lead], n_a)
    k = 10 * _A
    k = _block(a, w, k, nothing, y_a, n_a)
    k = _down(a, w, k, y_b, b, n_b)
    k = _block(b, w, k, nothing, y_b, n_b)
    k = _down(b, w, k, y_c, c, n_c)
    pool(c, usable, shared_c, n_c)
    k = _block(c, w, k, shared_c, y_c, n_c)
    k = _down(c, w, k, y_d, d, n_d)
    pool(d, usable, shared_d, n_d)
    k = _context(shared_d, w, k, context, context_y, n_d)
    k = _block(d, w, k, context, y_d, n_d)
    k = _block(d, w, k, nothing, y_d, n_d)
    k = _up(d, w, k, y_d, c, n_d)
    k = _block(c, w, k, nothing, y_c, n_c)
    k = _up(c, w, k, y_c, b, n_c)
    pool(b, usable, shared_b, n_b)
    k = _block(b, w, k, shared_b, y_b, n_b)
    k = _up(b, w, k, y_b, a, n_b)
    k = _block(a, w, k, nothing, y_a, n_a)
    for lead in range(n_leads):
        convolve_three(out[lead], a[lead], w, k, 1, n_a)
    return k + 3 * N_CLASSES * _A + N_CLASSES
