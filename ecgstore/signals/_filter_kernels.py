"""The recursion of the band-pass filter.

Written in vectors of the processor, because LLVM makes no good loop of it: each result
needs the one before, and only leads are independent of one another.
"""

from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ecgstore.arrays import FloatArray
from ecgstore.system.kernels import kernel

LANES: Final = 12
"""Leads that are filtered side by side."""

_VECTOR: Final = 4
"""Numbers in a vector: the states of all lanes stay in registers."""

_DOUBLES: Final = ir.VectorType(ir.DoubleType(), _VECTOR)
_INT: Final = ir.IntType(64)

_tools: Any = cgutils  # has no types


def _lanes_filter(
    typing_context: Any,
    samples: Any,
    column: Any,
    start: Any,
    step: Any,
    sections: Any,
    steady_state: Any,
) -> Any:
    """Filter the columns from one on in place, from row `start` on by steps of 1 or -1.

    Each section begins in its steady state for the first sample before the filter.
    """

    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays: list[Any] = [
            context.make_array(kind)(context, builder, value)
            if isinstance(kind, types.Array)
            else None
            for kind, value in zip(signature.args, args, strict=True)
        ]
        samples, _, _, _, sections, steady_state = arrays
        _, column, start, step, _, _ = args
        n_samples, n_columns = _tools.unpack_tuple(builder, samples.shape)
        groups = range(LANES // _VECTOR)

        def number(value: int) -> Any:
            return ir.Constant(_INT, value)

        def everywhere(array: Any, row: Any, n: int, place: int) -> Any:
            """Return a vector of one number of an array with `n` columns."""
            index = builder.add(builder.mul(row, number(n)), number(place))
            value = builder.load(builder.gep(array.data, [index]))
            undefined = ir.Constant(_DOUBLES, ir.Undefined)
            first = builder.insert_element(
                undefined, value, ir.Constant(ir.IntType(32), 0)
            )
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), _VECTOR), [0] * _VECTOR)
            return builder.shuffle_vector(first, undefined, zeros)

        def address(row: Any, group: int) -> Any:
            index = builder.add(builder.mul(row, n_columns), column)
            index = builder.add(index, number(group * _VECTOR))
            pointer = builder.gep(samples.data, [index])
            return builder.bitcast(pointer, _DOUBLES.as_pointer())

        add, subtract, times = builder.fadd, builder.fsub, builder.fmul
        firsts = [builder.load(address(start, group), align=8) for group in groups]
        with _tools.for_range(
            builder, _tools.unpack_tuple(builder, sections.shape)[0]
        ) as loop:
            section = loop.index
            b0, b1, b2, a1, a2 = (
                everywhere(sections, section, 6, place) for place in (0, 1, 2, 4, 5)
            )
            states = [
                [
                    _tools.alloca_once_value(
                        builder,
                        times(everywhere(steady_state, section, 2, place), first),
                    )
                    for place in range(2)
                ]
                for first in firsts
            ]
            with _tools.for_range(builder, n_samples) as inner:
                row = builder.add(start, builder.mul(step, inner.index))
                for group, (one, other) in zip(groups, states, strict=True):
                    place = address(row, group)
                    value = builder.load(place, align=8)
                    result = add(times(b0, value), builder.load(one))
                    rest = subtract(times(b1, value), times(a1, result))
                    builder.store(add(rest, builder.load(other)), one)
                    builder.store(subtract(times(b2, value), times(a2, result)), other)
                    builder.store(result, place, align=8)
        return context.get_dummy_value()

    n = types.intp
    return types.void(samples, n, n, n, sections, steady_state), lower


_filter_lanes: Any = intrinsic(_lanes_filter)


@kernel
def filter_forward_backward(
    signal: FloatArray,
    n_pad: int,
    sections: FloatArray,
    steady_state: FloatArray,
    samples: FloatArray,
    out: FloatArray,
) -> None:
    """Filter a signal forwards and then backwards, mirrored at both ends.

    The operations and their order are those of `scipy.signal.sosfilt`, so the results
    are identical bit by bit.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Input.
    n_pad : int
        Samples that are mirrored at each end, less than `n_samples`.
    sections : ndarray of shape (n_sections, 6)
        Second-order sections b0, b1, b2, 1, a1, a2.
    steady_state : ndarray of shape (n_sections, 2)
        State of each section after a long constant input of 1.
    samples : ndarray of shape (n_samples + 2 * n_pad, a multiple of LANES)
        Working memory with a column for each lead.
    out : ndarray of shape (n_leads, n_samples)
        Result.
    """
    n_leads, n_samples = signal.shape
    for i in range(n_samples):
        for lead in range(n_leads):
            samples[n_pad + i, lead] = signal[lead, i]
        for column in range(n_leads, samples.shape[1]):
            samples[n_pad + i, column] = 0.0
    last = n_pad + n_samples - 1
    for distance in range(1, n_pad + 1):
        for column in range(samples.shape[1]):
            samples[n_pad - distance, column] = samples[n_pad + distance, column]
            samples[last + distance, column] = samples[last - distance, column]
    for column in range(0, n_leads, LANES):
        for backward in range(2):
            start = (len(samples) - 1) * backward
            _filter_lanes(
                samples, column, start, 1 - 2 * backward, sections, steady_state
            )
    for i in range(n_samples):
        for lead in range(n_leads):
            out[lead, i] = samples[n_pad + i, lead]
