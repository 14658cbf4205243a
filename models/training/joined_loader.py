"""Batches of several loaders, mixed at random."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from ecgstore import pipes
from ecgstore.arrays import IntArray
from ecgstore.errors import SchemaError
from ecgstore.pipes import Batch


class JoinedLoader:
    """The batches of several loaders, such as those of several stores.

    Every batch is of one loader, and an epoch has all batches of all of them. Their
    order depends on the seed and the epoch only. It resumes exactly, as a loader does.

    Parameters
    ----------
    loaders : sequence of Loader
        The loaders, which are closed with this one.
    seed : int
        Seed of the order.
    """

    def __init__(self, loaders: Sequence[pipes.Loader], seed: int) -> None:
        self._loaders = loaders
        self._seed = seed
        self._epoch = 0
        self._n_yielded = 0

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch in this process."""
        return sum(map(len, self._loaders))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for loader in self._loaders:
            loader.close()

    @property
    def epoch(self) -> int:
        """The epoch of the next batch, from 0."""
        return self._epoch

    def __iter__(self) -> Iterator[Batch]:
        """Yield an epoch, or the rest of the epoch of a loaded state."""
        epoch = self._epoch
        # Only loaders with batches left begin an epoch: others are at its end.
        batches: dict[int, Iterator[Batch]] = {}
        for number in self._order()[self._n_yielded :].tolist():
            if number not in batches:
                batches[number] = iter(self._loaders[number])
            batch = next(batches[number])
            self._n_yielded += 1
            if self._n_yielded == len(self):
                self._epoch, self._n_yielded = epoch + 1, 0
            yield batch

    def _order(self) -> IntArray:
        """Return the number of the loader of each batch of the epoch."""
        numbers = np.repeat(np.arange(len(self._loaders)), [*map(len, self._loaders)])
        return np.random.default_rng([self._seed, self._epoch]).permutation(numbers)

    def state_dict(self) -> dict[str, Any]:
        """Return the state after the last batch that was yielded."""
        return {
            "epoch": self._epoch,
            "n_yielded": self._n_yielded,
            "loaders": [loader.state_dict() for loader in self._loaders],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next ``for`` loop yield exactly the rest of the state's epoch.

        Raises
        ------
        SchemaError
            If it is not the state of as many loaders.
        EcgStoreError
            If the state was saved with other records or another seed.
        """
        loaders, epoch, n = (
            state_dict.get(name) for name in ("loaders", "epoch", "n_yielded")
        )
        if (
            not isinstance(loaders, list)
            or len(loaders) != len(self._loaders)
            or not (isinstance(epoch, int) and isinstance(n, int))
        ):
            raise SchemaError(
                f"not the state of {len(self._loaders)} loaders; expected one, to "
                "resume from: train as before"
            )
        for loader, state in zip(self._loaders, loaders, strict=True):
            loader.load_state_dict(state)
        self._epoch, self._n_yielded = epoch, n
