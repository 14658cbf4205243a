"""Kernels that copy rows of a mapped file into one batch."""

import numpy as np
from numba import njit

from ecgstore.arrays import Float32Array, Int16Array, IntArray


@njit(cache=True, nogil=True)
def gather_int16(file: Int16Array, begins: IntArray, out: Int16Array) -> None:
    """Copy row i from ``file[begins[i]:]`` to ``out[i]``; every row lies in `file`."""
    n_values = out.shape[1]
    for i in range(begins.shape[0]):
        # Slices let the compiler drop the bounds arithmetic and copy whole words.
        source = file[begins[i] : begins[i] + n_values]
        row = out[i]
        for j in range(n_values):
            row[j] = source[j]


@njit(cache=True, nogil=True)
def gather_scaled(
    file: Int16Array, begins: IntArray, scale: np.float32, out: Float32Array
) -> None:
    """Copy as `gather_int16` and multiply by `scale`, in one pass over memory.

    `scale` is a float32, so that the product is the one a GPU computes.
    """
    n_values = out.shape[1]
    for i in range(begins.shape[0]):
        source = file[begins[i] : begins[i] + n_values]
        row = out[i]
        for j in range(n_values):
            row[j] = np.float32(source[j]) * scale
