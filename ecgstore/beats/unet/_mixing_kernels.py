"""Weighted sums of the rows of a feature map: where the network spends its time.

Written in vectors of the processor, because LLVM makes poor loops of it: a tile of
a few rows and 16 times stays in registers while all rows that it depends on are read.
Multiplications and additions are fused. The order of the sums is fixed, and a fused
operation has one result (IEEE 754), so all machines give the same numbers; processors
older than 2013 lack the instruction and need longer.
"""

from typing import Any, Final, Literal

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from ecgstore.arrays import Float32Array
from ecgstore.system.kernels import kernel

PAD: Final = 16
"""Zeros before and after every row: the largest shift of a convolution."""

LANES: Final = 16
"""Times of a tile."""

_FEATURES: Final[str] = cpu_target.target_context.codegen().magic_tuple()[2]

_ROWS: Final = 8 if "+avx512f" in _FEATURES else 4
"""Rows of a tile: with 16 times in vectors of 8 or 16, eight sums grow side by side, as
many as hide how long a fused operation takes. No result depends on it."""

_N_REST: Final = 7 % _ROWS
"""Rows of the last tile of a convolution to seven rows, one for each class."""

_VECTOR: Final = ir.VectorType(ir.FloatType(), LANES)
_INT: Final = ir.IntType(64)

_tools: Any = cgutils  # has no types

Start = Literal["bias", "rows"]
End = Literal["set", "rectify", "add rectified"]


def _mix_tile(n_rows: int, start: Start, end: End) -> Any:
    """Return a function that computes one tile of a mixture.

    It is called with (out, i, t, initial, x, w, k, n_taps, shift, spacing): the tile of
    `out` begins at row `i` and column `t`. With `start` "bias", the sums start with the
    weights behind all others, else with the same tile of `initial`. At the `end`, `out`
    is set to the sums, or to those above 0, or these are added to it.
    """

    def lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays: list[Any] = [
            context.make_array(kind)(context, builder, value)
            if isinstance(kind, types.Array)
            else None
            for kind, value in zip(signature.args, args, strict=True)
        ]
        out, _, _, initial, x, w = arrays[:6]
        _, i, t, _, _, _, k, n_taps, shift, spacing = args
        n_in = _tools.unpack_tuple(builder, x.shape)[0]
        n_out = _tools.unpack_tuple(builder, out.shape)[0]
        n_of_tap = builder.mul(n_in, n_out)

        def number(value: int) -> Any:
            return ir.Constant(_INT, value)

        def place(array: Any, row: Any, column: Any) -> Any:
            """Return the address of a vector of a two-dimensional array."""
            stride = _tools.unpack_tuple(builder, array.strides)[0]
            offset = builder.add(
                builder.mul(row, stride), builder.mul(column, number(4))
            )
            bytes_ = builder.bitcast(array.data, ir.IntType(8).as_pointer())
            return builder.bitcast(builder.gep(bytes_, [offset]), _VECTOR.as_pointer())

        def load(array: Any, row: Any, column: Any) -> Any:
            return builder.load(place(array, row, column), align=4)

        def weight(index: Any) -> Any:
            """Return a vector of one weight."""
            value = builder.load(builder.gep(w.data, [index]))
            undefined = ir.Constant(_VECTOR, ir.Undefined)
            first = builder.insert_element(
                undefined, value, ir.Constant(ir.IntType(32), 0)
            )
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            return builder.shuffle_vector(first, undefined, zeros)

        def function(name: str, n_arguments: int) -> Any:
            kind = ir.FunctionType(_VECTOR, [_VECTOR] * n_arguments)
            return _tools.get_or_insert_function(
                builder.module, kind, f"llvm.{name}.v{LANES}f32"
            )

        rows = [builder.add(i, number(r)) for r in range(n_rows)]
        if start == "bias":
            biases = builder.add(k, builder.mul(n_taps, n_of_tap))
            firsts = [weight(builder.add(biases, row)) for row in rows]
        else:
            firsts = [load(initial, row, t) for row in rows]
        sums = [_tools.alloca_once_value(builder, first) for first in firsts]
        fma = function("fma", 3)
        with _tools.for_range(builder, n_taps) as tap:
            column = builder.add(t, builder.add(shift, builder.mul(tap.index, spacing)))
            of_tap = builder.add(k, builder.mul(tap.index, n_of_tap))
            with _tools.for_range(builder, n_in) as j:
                values = load(x, j.index, column)
                for row, total in zip(rows, sums, strict=True):
                    index = builder.add(
                        builder.add(of_tap, j.index), builder.mul(row, n_in)
                    )
                    added = builder.call(
                        fma, [values, weight(index), builder.load(total)]
                    )
                    builder.store(added, total)
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        for row, total in zip(rows, sums, strict=True):
            result = builder.load(total)
            if end != "set":
                result = builder.call(function("maxnum", 2), [result, zero])
            if end == "add rectified":
                result = builder.fadd(load(out, row, t), result)
            builder.store(result, place(out, row, t), align=4)
        return context.get_dummy_value()

    @intrinsic
    def tile(
        typing_context: Any,
        out: Any,
        i: Any,
        t: Any,
        initial: Any,
        x: Any,
        w: Any,
        k: Any,
        n_taps: Any,
        shift: Any,
        spacing: Any,
    ) -> Any:
        n = types.intp
        return types.void(out, n, n, initial, x, w, n, n, n, n), lower

    return tile


_set = _mix_tile(_ROWS, "bias", "set")
_set_rest = _mix_tile(_N_REST, "bias", "set")
_rectify = _mix_tile(_ROWS, "bias", "rectify")
_add_rectified = _mix_tile(_ROWS, "rows", "add rectified")


@kernel
def row_length(n: int) -> int:
    """Return how long a row for `n` times is: whole tiles, and zeros on either side.

    Examples
    --------
    >>> row_length(16), row_length(17)
    (48, 64)
    """
    return -(-n // LANES) * LANES + 2 * PAD


@kernel
def _clear_rest(out: Float32Array, n: int) -> None:
    """Set what the last tile wrote behind `n` times to 0: the rows end there."""
    for i in range(len(out)):
        row = out[i]
        for t in range(PAD + n, row_length(n) - PAD):
            row[t] = 0


@kernel
def mix(out: Float32Array, x: Float32Array, w: Float32Array, k: int, n: int) -> None:
    """Set each row of `out` to a bias plus a weighted sum of the rows of `x`.

    The weights begin at `w[k]`, with those of the first row of `out`; the biases follow
    them. The number of rows of `out` is a multiple of 8.
    """
    for t in range(PAD, PAD + n, LANES):
        for i in range(0, len(out), _ROWS):
            _set(out, i, t, out, x, w, k, 1, 0, 0)
    _clear_rest(out, n)


@kernel
def mix_rectified(
    out: Float32Array, x: Float32Array, w: Float32Array, k: int, n: int
) -> None:
    """Do as `mix`, and set negative sums to 0."""
    for t in range(PAD, PAD + n, LANES):
        for i in range(0, len(out), _ROWS):
            _rectify(out, i, t, out, x, w, k, 1, 0, 0)
    _clear_rest(out, n)


@kernel
def add_mixed_rectified(
    out: Float32Array,
    initial: Float32Array,
    x: Float32Array,
    w: Float32Array,
    k: int,
    n: int,
) -> None:
    """Add the rows of `initial` plus weighted sums of those of `x`, where positive."""
    for t in range(PAD, PAD + n, LANES):
        for i in range(0, len(out), _ROWS):
            _add_rectified(out, i, t, initial, x, w, k, 1, 0, 0)
    _clear_rest(out, n)


@kernel
def convolve_three(
    out: Float32Array, x: Float32Array, w: Float32Array, k: int, spacing: int, n: int
) -> None:
    """Set the rows of `out` to a convolution of those of `x` with three weights each.

    They are `spacing` times apart, at most PAD. `w[k]` begins with the weights of the
    first of the three; the biases follow all weights. The number of rows of `out` is a
    multiple of 8, or 7 more.
    """
    whole = len(out) - len(out) % _ROWS
    for t in range(PAD, PAD + n, LANES):
        for i in range(0, whole, _ROWS):
            _set(out, i, t, out, x, w, k, 3, -spacing, spacing)
        if whole < len(out):
            _set_rest(out, whole, t, out, x, w, k, 3, -spacing, spacing)
    _clear_rest(out, n)
