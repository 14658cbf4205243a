"""Every record once, shuffled in blocks of neighbours."""

from dataclasses import dataclass

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.pipes.orders.order import Order, set_lengths, set_seed
from ecgstore.pipes.orders.permutation import permute
from ecgstore.pipes.orders.random_numbers import Purpose, key_of, mix


@dataclass(frozen=True)
class BlockShuffled(Order):
    """Every index once, in blocks of neighbours, for disks and networks that need it.

    Blocks of successive indices are shuffled. The shuffled blocks are divided into
    windows of several blocks, and the indices of each window are shuffled. So records
    that are read one after another lie in the same `window_blocks` blocks. `mixing`
    measures how much worse this shuffles than `Shuffled`.

    Parameters
    ----------
    n : int
        Number of records.
    seed : int
        Any integer.
    block_size : int
        Successive indices of a block; the last block may be shorter.
    window_blocks : int
        Blocks of a window.
    """

    n: int
    seed: int
    block_size: int
    window_blocks: int

    def __post_init__(self) -> None:
        set_lengths(self, "n", "block_size", "window_blocks")
        set_seed(self, self.seed)

    def __len__(self) -> int:
        return self.n

    def _indices(self, epoch: int, positions: IntArray) -> IntArray:
        # The shuffled blocks lie in slots. If the last block is shorter than the
        # others, one random slot holds it. Positions are then padded as if that slot
        # were full, so that slots and windows can be computed by division.
        n_full, rest = divmod(self.n, self.block_size)
        missing = self.block_size - rest if rest else 0
        short = self._slot_of_short_block(epoch, n_full) if rest else n_full
        gap = short * self.block_size + rest
        shuffled = self._shuffle_windows(epoch, positions, gap, missing)
        slots, offsets = np.divmod(
            shuffled + missing * (shuffled >= gap), self.block_size
        )
        key = key_of(Purpose.BLOCKS, self.seed, epoch)
        full_slots = np.minimum(slots - (slots > short), max(n_full - 1, 0))
        blocks = permute(full_slots, max(n_full, 1), key)
        blocks[slots == short] = n_full
        return blocks * self.block_size + offsets

    def _slot_of_short_block(self, epoch: int, n_full: int) -> int:
        """Return the slot of the last block, if that is shorter than the others."""
        key = key_of(Purpose.SHORT_BLOCK, self.seed, epoch)
        return int(permute(np.array([n_full], np.int64), n_full + 1, key)[0])

    def _shuffle_windows(
        self, epoch: int, positions: IntArray, gap: int, missing: int
    ) -> IntArray:
        """Shuffle positions within windows, without the `missing` padding at `gap`."""
        n_padded = self.n + missing
        size = min(self.window_blocks * self.block_size, n_padded)
        windows = (positions + missing * (positions >= gap)) // size
        begins = windows * size
        ends = np.minimum(begins + size, n_padded)
        begins -= missing * (begins >= gap)
        ends -= missing * (ends >= gap)
        keys = mix(key_of(Purpose.WINDOWS, self.seed, epoch), windows.astype(np.uint64))
        return begins + permute(positions - begins, ends - begins, keys)

    def describe(self) -> dict[str, int | str]:
        """Return the name and the parameters of the order."""
        return {
            "order": "block_shuffled",
            "n": self.n,
            "seed": self.seed,
            "block_size": self.block_size,
            "window_blocks": self.window_blocks,
        }
