"""Records drawn with replacement, by their weights."""

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.pipes.orders.drawn import Drawn
from ecgstore.pipes.orders.random_numbers import Purpose, key_of, mix


class Weighted(Drawn):
    """Indices drawn with replacement, with probabilities proportional to weights.

    Parameters
    ----------
    weights : array-like of shape (n,)
        Weight of each record, finite and not negative. A record with weight 0 is never
        drawn.
    seed : int
        Any integer.
    n_draws : int, optional
        Positions of an epoch; the number of records if left out.

    Raises
    ------
    ValueError
        If the weights have another shape or other values, or all are 0.
    """

    name = "weighted"
    array_name = "weights"

    def __init__(
        self, weights: ArrayLike, seed: int, n_draws: int | None = None
    ) -> None:
        values = np.asarray(weights, np.float64)
        if values.ndim != 1 or not values.size:
            raise ValueError(
                f"weights have shape {values.shape}; expected (n_records,), with at "
                "least one record"
            )
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if wrong.size:
            raise ValueError(
                f"weights[{wrong[0]}] is {values[wrong[0]]}; expected finite numbers "
                "that are not negative"
            )
        if not values.any():
            raise ValueError("all weights are 0; expected at least one above 0")
        super().__init__(values, seed, n_draws)
        # Divided by the largest weight, the sums neither overflow nor underflow.
        self._cumulative: FloatArray = np.cumsum(values / values.max())

    def _indices(self, epoch: int, positions: IntArray) -> IntArray:
        key = key_of(Purpose.DRAWS, self.seed, epoch)
        # A float has 53 bits, so the products stay below the last sum.
        fractions = (mix(key, positions.astype(np.uint64)) >> np.uint64(11)) * 2.0**-53
        drawn = fractions * self._cumulative[-1]
        indices: IntArray = np.searchsorted(self._cumulative, drawn, side="right")
        return indices.astype(np.int64, copy=False)
