"""In which order records are taken: pure functions of the epoch and the position.

An order knows numbers only: it says which of the places 0 to n - 1 of a selection
stands at each position of an epoch. Nothing is stored per epoch, so any position of any
epoch is found at once, and what is left does not depend on who took what is gone.
"""

import hashlib
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgstore.arrays import FloatArray, IntArray, UInt64Array
from ecgstore.pipes.checks import count, whole
from ecgstore.pipes.orders.permutation import key_of, mix, permute


class _Purpose(IntEnum):
    """What random numbers are for; part of every key, so never to be renumbered."""

    SEEDS = 1
    SHUFFLE = 2
    SHORT_BLOCK = 3
    BLOCKS = 4
    WINDOWS = 5
    DRAWS = 6
    CLASSES = 7
    MEMBERS = 8


class Order(ABC):
    """An endless sequence of epochs, each a sequence of places in a selection.

    Attributes
    ----------
    n : int
        How many places there are to choose from: 0 to ``n - 1``.
    """

    n: int

    @abstractmethod
    def __len__(self) -> int:
        """Return how many positions an epoch has."""

    def places(self, epoch: int, begin: int, end: int) -> IntArray:
        """Return the places at some positions of an epoch.

        Parameters
        ----------
        epoch : int
            Which epoch, from 0.
        begin, end : int
            Positions in the epoch: from `begin` to before `end`.

        Returns
        -------
        ndarray of shape (end - begin,)
            Places from 0 to ``n - 1``; the same however the epoch is cut into pieces.

        Raises
        ------
        ValueError
            If the epoch is negative or the positions are not within it.
        """
        _check_epoch(epoch)
        _check_range(begin, end)
        if end > len(self):
            raise ValueError(
                f"positions {begin} to {end}; expected at most {len(self)}, the length "
                "of an epoch"
            )
        return self._places(epoch, np.arange(begin, end, dtype=np.int64))

    @abstractmethod
    def _places(self, epoch: int, positions: IntArray) -> IntArray:
        """Return the places at successive positions, known to be in the epoch."""

    @abstractmethod
    def describe(self) -> dict[str, int | str]:
        """Return the kind and the parameters of the order, small and fit for JSON.

        Two orders with the same description are the same order: of arrays there is a
        digest.
        """


@dataclass(frozen=True)
class Sequential(Order):
    """Every place once, from the first to the last.

    Parameters
    ----------
    n : int
        How many places.

    Examples
    --------
    >>> Sequential(5).places(epoch=0, begin=1, end=4)
    array([1, 2, 3])
    """

    n: int

    def __post_init__(self) -> None:
        _set_counts(self, "n")

    def __len__(self) -> int:
        return self.n

    def _places(self, epoch: int, positions: IntArray) -> IntArray:
        return positions

    def describe(self) -> dict[str, int | str]:
        """Return the kind and the parameters of the order."""
        return {"order": "sequential", "n": self.n}


@dataclass(frozen=True)
class Shuffled(Order):
    """Every place once, in a random order that is new in every epoch.

    Parameters
    ----------
    n : int
        How many places.
    seed : int
        Any integer. Orders with different seeds have nothing to do with each other.

    Examples
    --------
    >>> sorted(Shuffled(5, seed=1).places(epoch=0, begin=0, end=5).tolist())
    [0, 1, 2, 3, 4]
    """

    n: int
    seed: int

    def __post_init__(self) -> None:
        _set_counts(self, "n")
        _set_seed(self)

    def __len__(self) -> int:
        return self.n

    def _places(self, epoch: int, positions: IntArray) -> IntArray:
        return permute(positions, self.n, key_of(_Purpose.SHUFFLE, self.seed, epoch))

    def describe(self) -> dict[str, int | str]:
        """Return the kind and the parameters of the order."""
        return {"order": "shuffled", "n": self.n, "seed": self.seed}


@dataclass(frozen=True)
class BlockShuffled(Order):
    """Every place once, in blocks of neighbours, for disks and networks that need it.

    Blocks of successive places are put into a random order. Of this order, windows of
    several blocks are taken, and the places of a window are put into a random order. So
    what is read at a time lies in `window_blocks` blocks. How much worse it mixes than
    `Shuffled`, `mixing` measures.

    Parameters
    ----------
    n : int
        How many places.
    seed : int
        Any integer.
    block_size : int
        How many successive places stay together; the last block may be shorter.
    window_blocks : int
        How many blocks are mixed with each other.
    """

    n: int
    seed: int
    block_size: int
    window_blocks: int

    def __post_init__(self) -> None:
        _set_counts(self, "n", "block_size", "window_blocks")
        _set_seed(self)

    def __len__(self) -> int:
        return self.n

    def _places(self, epoch: int, positions: IntArray) -> IntArray:
        # Blocks stand in slots. If the last block is shorter than the others, one slot
        # at random is for it. Positions are counted as if that slot were filled up, so
        # that slots and windows are found by division.
        n_full, rest = divmod(self.n, self.block_size)
        missing = self.block_size - rest if rest else 0
        short = self._slot_of_short(epoch, n_full) if rest else n_full
        gap = short * self.block_size + rest
        mixed = self._mix_windows(epoch, positions, gap, missing)
        slots, offsets = np.divmod(mixed + missing * (mixed >= gap), self.block_size)
        key = key_of(_Purpose.BLOCKS, self.seed, epoch)
        full_slots = np.minimum(slots - (slots > short), max(n_full - 1, 0))
        blocks = permute(full_slots, max(n_full, 1), key)
        blocks[slots == short] = n_full
        return blocks * self.block_size + offsets

    def _slot_of_short(self, epoch: int, n_full: int) -> int:
        """Return which slot the last block stands in if it is shorter."""
        key = key_of(_Purpose.SHORT_BLOCK, self.seed, epoch)
        return int(permute(np.array([n_full], np.int64), n_full + 1, key)[0])

    def _mix_windows(
        self, epoch: int, positions: IntArray, gap: int, missing: int
    ) -> IntArray:
        """Permute positions inside windows; `missing` of them are left out at `gap`."""
        n_padded = self.n + missing
        size = min(self.window_blocks * self.block_size, n_padded)
        windows = (positions + missing * (positions >= gap)) // size
        begins = windows * size
        ends = np.minimum(begins + size, n_padded)
        begins -= missing * (begins >= gap)
        ends -= missing * (ends >= gap)
        keys = mix(
            key_of(_Purpose.WINDOWS, self.seed, epoch), windows.astype(np.uint64)
        )
        return begins + permute(positions - begins, ends - begins, keys)

    def describe(self) -> dict[str, int | str]:
        """Return the kind and the parameters of the order."""
        return {
            "order": "block_shuffled",
            "n": self.n,
            "seed": self.seed,
            "block_size": self.block_size,
            "window_blocks": self.window_blocks,
        }


class Weighted(Order):
    """Places drawn with replacement, each as often as its weight says.

    Parameters
    ----------
    weights : array-like of shape (n,)
        How probable each place is, relative to the others. A place with weight 0 is
        never drawn.
    seed : int
        Any integer.
    n_draws : int, optional
        Positions of an epoch; as many as there are places if not given.
    """

    def __init__(
        self, weights: ArrayLike, seed: int, n_draws: int | None = None
    ) -> None:
        values = np.asarray(weights, np.float64)
        if values.ndim != 1 or not values.size:
            raise ValueError(
                f"weights have shape {values.shape}; expected one for each place"
            )
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if wrong.size:
            raise ValueError(
                f"weights[{wrong[0]}] is {values[wrong[0]]}; expected numbers from 0"
            )
        if not values.any():
            raise ValueError("all weights are 0; expected at least one above 0")
        self.n = len(values)
        self.seed = whole("seed", seed)
        self.n_draws = self.n if n_draws is None else count("n_draws", n_draws)
        # With the largest weight as unit, no sum is too large or too small for a float.
        self._cumulative: FloatArray = np.cumsum(values / values.max())
        self._digest = _digest(values)

    def __len__(self) -> int:
        return self.n_draws

    def _places(self, epoch: int, positions: IntArray) -> IntArray:
        key = key_of(_Purpose.DRAWS, self.seed, epoch)
        # 53 bits are what a float holds. The products stay below the last sum.
        parts = (mix(key, positions.astype(np.uint64)) >> np.uint64(11)) * 2.0**-53
        drawn = parts * self._cumulative[-1]
        found: IntArray = np.searchsorted(self._cumulative, drawn, side="right")
        return found.astype(np.int64, copy=False)

    def describe(self) -> dict[str, int | str]:
        """Return the kind and the parameters of the order."""
        return {
            "order": "weighted",
            "n": self.n,
            "seed": self.seed,
            "n_draws": self.n_draws,
            "weights": self._digest,
        }


class ClassBalanced(Order):
    """Places drawn so that every class comes equally often.

    With k classes that have records, each of the positions 0 to k - 1, k to 2k - 1 and
    so on stands for another class, in random order. The records of a class are all
    drawn, in random order, before one of them is drawn again. A record of several
    classes is drawn for each of them, one of no class never.

    Parameters
    ----------
    labels : array-like of shape (n, n_classes)
        1 where a record is in a class, else 0. A class without a record is left out,
        with a warning.
    seed : int
        Any integer.
    n_draws : int, optional
        Positions of an epoch; as many as there are places if not given.
    """

    def __init__(
        self, labels: ArrayLike, seed: int, n_draws: int | None = None
    ) -> None:
        values = np.asarray(labels)
        if values.ndim != 2 or not len(values):
            raise ValueError(
                f"labels have shape {values.shape}; expected (n_records, n_classes)"
            )
        if not ((values == 0) | (values == 1)).all():
            raise ValueError(
                "labels have other values than 0 and 1; expected only these"
            )
        is_in = values.astype(np.bool_)
        counts: IntArray = is_in.sum(axis=0, dtype=np.int64)
        if not counts.any():
            raise ValueError("no record is in any class; expected at least one")
        if not counts.all():
            names = ", ".join(map(str, np.flatnonzero(counts == 0)))
            warnings.warn(
                f"no record is in class {names} (columns from 0): never drawn",
                stacklevel=2,
            )
        self.n = len(is_in)
        self.seed = whole("seed", seed)
        self.n_draws = self.n if n_draws is None else count("n_draws", n_draws)
        self._counts = counts[counts > 0]
        self._begins: IntArray = np.cumsum(self._counts) - self._counts
        # Members of the first class, of the second, and so on.
        self._members: IntArray = np.nonzero(is_in.T)[1].astype(np.int64, copy=False)
        self._digest = _digest(is_in)

    def __len__(self) -> int:
        return self.n_draws

    def _places(self, epoch: int, positions: IntArray) -> IntArray:
        n_classes = len(self._counts)
        rounds, turns = np.divmod(positions, n_classes)
        round_keys = mix(
            key_of(_Purpose.CLASSES, self.seed, epoch), rounds.astype(np.uint64)
        )
        classes = permute(turns, n_classes, round_keys)
        # In each round, each class draws the next of its members.
        counts = self._counts[classes]
        passes, turns = np.divmod(rounds, counts)
        class_keys = mix(
            key_of(_Purpose.MEMBERS, self.seed, epoch), classes.astype(np.uint64)
        )
        pass_keys = mix(class_keys, passes.astype(np.uint64))
        found = self._begins[classes] + permute(turns, counts, pass_keys)
        places: IntArray = self._members[found]
        return places

    def describe(self) -> dict[str, int | str]:
        """Return the kind and the parameters of the order."""
        return {
            "order": "class_balanced",
            "n": self.n,
            "seed": self.seed,
            "n_draws": self.n_draws,
            "labels": self._digest,
        }


@dataclass(frozen=True)
class Repeated(Order):
    """Several epochs of an order as one.

    Parameters
    ----------
    order : Order
        What to repeat; every pass is a new epoch of it.
    times : int
        How many passes make an epoch.
    """

    order: Order
    times: int
    n: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.order, Order):
            raise TypeError(f"order is {self.order!r}; expected an Order")
        _set_counts(self, "times")
        object.__setattr__(self, "n", self.order.n)

    def __len__(self) -> int:
        return self.times * len(self.order)

    def _places(self, epoch: int, positions: IntArray) -> IntArray:
        if not positions.size:
            return positions
        length = len(self.order)
        begin, end = int(positions[0]), int(positions[-1]) + 1
        return np.concatenate(
            [
                self.order.places(
                    epoch * self.times + each,
                    max(begin - each * length, 0),
                    min(end - each * length, length),
                )
                for each in range(begin // length, -(-end // length))
            ]
        )

    def describe(self) -> dict[str, int | str]:
        """Return the kind and the parameters of the order, and those of a pass."""
        of_pass = {f"pass_{key}": value for key, value in self.order.describe().items()}
        return {"order": "repeated", "times": self.times, **of_pass}


def seeds(seed: int, epoch: int, begin: int, end: int) -> UInt64Array:
    """Return a random number for each of some positions of an epoch.

    Parameters
    ----------
    seed : int
        Any integer.
    epoch : int
        Which epoch, from 0.
    begin, end : int
        Positions in the epoch: from `begin` to before `end`.

    Returns
    -------
    ndarray of shape (end - begin,)
        Random numbers; no two of an epoch are the same.

    Raises
    ------
    ValueError
        If the epoch is negative or the positions are none.
    """
    _check_epoch(epoch)
    _check_range(begin, end)
    positions: UInt64Array = np.arange(begin, end, dtype=np.uint64)
    return mix(key_of(_Purpose.SEEDS, seed, epoch), positions)


def _digest(values: NDArray[Any]) -> str:
    """Return a hash of an array, the same on every machine."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    head = f"{little.dtype.str}{little.shape}".encode()
    return hashlib.blake2b(head + little.tobytes(), digest_size=16).hexdigest()


def _set_counts(order: Order, *names: str) -> None:
    """Check numbers of things in a frozen order."""
    for name in names:
        object.__setattr__(order, name, count(name, getattr(order, name)))


def _set_seed(order: Shuffled | BlockShuffled) -> None:
    """Check the seed of a frozen order."""
    object.__setattr__(order, "seed", whole("seed", order.seed))


def _check_epoch(epoch: int) -> None:
    """Refuse an epoch before the first."""
    if epoch < 0:
        raise ValueError(f"epoch is {epoch}; expected 0 or more")


def _check_range(begin: int, end: int) -> None:
    """Refuse positions that are none."""
    if not 0 <= begin <= end:
        raise ValueError(f"positions {begin} to {end}; expected 0 <= begin <= end")
