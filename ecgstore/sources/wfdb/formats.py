"""The counts in the bytes of a signal file, by the formats of signal(5)."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import UInt8Array

Counts = NDArray[np.int32]


class RawFormat(NamedTuple):
    """A format that is not compressed.

    Attributes
    ----------
    n_samples, n_bytes : int
        The smallest number of samples that fill whole bytes, and the number of these.
    missing : int or None
        The count that stands for a missing sample.
    decode : callable
        Returns the counts in whole groups of `n_bytes` bytes.
    """

    n_samples: int
    n_bytes: int
    missing: int | None
    decode: Callable[[UInt8Array], Counts]


def _integers(dtype: str, zero: int = 0) -> Callable[[UInt8Array], Counts]:
    """Return the decoder of whole integers, of which `zero` is the count 0."""

    def decode(data: UInt8Array) -> Counts:
        counts = data.view(dtype).astype(np.int32)
        counts -= zero
        return counts

    return decode


def _decode_24(data: UInt8Array) -> Counts:
    """Return the counts in little-endian integers of three bytes."""
    padded = np.zeros((data.size // 3, 4), np.uint8)
    padded[:, 1:] = data.reshape(-1, 3)
    counts: Counts = padded.view("<i4").ravel().astype(np.int32) >> 8
    return counts


def _decode_212(data: UInt8Array) -> Counts:
    """Return the counts of 12 bits in pairs of three bytes."""
    low, middle, high = _columns(data, 3)
    return _signed([low | (middle & 0x0F) << 8, high | (middle >> 4) << 8], 12)


def _decode_310(data: UInt8Array) -> Counts:
    """Return the counts of 10 bits in triplets of two 16-bit words, bits 1 to 15."""
    a, b, c, d = _columns(data, 4)
    return _signed(
        [a >> 1 | (b & 0x07) << 7, c >> 1 | (d & 0x07) << 7, b >> 3 | (d >> 3) << 5],
        10,
    )


def _decode_311(data: UInt8Array) -> Counts:
    """Return the counts of 10 bits in triplets of a 32-bit word, bits 0 to 29."""
    a, b, c, d = _columns(data, 4)
    return _signed(
        [a | (b & 0x03) << 8, b >> 2 | (c & 0x0F) << 6, c >> 4 | (d & 0x3F) << 4], 10
    )


def _columns(data: UInt8Array, n_bytes: int) -> NDArray[Any]:
    """Return the first, second, ... bytes of all groups."""
    return data.reshape(-1, n_bytes).T.astype(np.int32)


def _signed(parts: list[NDArray[Any]], n_bits: int) -> Counts:
    """Return the numbers of all groups in order, as two's complement."""
    counts = np.stack(parts, axis=1).ravel()
    counts[counts >= 1 << (n_bits - 1)] -= 1 << n_bits
    return counts


RAW_FORMATS: Final[Mapping[int, RawFormat]] = {
    8: RawFormat(1, 1, None, _integers("i1")),  # differences of counts
    16: RawFormat(1, 2, -(1 << 15), _integers("<i2")),
    24: RawFormat(1, 3, -(1 << 23), _decode_24),
    32: RawFormat(1, 4, -(1 << 31), _integers("<i4")),
    61: RawFormat(1, 2, -(1 << 15), _integers(">i2")),
    80: RawFormat(1, 1, -(1 << 7), _integers("u1", 1 << 7)),
    160: RawFormat(1, 2, -(1 << 15), _integers("<u2", 1 << 15)),
    212: RawFormat(2, 3, -(1 << 11), _decode_212),
    310: RawFormat(3, 4, -(1 << 9), _decode_310),
    311: RawFormat(3, 4, -(1 << 9), _decode_311),
}
"""The formats by their numbers."""

DIFFERENCES: Final = 8
"""The format that holds differences: a count needs all those before."""

FLAC_MISSING: Final[Mapping[int, int]] = {
    508: -(1 << 7),
    516: -(1 << 15),
    524: -(1 << 23),
}
"""The count that stands for a missing sample, by the numbers of compressed formats."""


def missing_count(format_: int) -> int | None:
    """Return the count that stands for a missing sample; None if there is none."""
    if format_ in FLAC_MISSING:
        return FLAC_MISSING[format_]
    return RAW_FORMATS[format_].missing
