"""Kernels that copy parts of the rows of a mapped file into one batch.

Several threads may run a kernel on the same batch: each of them takes the next free row
until none is left. So a thread that starts late still helps, and at the end no thread
waits longer than another one needs for a row.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ecgstore.arrays import Float32Array, Int16Array, IntArray, UInt8Array
from ecgstore.system.kernels import kernel

_raw_memcpy: Any = cgutils.raw_memcpy  # untyped


def _generate_take(_context: Any, counter: Any) -> Any:
    """Return ``counter[0]`` and add one to it, atomically."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        one = ir.Constant(array.data.type.pointee, 1)
        return builder.atomic_rmw("add", array.data, one, "monotonic")

    return types.intp(counter), generate


_take: Any = intrinsic(_generate_take)


def _generate_copy(_context: Any, target: Any, source: Any, n_bytes: Any) -> Any:
    """Copy bytes with the C library's memcpy, which is faster than a compiled loop."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, of = (
            context.make_array(array_type)(context, builder, value).data
            for array_type, value in zip(signature.args[:2], arguments[:2], strict=True)
        )
        _raw_memcpy(builder, to, of, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(target, source, types.intp), generate


_copy: Any = intrinsic(_generate_copy)


@kernel
def gather(
    file: UInt8Array,
    offsets: IntArray,
    pieces: IntArray,
    begins: IntArray,
    out: UInt8Array,
    next_row: IntArray,
) -> None:
    """Copy ``file[offsets[i] + pieces[k] + begins[i]:]`` to ``out[i, k]``, in bytes.

    All ranges are inside `file`; `next_row` holds the first row to copy.
    """
    n_bytes = out.shape[2]
    i = _take(next_row)
    while i < offsets.shape[0]:
        begin = offsets[i] + begins[i]
        for k in range(pieces.shape[0]):
            _copy(out[i, k], file[begin + pieces[k] :], n_bytes)
        i = _take(next_row)


@kernel
def gather_scaled(
    file: Int16Array,
    offsets: IntArray,
    pieces: IntArray,
    begins: IntArray,
    scale: np.float32,
    out: Float32Array,
    next_row: IntArray,
) -> None:
    """Copy like `gather`, counting in values instead of bytes, and multiply by `scale`.

    `scale` is a float32, so that the product equals that of a GPU.
    """
    n_values = out.shape[2]
    i = _take(next_row)
    while i < offsets.shape[0]:
        begin = offsets[i] + begins[i]
        for k in range(pieces.shape[0]):
            # With slices the compiler needs no arithmetic for the bounds.
            source = file[begin + pieces[k] : begin + pieces[k] + n_values]
            target = out[i, k]
            for j in range(n_values):
                target[j] = np.float32(source[j]) * scale
        i = _take(next_row)
