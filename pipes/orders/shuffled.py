"""Every record once, in a random order."""

from dataclasses import dataclass

from ecgstore.arrays import IntArray
from ecgstore.pipes.orders.order import Order, set_lengths, set_seed
from ecgstore.pipes.orders.permutation import permute
from ecgstore.pipes.orders.random_numbers import Purpose, key_of


@dataclass(frozen=True)
class Shuffled(Order):
    """Every index once, in another random order in each epoch.

    Parameters
    ----------
    n : int
        Number of records.
    seed : int
        Any integer. Orders with different seeds are independent.

    Examples
    --------
    >>> sorted(Shuffled(5, seed=1).indices(epoch=0, begin=0, end=5).tolist())
    [0, 1, 2, 3, 4]
    """

    n: int
    seed: int

    def __post_init__(self) -> None:
        set_lengths(self, "n")
        set_seed(self, self.seed)

    def __len__(self) -> int:
        return self.n

    def _indices(self, epoch: int, positions: IntArray) -> IntArray:
        return permute(positions, self.n, key_of(Purpose.SHUFFLE, self.seed, epoch))

    def describe(self) -> dict[str, int | str]:
        """Return the name and the parameters of the order."""
        return {"order": "shuffled", "n": self.n, "seed": self.seed}
