"""The base class of orders that draw records, some more than once in an epoch."""

import hashlib
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ecgstore.pipes.arguments import require_integer
from ecgstore.pipes.orders.order import Order, require_length


class Drawn(Order):
    """An order whose epochs are a number of draws, made from an array.

    Subclasses define `name` and `array_name`, the names of the order and of its array
    in `describe`.

    Parameters
    ----------
    values : ndarray of shape (n, ...)
        The array, with one row per record.
    seed : int
        Any integer.
    n_draws : int, optional
        Positions of an epoch; ``n`` if left out.
    """

    name: ClassVar[str]
    array_name: ClassVar[str]

    def __init__(self, values: NDArray[Any], seed: int, n_draws: int | None) -> None:
        self.n = len(values)
        self.seed = require_integer("seed", seed)
        self.n_draws = self.n if n_draws is None else require_length("n_draws", n_draws)
        self._digest = _digest(values)

    def __len__(self) -> int:
        return self.n_draws

    def describe(self) -> dict[str, int | str]:
        """Return the name and the parameters of the order."""
        return {
            "order": self.name,
            "n": self.n,
            "seed": self.seed,
            "n_draws": self.n_draws,
            self.array_name: self._digest,
        }


def _digest(values: NDArray[Any]) -> str:
    """Return a hash of an array, the same on every machine."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    head = f"{little.dtype.str}{little.shape}".encode()
    return hashlib.blake2b(head + little.tobytes(), digest_size=16).hexdigest()
