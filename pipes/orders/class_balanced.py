"""Records drawn so that every class is drawn equally often."""

import warnings

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import IntArray
from ecgstore.pipes.orders.drawn import Drawn
from ecgstore.pipes.orders.permutation import permute
from ecgstore.pipes.orders.random_numbers import Purpose, key_of, mix


class ClassBalanced(Drawn):
    """Indices drawn so that every class is drawn equally often.

    With k classes that have records, the positions 0 to k - 1 are drawn from the k
    classes in random order, and so are k to 2k - 1, and so on. All records of a class
    are drawn once, in random order, before one of them is drawn again. A record of
    several classes is drawn for each of them, a record of no class never.

    Parameters
    ----------
    labels : array-like of shape (n, n_classes)
        1 where a record is in a class, else 0. A class without records is left out,
        with a warning.
    seed : int
        Any integer.
    n_draws : int, optional
        Positions of an epoch; the number of records if left out.

    Raises
    ------
    ValueError
        If the labels have another shape or other values, or no record is in any class.
    """

    name = "class_balanced"
    array_name = "labels"

    def __init__(
        self, labels: ArrayLike, seed: int, n_draws: int | None = None
    ) -> None:
        values = np.asarray(labels)
        if values.ndim != 2 or not len(values):
            raise ValueError(
                f"labels have shape {values.shape}; expected (n_records, n_classes)"
            )
        if not ((values == 0) | (values == 1)).all():
            raise ValueError("labels have values other than 0 and 1")
        is_in = values.astype(np.bool_)
        counts: IntArray = is_in.sum(axis=0, dtype=np.int64)
        if not counts.any():
            raise ValueError("no record is in any class; expected at least one")
        if not counts.all():
            columns = ", ".join(map(str, np.flatnonzero(counts == 0)))
            warnings.warn(
                f"no record is in class {columns} (columns of labels, from 0): it is "
                "never drawn",
                stacklevel=2,
            )
        super().__init__(is_in, seed, n_draws)
        self._counts = counts[counts > 0]
        self._begins: IntArray = np.cumsum(self._counts) - self._counts
        # Members of the first class, then of the second, and so on.
        self._members: IntArray = np.nonzero(is_in.T)[1].astype(np.int64, copy=False)

    def _indices(self, epoch: int, positions: IntArray) -> IntArray:
        n_classes = len(self._counts)
        rounds, turns = np.divmod(positions, n_classes)
        round_keys = mix(
            key_of(Purpose.CLASSES, self.seed, epoch), rounds.astype(np.uint64)
        )
        classes = permute(turns, n_classes, round_keys)
        # In each round, each class draws the next of its members.
        counts = self._counts[classes]
        passes, turns = np.divmod(rounds, counts)
        class_keys = mix(
            key_of(Purpose.MEMBERS, self.seed, epoch), classes.astype(np.uint64)
        )
        pass_keys = mix(class_keys, passes.astype(np.uint64))
        members = self._begins[classes] + permute(turns, counts, pass_keys)
        indices: IntArray = self._members[members]
        return indices
