"""Memory for batches that is used again as soon as nobody looks at it."""

import math
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from ecgstore.arrays import UInt8Array

_KEPT: Final = 8
"""Blocks kept for later; a block beyond them is freed with its last batch."""

_PATIENCE: Final = 3
_MOMENT_S: Final = 1e-6
"""How often to look for a free block, and how long to sleep in between."""

_LINE_BYTES: Final = 64
"""Arrays begin at multiples of this, the length of a cache line."""


class Buffers:
    """Blocks of memory, each used again when nothing refers to it any more.

    A batch may be kept for as long as one likes: its memory is its own until the last
    array or tensor made from it is gone. As long as batches are dropped one after
    another, the same two or three blocks are used in turn, and of those that are free
    the one used last: it is still in the processor's cache, and writing there is
    about twice as fast.

    Parameters
    ----------
    n_blocks : int
        In how many blocks a batch shall find room: those held at the same time, one
        more than a thread is ahead.
    pinned : bool
        Allocate memory that a GPU can copy from while the program goes on.
    """

    def __init__(self, n_blocks: int = 2, *, pinned: bool = False) -> None:
        self._n_blocks = n_blocks
        self._pinned = pinned
        self._blocks: list[UInt8Array] = []  # the one used last at the end

    def take(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array in memory that nothing else refers to, not initialised.

        Parameters
        ----------
        shape : sequence of int
            Its shape.
        dtype : numpy dtype
            Its type.
        """
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        block = self._recent_block(n_bytes)
        if block is None:
            block = self._free_block(n_bytes)
        if block is None:
            block = self._new_block(n_bytes)
            del self._blocks[: -_KEPT + 1]
        self._blocks.append(block)
        begin = -block.ctypes.data % _LINE_BYTES
        return block[begin : begin + n_bytes].view(dtype).reshape(shape)

    def _recent_block(self, n_bytes: int) -> UInt8Array | None:
        """Take one of the `n_blocks` used last; wait a moment for it if need be.

        PyTorch lets other threads run while it frees a tensor, so the thread that
        makes the next batch often comes just before the last one is gone.
        """
        for _ in range(_PATIENCE):
            block = self._free_block(n_bytes, self._n_blocks)
            if block is not None:
                return block
            if len(self._blocks) < self._n_blocks:
                break
            time.sleep(_MOMENT_S)
        return None

    def _free_block(self, n_bytes: int, n_recent: int = _KEPT) -> UInt8Array | None:
        """Take a free block out of those used last, the last one first."""
        for place in reversed(range(len(self._blocks))[-n_recent:]):
            if (
                _references(self._blocks, place) == _UNUSED
                and self._blocks[place].size >= n_bytes + _LINE_BYTES
            ):
                return self._blocks.pop(place)
        return None

    def _new_block(self, n_bytes: int) -> UInt8Array:
        """Allocate a block with room for `n_bytes` from the next cache line on."""
        n_bytes += _LINE_BYTES
        if self._pinned:
            # The array refers to the tensor, and what is made from it to the array.
            pinned: UInt8Array = torch.empty(
                n_bytes, dtype=torch.uint8, pin_memory=True
            ).numpy()
            return pinned
        return np.empty(n_bytes, np.uint8)


def _references(blocks: Sequence[UInt8Array], place: int) -> int:
    """Return how many references there are to a block.

    Every view of a NumPy array refers to the array that owns the memory, and so does
    every tensor made from one: this counts all that can reach the block.
    """
    return sys.getrefcount(blocks[place])


_UNUSED: Final = _references([np.empty(0, np.uint8)], 0)
"""References to a block that only the list refers to."""
