"""The base class of orders: pure functions of the epoch and the position in it.

An order maps each position of an epoch to one of the indices 0 to n - 1 into a
selection. No list is made per epoch, so any
position of any epoch is computed at once, and the rest of an epoch does not depend on
how its beginning was batched or shared among ranks.
"""

from abc import ABC, abstractmethod

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.pipes.arguments import require_integer
from ecgstore.pipes.orders.permutation import MAX_LENGTH


class Order(ABC):
    """An endless sequence of epochs, each a sequence of indices into a selection.

    Attributes
    ----------
    n : int
        Number of records to choose from: indices are 0 to ``n - 1``.
    """

    n: int

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of positions of an epoch."""

    def indices(self, epoch: int, begin: int, end: int) -> IntArray:
        """Return the indices at some positions of an epoch.

        Parameters
        ----------
        epoch : int
            The epoch, from 0.
        begin, end : int
            Range of positions in the epoch, `end` not included.

        Returns
        -------
        ndarray of shape (end - begin,)
            Indices from 0 to ``n - 1``; the same however the epoch is split into
            ranges.

        Raises
        ------
        ValueError
            If the epoch is negative or the positions are not within it.
        """
        check_positions(epoch, begin, end)
        if end > len(self):
            raise ValueError(
                f"positions {begin} to {end}; expected at most {len(self)}, the length "
                "of an epoch"
            )
        return self._indices(epoch, np.arange(begin, end, dtype=np.int64))

    @abstractmethod
    def _indices(self, epoch: int, positions: IntArray) -> IntArray:
        """Return the indices at successive positions, all of them in the epoch."""

    @abstractmethod
    def describe(self) -> dict[str, int | str]:
        """Return the name and the parameters of the order, small enough for a state.

        Two orders with the same description are the same order; arrays are
        represented by a digest.
        """


def require_length(name: str, value: int) -> int:
    """Return an integer from 1 to the length of the longest permutation."""
    return require_integer(name, value, lowest=1, highest=MAX_LENGTH)


def set_lengths(order: Order, *names: str) -> None:
    """Check attributes of a frozen order that are lengths or counts."""
    for name in names:
        object.__setattr__(order, name, require_length(name, getattr(order, name)))


def set_seed(order: Order, seed: int) -> None:
    """Check and set the seed of a frozen order."""
    object.__setattr__(order, "seed", require_integer("seed", seed))


def check_positions(epoch: int, begin: int, end: int) -> None:
    """Raise an error if the epoch is negative or the range of positions is invalid."""
    require_integer("epoch", epoch, lowest=0)
    if not 0 <= begin <= end:
        raise ValueError(f"positions {begin} to {end}; expected 0 <= begin <= end")
