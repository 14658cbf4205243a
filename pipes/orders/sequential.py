"""Every record once, in the order of the selection."""

from dataclasses import dataclass

from ecgstore.arrays import IntArray
from ecgstore.pipes.orders.order import Order, set_lengths


@dataclass(frozen=True)
class Sequential(Order):
    """Every index once, from the first to the last.

    Parameters
    ----------
    n : int
        Number of records.

    Examples
    --------
    >>> Sequential(5).indices(epoch=0, begin=1, end=4)
    array([1, 2, 3])
    """

    n: int

    def __post_init__(self) -> None:
        set_lengths(self, "n")

    def __len__(self) -> int:
        return self.n

    def _indices(self, epoch: int, positions: IntArray) -> IntArray:
        return positions

    def describe(self) -> dict[str, int | str]:
        """Return the name and the parameters of the order."""
        return {"order": "sequential", "n": self.n}
