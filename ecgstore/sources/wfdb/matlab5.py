"""Read matrices of numbers from MATLAB 5 files, in which records were saved again.

A file is a header of 128 bytes and a sequence of elements. Each begins with a type and
a length, as two 32-bit numbers, and may be compressed; a matrix is an element that
holds others: flags, dimensions, name and numbers ("Level 5 MAT-File Format" in MATLAB's
MAT-File Format). SciPy's reader ends the process with some damaged files, so this one
checks every number before it uses it, and decompresses no more than a bound.
"""

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgstore.reasons import Reason
from ecgstore.sources.files import read_range

BEGINS_WITH: Final = b"MATLAB 5.0"

_MAX_BYTES: Final = 1 << 26
"""Bytes of a file and of its contents: 64 MiB, six times 30 min of 12 leads at 257 Hz
as 16-bit integers."""

_HEADER_BYTES: Final = 128
_TAG_BYTES: Final = 8
_MOST_ELEMENTS: Final = 10_000
_MOST_DIMENSIONS: Final = 8
_MATRIX, _COMPRESSED = 14, 15
_NAME, _INT32, _UINT32 = 1, 5, 6
_IS_COMPLEX: Final = 0x0800
_NUMERIC_CLASSES: Final = range(6, 16)  # double, single, and integers of 8 to 64 bits
_NUMBERS: Final = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4"},
    **{7: "f4", 9: "f8", 12: "i8", 13: "u8"},
}
"""Types of numbers, which may be smaller than those of the matrix's class."""


class Matlab5Error(Exception):
    """A file cannot be read; the text says what was found."""


class _Element(NamedTuple):
    """An element of a file: its type and its content."""

    kind: int
    content: bytes


def find_matrix(
    path: str, fits: Callable[[tuple[int, ...]], bool]
) -> tuple[NDArray[Any] | None, dict[str, tuple[int, ...]]]:
    """Return the first matrix of real numbers whose shape fits, and all shapes by name.

    Raises
    ------
    Matlab5Error
        If the file is damaged or too large.
    """
    data, size = read_range(path, 0, _MAX_BYTES, Reason.MISSING_SIGNAL_FILE)
    if size > _MAX_BYTES:
        raise Matlab5Error(f"{size} bytes, more than {_MAX_BYTES}")
    order = "<" if data[126:_HEADER_BYTES] == b"IM" else ">"
    shapes: dict[str, tuple[int, ...]] = {}
    n_bytes = 0
    for element in _elements(data[_HEADER_BYTES:], order):
        matrix = element
        if element.kind == _COMPRESSED:
            matrix = _decompressed(element.content, order, _MAX_BYTES - n_bytes)
            n_bytes += len(matrix.content)
        if matrix.kind != _MATRIX:
            continue
        name, values = _matrix(matrix.content, order)
        if values is not None:
            shapes[name] = values.shape
            if fits(values.shape):
                return values, shapes
    return None, shapes


def _elements(data: bytes, order: str) -> Iterator[_Element]:
    """Yield the elements that a sequence of bytes consists of."""
    start = 0
    for _ in range(_MOST_ELEMENTS):
        if start + _TAG_BYTES > len(data):
            return
        kind, n_bytes = struct.unpack_from(f"{order}2I", data, start)
        begin = start + _TAG_BYTES
        if kind >> 16:  # up to four bytes, which stand in the second half of the tag
            kind, n_bytes = kind & 0xFFFF, kind >> 16
            begin = start + 4
            if n_bytes > 4:
                raise Matlab5Error("a damaged file")
        if begin + n_bytes > len(data):
            raise Matlab5Error("a file that is cut off")
        yield _Element(kind, data[begin : begin + n_bytes])
        end = begin + n_bytes
        # All but compressed elements are padded to a multiple of eight bytes.
        start = end if kind == _COMPRESSED else -(-end // 8) * 8
    raise Matlab5Error(f"more than {_MOST_ELEMENTS} elements")


def _decompressed(content: bytes, order: str, most: int) -> _Element:
    """Return the element that was compressed."""
    try:
        data = zlib.decompressobj().decompress(content, most + 1)
    except zlib.error:
        raise Matlab5Error("damaged compressed data") from None
    if len(data) > most:
        raise Matlab5Error(f"contents of more than {_MAX_BYTES} bytes")
    for element in _elements(data, order):
        return element
    raise Matlab5Error("a damaged file")


def _matrix(content: bytes, order: str) -> tuple[str, NDArray[Any] | None]:
    """Return name and values of a matrix; None if these are no real numbers."""
    parts = [*_elements(content, order)]
    if len(parts) < 4 or [part.kind for part in parts[:3]] != [_UINT32, _INT32, _NAME]:
        return "", None
    flags, dimensions, name, numbers = parts[:4]
    if len(flags.content) < 4 or len(dimensions.content) % 4:
        raise Matlab5Error("a damaged file")
    (flag,) = struct.unpack_from(f"{order}I", flags.content)
    shape = tuple(np.frombuffer(dimensions.content, f"{order}i4").tolist())
    text = name.content.decode("latin-1")
    if flag & 0xFF not in _NUMERIC_CLASSES or flag & _IS_COMPLEX:
        return text, None
    if numbers.kind not in _NUMBERS:
        raise Matlab5Error(f"numbers of type {numbers.kind}")
    dtype = np.dtype(f"{order}{_NUMBERS[numbers.kind]}")
    if len(shape) > _MOST_DIMENSIONS or min(shape, default=0) < 1:
        return text, None  # no matrix of leads and samples
    if math.prod(shape) * dtype.itemsize != len(numbers.content):
        raise Matlab5Error(f"{len(numbers.content)} bytes for a matrix of {shape}")
    return text, np.frombuffer(numbers.content, dtype).reshape(shape, order="F")
