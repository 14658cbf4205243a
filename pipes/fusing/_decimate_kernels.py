"""The low-pass filter of decimation, computed only for samples that are kept."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ecgstore.arrays import Float32Array, IntArray
from ecgstore.pipes.fusing._codes_of_kernels import ROOM
from ecgstore.system.kernels import kernel

BLOCK = ROOM
"""Outputs that are summed at a time, in registers."""

_LANES = 8
_VECTORS = BLOCK // _LANES

_cgutils: Any = cgutils  # untyped


def _generate_sum(
    _context: Any, samples: Any, begin: Any, weights: Any, places: Any, n: Any, out: Any
) -> Any:
    """Set ``out[j]`` to the sum of ``weights[k] * samples[begin + places[k] + j]``.

    For k below `n` and for `BLOCK` values of j, in vectors that stay in registers. A
    product and its addition are rounded one after the other on every processor.
    """
    vector = ir.VectorType(ir.FloatType(), _LANES)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def data(number: int) -> Any:
            array_type = signature.args[number]
            return context.make_array(array_type)(
                context, builder, arguments[number]
            ).data

        of, weight_of, place_of, to = (data(number) for number in (0, 2, 3, 5))
        of = builder.gep(of, [arguments[1]])
        sums = [
            _cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * _LANES))
            for _ in range(_VECTORS)
        ]
        for total in sums:
            builder.store(ir.Constant(vector, [0.0] * _LANES), total)
        with _cgutils.for_range(builder, arguments[4]) as loop:
            weight = builder.load(builder.gep(weight_of, [loop.index]))
            undefined = ir.Constant(vector, ir.Undefined)
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES)
            first = builder.insert_element(
                undefined, weight, ir.Constant(ir.IntType(32), 0)
            )
            weight = builder.shuffle_vector(first, undefined, zeros)
            place = builder.load(builder.gep(place_of, [loop.index]))
            from_here = builder.gep(of, [place])
            for number, total in enumerate(sums):
                product = builder.fmul(weight, _load(builder, from_here, number))
                builder.store(builder.fadd(builder.load(total), product), total)
        for number, total in enumerate(sums):
            builder.store(builder.load(total), _vector(builder, to, number), align=4)
        return context.get_dummy_value()

    def _vector(builder: Any, pointer: Any, number: int) -> Any:
        there = builder.gep(pointer, [ir.Constant(ir.IntType(64), number * _LANES)])
        return builder.bitcast(there, vector.as_pointer())

    def _load(builder: Any, pointer: Any, number: int) -> Any:
        return builder.load(_vector(builder, pointer, number), align=4)

    return types.void(samples, types.intp, weights, places, types.intp, out), generate


_sum_block: Any = intrinsic(_generate_sum)


@kernel
def list_taps(
    taps: Float32Array,
    factor: int,
    width: int,
    weights: Float32Array,
    places: IntArray,
) -> int:
    """List the taps that are not zero, and where their samples are; return how many.

    Samples are sorted by their remainder, `width` of each; see `decimate`.
    """
    n = 0
    for tap in range(len(taps)):
        if taps[tap] != 0:
            weights[n] = taps[tap]
            places[n] = (tap % factor) * width + tap // factor
            n += 1
    return n


@kernel
def sorted_width(n_samples: int, factor: int, n_before: int) -> int:
    """Return the length of the samples of a remainder, with zeros around them."""
    n_slow = (n_samples + factor - 1) // factor
    return (n_slow + BLOCK - 1) // BLOCK * BLOCK + 2 * n_before


@kernel
def decimate(
    x: Float32Array,
    n_samples: int,
    factor: int,
    n_before: int,
    weights: Float32Array,
    places: IntArray,
    n_taps: int,
    by_remainder: Float32Array,
) -> int:
    """Set the begin of `x` to every `factor`-th filtered sample; return how many.

    `x` has room for `BLOCK` samples more. The filter has ``2 * n_before * factor + 1``
    taps, listed by `list_taps`. Samples are sorted by their remainder, so that what a
    tap sees are neighbours, and it is added to a block of outputs at once. Sums have a
    fixed order: a signal has the same result in any company.
    """
    n_slow = (n_samples + factor - 1) // factor
    width = sorted_width(n_samples, factor, n_before)
    for remainder in range(factor):
        part = by_remainder[remainder * width : (remainder + 1) * width]
        n = (n_samples - remainder + factor - 1) // factor
        middle = part[n_before:]
        for t in range(n_before):
            part[t] = 0
        for t in range(n):
            middle[t] = x[remainder + t * factor]
        for t in range(n, width - n_before):
            middle[t] = 0
    for begin in range(0, n_slow, BLOCK):
        _sum_block(by_remainder, begin, weights, places, n_taps, x[begin:])
    return n_slow


@kernel
def decimate_rows(
    signals: Float32Array,
    factor: int,
    n_before: int,
    taps: Float32Array,
    out: Float32Array,
) -> None:
    """Set `out` to every `factor`-th sample of the filtered signals.

    The signals are of shape (n_rows, n_samples), `out` of (n_rows, ceil(n_samples /
    factor)).
    """
    n_rows, n_samples = signals.shape
    width = sorted_width(n_samples, factor, n_before)
    weights, places = np.empty(len(taps), np.float32), np.empty(len(taps), np.int64)
    n_taps = list_taps(taps, factor, width, weights, places)
    by_remainder = np.empty(factor * width, np.float32)
    x = np.empty(n_samples + BLOCK, np.float32)
    for k in range(n_rows):
        row, to = signals[k], out[k]
        for t in range(n_samples):
            x[t] = row[t]
        decimate(x, n_samples, factor, n_before, weights, places, n_taps, by_remainder)
        for t in range(len(to)):
            to[t] = x[t]
