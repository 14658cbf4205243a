"""Several epochs of another order as one epoch."""

from dataclasses import dataclass, field

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.pipes.orders.order import Order, set_lengths


@dataclass(frozen=True)
class Repeated(Order):
    """Several epochs of an order as one.

    Parameters
    ----------
    order : Order
        The order to repeat; every pass is another epoch of it.
    times : int
        Passes of an epoch.
    """

    order: Order
    times: int
    n: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.order, Order):
            raise TypeError(f"order is {self.order!r}; expected an Order")
        set_lengths(self, "times")
        object.__setattr__(self, "n", self.order.n)

    def __len__(self) -> int:
        return self.times * len(self.order)

    def _indices(self, epoch: int, positions: IntArray) -> IntArray:
        if not positions.size:
            return positions
        length = len(self.order)
        begin, end = int(positions[0]), int(positions[-1]) + 1
        return np.concatenate(
            [
                self.order.indices(
                    epoch * self.times + number,
                    max(begin - number * length, 0),
                    min(end - number * length, length),
                )
                for number in range(begin // length, -(-end // length))
            ]
        )

    def describe(self) -> dict[str, int | str]:
        """Return the name and the parameters of the order, and those of a pass."""
        parts = {f"pass_{key}": value for key, value in self.order.describe().items()}
        return {"order": "repeated", "times": self.times, **parts}
