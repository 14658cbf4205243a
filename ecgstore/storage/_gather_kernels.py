"""Kernels that copy parts of the rows of a mapped file into one batch, or check them.

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

from ecgstore.arrays import (
    Float32Array,
    Int16Array,
    IntArray,
    UInt8Array,
    UInt32Array,
)
from ecgstore.system.kernels import kernel

_raw_memcpy: Any = cgutils.raw_memcpy  # untyped


def _generate_take(_context: Any, counter: Any) -> Any:
    """Return ``counter[0]`` and add one to it, atomically."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        one = ir.Constant(array.data.type.pointee, 1)
        return builder.atomic_rmw("add", array.data, one, "monotonic")

    return types.intp(counter), generate


take: Any = intrinsic(_generate_take)


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


copy: Any = intrinsic(_generate_copy)


def _generate_call(_context: Any, function: Any, data: Any, n_bytes: Any) -> Any:
    """Call a C function at an address: uint32_t (const uint8_t *, size_t)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[1])(context, builder, arguments[1])
        word = arguments[2].type
        of_type = ir.FunctionType(ir.IntType(32), [array.data.type, word])
        pointer = builder.inttoptr(arguments[0], of_type.as_pointer())
        return builder.call(pointer, [array.data, arguments[2]])

    return types.uint32(types.intp, data, types.intp), generate


_call: Any = intrinsic(_generate_call)


@kernel
def gather(
    file: UInt8Array,
    begins: IntArray,
    pieces: IntArray,
    out: UInt8Array,
    next_row: IntArray,
) -> None:
    """Copy ``file[begins[i] + pieces[k]:]`` to ``out[i, k]``, in bytes.

    All ranges are inside `file`; `next_row` holds the first row to copy.
    """
    n_bytes = out.shape[2]
    i = take(next_row)
    while i < begins.shape[0]:
        for k in range(pieces.shape[0]):
            copy(out[i, k], file[begins[i] + pieces[k] :], n_bytes)
        i = take(next_row)


@kernel
def gather_scaled(
    file: Int16Array,
    begins: IntArray,
    pieces: IntArray,
    scale: np.float32,
    out: Float32Array,
    next_row: IntArray,
) -> None:
    """Copy like `gather`, counting in values instead of bytes, and multiply by `scale`.

    `scale` is a float32, so that the product equals that of a GPU.
    """
    n_values = out.shape[2]
    i = take(next_row)
    while i < begins.shape[0]:
        for k in range(pieces.shape[0]):
            # With slices the compiler needs no arithmetic for the bounds.
            begin = begins[i] + pieces[k]
            source = file[begin : begin + n_values]
            target = out[i, k]
            for j in range(n_values):
                target[j] = np.float32(source[j]) * scale
        i = take(next_row)


@kernel
def check_row(
    i: int,
    file: UInt8Array,
    offsets: IntArray,
    n_bytes: int,
    rows: IntArray,
    checksums: UInt32Array,
    crc32c: int,
    checked: UInt8Array,
    damaged: IntArray,
) -> None:
    """Compare the CRC-32C of ``file[offsets[i]:][:n_bytes]`` with ``checksums[i]``.

    Where they are equal, ``checked[rows[i]]`` becomes 1, else ``damaged[0]`` becomes
    ``rows[i]``. `crc32c` is the address of the C function; see `native_crc32c`.
    """
    if not checked[rows[i]]:
        if _call(crc32c, file[offsets[i] :], n_bytes) == checksums[i]:
            checked[rows[i]] = 1
        else:
            damaged[0] = rows[i]


@kernel
def gather_checked(
    file: UInt8Array,
    begins: IntArray,
    pieces: IntArray,
    out: UInt8Array,
    next_row: IntArray,
    check: tuple[Any, ...],
) -> None:
    """Copy like `gather`; check each row first, which is then in the core's cache.

    `check` holds the arguments of `check_row` after the first.
    """
    one_row = np.zeros(1, np.int64)
    i = take(next_row)
    while i < begins.shape[0]:
        check_row(i, *check)
        one_row[0] = 0
        one = slice(i, i + 1)
        gather(file, begins[one], pieces, out[one], one_row)
        i = take(next_row)


@kernel
def gather_scaled_checked(
    file: Int16Array,
    begins: IntArray,
    pieces: IntArray,
    scale: np.float32,
    out: Float32Array,
    next_row: IntArray,
    check: tuple[Any, ...],
) -> None:
    """Copy like `gather_scaled`; check each row first, like `gather_checked`."""
    one_row = np.zeros(1, np.int64)
    i = take(next_row)
    while i < begins.shape[0]:
        check_row(i, *check)
        one_row[0] = 0
        one = slice(i, i + 1)
        gather_scaled(file, begins[one], pieces, scale, out[one], one_row)
        i = take(next_row)
