"""Memory for batches that is reused once no array or tensor refers to it."""

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
"""Blocks kept for reuse; a block beyond them is freed with its last batch."""

_N_ATTEMPTS: Final = 3
_PAUSE_S: Final = 1e-6
"""Attempts to get a recently used block, and the pause between them."""

_LINE_BYTES: Final = 64
"""Length of a cache line, to which arrays are aligned."""


class Buffers:
    """Blocks of memory, each reused when nothing refers to it any more.

    A batch may be kept for any time: its memory is not reused before the last array or
    tensor made from it is garbage. If batches are dropped one after another, the same
    two or three blocks are used in turn. Of the free blocks, the one used last is taken
    first: it is still in the processor's cache, where writing is about twice as fast.

    Parameters
    ----------
    n_blocks : int
        Number of batches in memory at the same time: one more than are prefetched.
    pinned : bool
        Allocate pinned memory, from which a GPU can copy asynchronously.
    """

    def __init__(self, n_blocks: int = 2, *, pinned: bool = False) -> None:
        self._n_blocks = n_blocks
        self._pinned = pinned
        self._blocks: list[UInt8Array] = []  # the one used last at the end

    def take(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Return an uninitialised array in memory that nothing else refers to.

        Parameters
        ----------
        shape : sequence of int
            Shape of the array.
        dtype : numpy dtype
            Type of the array.
        """
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        block = self._recent_block(n_bytes)
        if block is None:
            block = self._free_block(n_bytes)
        if block is None:
            block = self._new_block(n_bytes)
            del self._blocks[: -_KEPT + 1]
        self._blocks.append(block)
        begin = -block.__array_interface__["data"][0] % _LINE_BYTES
        return block[begin : begin + n_bytes].view(dtype).reshape(shape)

    def _recent_block(self, n_bytes: int) -> UInt8Array | None:
        """Take one of the `n_blocks` used last; wait briefly if none is free.

        PyTorch lets other threads run while it frees a tensor, so the thread that makes
        the next batch often arrives just before the previous one is freed.
        """
        for _ in range(_N_ATTEMPTS):
            block = self._free_block(n_bytes, self._n_blocks)
            if block is not None:
                return block
            if len(self._blocks) < self._n_blocks:
                break
            time.sleep(_PAUSE_S)
        return None

    def _free_block(self, n_bytes: int, n_recent: int = _KEPT) -> UInt8Array | None:
        """Take a free block out of the list, the one used last first."""
        for number in reversed(range(len(self._blocks))[-n_recent:]):
            if (
                _references(self._blocks, number) == _UNUSED
                and self._blocks[number].size >= n_bytes + _LINE_BYTES
            ):
                return self._blocks.pop(number)
        return None

    def _new_block(self, n_bytes: int) -> UInt8Array:
        """Allocate a block with room for `n_bytes` and their alignment."""
        n_bytes += _LINE_BYTES
        if self._pinned:
            # The array refers to the tensor, and its views refer to the array.
            pinned: UInt8Array = torch.empty(
                n_bytes, dtype=torch.uint8, pin_memory=True
            ).numpy()
            return pinned
        return np.empty(n_bytes, np.uint8)


def _references(blocks: Sequence[UInt8Array], number: int) -> int:
    """Return the number of references to a block.

    Every view of a NumPy array refers to the array that owns the memory, and so does
    every tensor made from it: the count covers all that can reach the block.
    """
    return sys.getrefcount(blocks[number])


_UNUSED: Final = _references([np.empty(0, np.uint8)], 0)
"""Number of references to a block that only the list refers to."""
