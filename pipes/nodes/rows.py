"""The first node of a pipe: which records come next."""

from typing import Any, Final

import numpy as np
from torchdata.nodes import BaseNode

from ecgstore.arrays import IntArray, UInt64Array
from ecgstore.errors import EcgStoreError
from ecgstore.pipes.batch import RowBatch
from ecgstore.pipes.checks import whole
from ecgstore.pipes.orders.order import Order, seeds
from ecgstore.pipes.orders.ranks import n_batches, next_batch, share
from ecgstore.storage import Selection, Store

STATE_VERSION: Final = 1

_CHUNK: Final = 4096
"""Positions of the order that are computed at once: fewer calls, little memory."""


class Rows(BaseNode[RowBatch]):
    """A node that says which rows make up each batch.

    The order of an epoch depends on the selection, the order's parameters and the epoch
    only. Every step takes the next `batch_size` x `world_size` positions of it, of
    which each rank gets one part; so ranks partition the order, and side by side
    their batches are the batches of one process. The state is the number of positions
    that all ranks together have gone past: it can be resumed with another batch size
    or number of ranks, and yields exactly the rest.

    An epoch begins with `reset`: the same one if nothing of it has been given out yet,
    else the next one.

    Parameters
    ----------
    selection : Selection or Store
        The records; all of them for a store.
    order : Order
        In which order to take them, over as many places as there are records.
    batch_size : int
        Records of a batch of one rank.
    seed : int
        For everything that is random about single records, such as augmentations.
    rank, world_size : int
        Which of how many processes this is.
    drop_last : bool
        Leave out the rest of an epoch that does not fill a batch of every rank. If not,
        it is shared out evenly; and the step before it gives it some of its records if
        it would not have one for every rank.

    Raises
    ------
    EcgStoreError
        If there are no records.
    TypeError
        If a number is not a whole one, or the order is none.
    ValueError
        If the arguments do not fit together.
    """

    def __init__(
        self,
        selection: Selection | Store,
        order: Order,
        batch_size: int,
        *,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
    ) -> None:
        super().__init__()
        self.selection = as_selection(selection)
        batch_size = whole("batch_size", batch_size)
        rank, world_size = whole("rank", rank), whole("world_size", world_size)
        _check(self.selection, order, batch_size, rank, world_size)
        self._order = order
        self._batch_size = batch_size
        self._seed = whole("seed", seed)
        self._rank, self._world_size = rank, world_size
        self._drop_last = drop_last
        self._identity = {
            "version": STATE_VERSION,
            "fingerprint": self.selection.store.fingerprint,
            "rows": self.selection.rows_sha256[:16],
            "n_rows": len(self.selection),
            "seed": self._seed,
            # Names of their own: an order's seed is another one than that of records.
            **{
                "order" if name == "order" else f"order_{name}": value
                for name, value in order.describe().items()
            },
        }
        self._epoch, self._consumed = 0, 0
        self._wanted_epoch: int | None = None
        self._chunk_of: tuple[int, int] | None = None
        self._chunk: tuple[IntArray, UInt64Array]
        if not len(self):
            raise ValueError(
                f"{len(order)} records do not fill a batch of {batch_size} for each of "
                f"{world_size} ranks, and drop_last leaves out the rest; make batches "
                "smaller, or set drop_last=False"
            )

    def __len__(self) -> int:
        """Return the number of batches that each rank gets in an epoch."""
        return n_batches(
            len(self._order), self._batch_size, self._world_size, self._drop_last
        )

    def set_epoch(self, epoch: int) -> None:
        """Let the next `reset` begin a certain epoch."""
        if epoch < 0:
            raise ValueError(f"epoch is {epoch}; expected 0 or more")
        self._wanted_epoch = whole("epoch", epoch)

    def reset(self, initial_state: dict[str, Any] | None = None) -> None:
        """Begin the next epoch, or go on from a state.

        Raises
        ------
        EcgStoreError
            If the state is of another store, selection, order or seed.
        """
        super().reset(initial_state)
        if initial_state is not None:
            self._restore(initial_state)
        elif self._wanted_epoch is not None:
            self._epoch, self._consumed = self._wanted_epoch, 0
            self._wanted_epoch = None
        elif self._consumed:
            self._epoch, self._consumed = self._epoch + 1, 0

    def next(self) -> RowBatch:
        """Return the rows of this rank's next batch."""
        count = self._next_count()
        if not count:
            raise StopIteration
        part = share(count, self._rank, self._world_size)
        begin = self._consumed
        self._consumed += count
        places, numbers = self._positions(begin + part.start, begin + part.stop)
        return RowBatch(self.selection.rows[places], numbers)

    def get_state(self) -> dict[str, Any]:
        """Return what identifies the order, and how far all ranks have got in it.

        The end of an epoch is the beginning of the next one.
        """
        epoch, consumed = self._epoch, self._consumed
        if consumed and not self._next_count():
            epoch, consumed = epoch + 1, 0
        return {**self._identity, "epoch": epoch, "consumed": consumed}

    def _next_count(self) -> int:
        """Return how many positions all ranks together take next."""
        rest = len(self._order) - self._consumed
        return next_batch(rest, self._batch_size, self._world_size, self._drop_last)

    def _positions(self, begin: int, end: int) -> tuple[IntArray, UInt64Array]:
        """Return places and random numbers of some positions, through a chunk."""
        if end - begin > _CHUNK:
            return (
                self._order.places(self._epoch, begin, end),
                seeds(self._seed, self._epoch, begin, end),
            )
        first = begin - begin % _CHUNK
        middle = first + _CHUNK
        if end > middle:
            places, numbers = self._positions(begin, middle)
            more_places, more_numbers = self._positions(middle, end)
            return (
                np.concatenate([places, more_places]),
                np.concatenate([numbers, more_numbers]),
            )
        if self._chunk_of != (self._epoch, first):
            last = min(middle, len(self._order))
            self._chunk = (
                self._order.places(self._epoch, first, last),
                seeds(self._seed, self._epoch, first, last),
            )
            self._chunk_of = self._epoch, first
        places, numbers = self._chunk
        part = slice(begin - first, end - first)
        # A copy: the chunk may be needed again, and batches belong to their users.
        return places[part], numbers[part].copy()

    def _restore(self, state: dict[str, Any]) -> None:
        """Go on from a state, if it is one of this order."""
        for name, value in self._identity.items():
            if state.get(name) != value:
                raise EcgStoreError(
                    f"the state to resume from has {name} {state.get(name)!r}, this "
                    f"pipe has {value!r}; {_ADVICE.get(name, _ADVICE_ORDER)}"
                )
        epoch = _count_of(state, "epoch")
        consumed = _count_of(state, "consumed", len(self._order))
        self._epoch, self._consumed = epoch, consumed


_ADVICE: Final = {
    "version": "resume with the release that saved the state, or start anew",
    "fingerprint": "open the store that the state was saved with",
    "rows": "select the same records as when the state was saved",
    "n_rows": "select the same records as when the state was saved",
}
_ADVICE_ORDER: Final = "make the pipe with the same seed and order as then"


def as_selection(records: Selection | Store) -> Selection:
    """Return a selection, for a store that of all its rows.

    Raises
    ------
    TypeError
        If it is neither.
    EcgStoreError
        If there is no record in it.
    """
    if isinstance(records, Store):
        records = Selection(records, np.arange(len(records)))
    if not isinstance(records, Selection):
        raise TypeError(
            f"{records!r} is neither a store nor a selection; expected "
            "ecgstore.open(path) or store.select(...)"
        )
    if not len(records):
        raise EcgStoreError(
            f"{records.store.path}: no record is selected; expected at least one: "
            "ask for less in store.select(...)"
        )
    return records


def _check(
    selection: Selection, order: Order, batch_size: int, rank: int, world_size: int
) -> None:
    """Refuse arguments that do not fit together."""
    if not isinstance(order, Order):
        raise TypeError(
            f"order is a {type(order).__name__}; expected an order, such as "
            "pipes.Shuffled(n, seed) or pipes.ClassBalanced(labels, seed)"
        )
    if order.n != len(selection):
        raise ValueError(
            f"the order is one of {order.n} places and the selection has "
            f"{len(selection)} records; make it with n={len(selection)}"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; expected 1 or more")
    if world_size < 1:
        raise ValueError(f"world_size is {world_size}; expected 1 or more")
    if not 0 <= rank < world_size:
        raise ValueError(
            f"rank is {rank} of {world_size}; expected 0 to {world_size - 1}"
        )


def _count_of(state: dict[str, Any], name: str, highest: int | None = None) -> int:
    """Return a number of things out of a state, if it can be one."""
    value = state.get(name)
    if isinstance(value, int) and value >= 0 and (highest is None or value <= highest):
        return value
    limit = "" if highest is None else f" to {highest}"
    raise EcgStoreError(
        f"the state to resume from has {name} {value!r}; expected a whole number from "
        f"0{limit}: it was changed since it was saved, resume from another one"
    )
