"""The first node of a pipe: it yields the rows of every batch."""

from typing import Any, Final

import numpy as np
from torchdata.nodes import BaseNode

from ecgstore.arrays import IntArray, UInt64Array
from ecgstore.errors import EcgStoreError
from ecgstore.pipes.arguments import require_integer
from ecgstore.pipes.batch import RowBatch
from ecgstore.pipes.orders.order import Order
from ecgstore.pipes.orders.ranks import n_batches, next_batch, rank_slice
from ecgstore.pipes.orders.seeds import record_seeds
from ecgstore.storage import Selection, Store
from ecgstore.system.identity import require_same

STATE_VERSION: Final = 2

_VERSION_OF_ROW_NUMBERS: Final = 1
"""States of it identify the selection by `Selection.rows_sha256`."""

_CHUNK: Final = 4096
"""Positions of the order that are computed at a time: few calls, little memory."""


class Rows(BaseNode[RowBatch]):
    """A node that yields the rows of every batch.

    The order of an epoch depends on the selection, the parameters of the order and the
    epoch only. Every step takes the next ``batch_size * world_size`` positions of it
    and gives each rank one part. So ranks partition the order, and their batches of one
    step, concatenated, are one batch of a single process. The state is the number of
    positions that all ranks together have consumed: it can be resumed with another
    batch size or number of ranks, and yields exactly the rest.

    `reset` begins the next epoch, or the same one if no batch of it was yielded.

    Parameters
    ----------
    selection : Selection or Store
        The records; all records of a store.
    order : Order
        The order in which to take them; its `n` is the number of records.
    batch_size : int
        Records of a batch of one rank.
    seed : int
        Seed of everything that is random about single records, such as augmentations.
    rank, world_size : int
        Rank of this process and number of processes.
    drop_last : bool
        Leave out the rest of an epoch that does not fill a batch of every rank. If
        False, the ranks share the rest evenly; if it has fewer records than ranks, the
        step before it is made smaller, so that every rank gets a record.

    Raises
    ------
    EcgStoreError
        If there are no records.
    TypeError
        If a number is not an integer, or the order is not an `Order`.
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
        _check_order(order, len(self.selection))
        self._order = order
        self._batch_size = require_integer("batch_size", batch_size, lowest=1)
        self._seed = require_integer("seed", seed)
        self._world_size = require_integer("world_size", world_size, lowest=1)
        highest = self._world_size - 1
        self._rank = require_integer("rank", rank, lowest=0, highest=highest)
        self._drop_last = drop_last
        self._identity = {
            "version": STATE_VERSION,
            "fingerprint": self.selection.store.fingerprint,
            "rows": self.selection.mask_sha256[:16],
            "n_rows": len(self.selection),
            "seed": self._seed,
            # Prefixed, because the order's seed and the seed of records may differ.
            **{
                "order" if name == "order" else f"order_{name}": value
                for name, value in order.describe().items()
            },
        }
        self._epoch, self._consumed = 0, 0
        self._next_epoch: int | None = None  # as set by `set_epoch`
        self._chunk_key: tuple[int, int] | None = None
        self._chunk: tuple[IntArray, UInt64Array]
        if not len(self):
            raise ValueError(
                f"{len(order)} records do not fill a batch of {batch_size} for each of "
                f"{world_size} ranks, and drop_last=True leaves out the rest; use a "
                "smaller batch_size, or set drop_last=False"
            )

    def __len__(self) -> int:
        """Return the number of batches of a rank in an epoch."""
        return n_batches(
            len(self._order), self._batch_size, self._world_size, self._drop_last
        )

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that the next `reset` begins."""
        self._next_epoch = require_integer("epoch", epoch, lowest=0)

    def reset(self, initial_state: dict[str, Any] | None = None) -> None:
        """Begin the next epoch, or resume from a state.

        Raises
        ------
        EcgStoreError
            If the state was saved with another store, selection, order or seed.
        """
        super().reset(initial_state)
        if initial_state is not None:
            self._restore(initial_state)
        elif self._next_epoch is not None:
            self._epoch, self._consumed = self._next_epoch, 0
            self._next_epoch = None
        elif self._consumed:
            self._epoch, self._consumed = self._epoch + 1, 0

    def next(self) -> RowBatch:
        """Return the rows of this rank's next batch."""
        n_positions = self._n_next_positions()
        if not n_positions:
            raise StopIteration
        part = rank_slice(n_positions, self._rank, self._world_size)
        begin = self._consumed
        self._consumed += n_positions
        indices, seeds = self._at(begin + part.start, begin + part.stop)
        return RowBatch(self.selection.rows_at(indices), seeds)

    def get_state(self) -> dict[str, Any]:
        """Return the identity of the order, and the position that all ranks reached.

        The end of an epoch is the beginning of the next one.
        """
        epoch, consumed = self._epoch, self._consumed
        if consumed and not self._n_next_positions():
            epoch, consumed = epoch + 1, 0
        return {**self._identity, "epoch": epoch, "consumed": consumed}

    def _n_next_positions(self) -> int:
        """Return the number of positions that all ranks together take next."""
        rest = len(self._order) - self._consumed
        return next_batch(rest, self._batch_size, self._world_size, self._drop_last)

    def _at(self, begin: int, end: int) -> tuple[IntArray, UInt64Array]:
        """Return the indices and seeds at some positions, from a cached chunk."""
        if end - begin > _CHUNK:
            return self._compute(begin, end)
        first = begin - begin % _CHUNK
        middle = first + _CHUNK
        if end > middle:
            indices, seeds = self._at(begin, middle)
            more_indices, more_seeds = self._at(middle, end)
            return (
                np.concatenate([indices, more_indices]),
                np.concatenate([seeds, more_seeds]),
            )
        if self._chunk_key != (self._epoch, first):
            self._chunk = self._compute(first, min(middle, len(self._order)))
            self._chunk_key = self._epoch, first
        indices, seeds = self._chunk
        part = slice(begin - first, end - first)
        # A copy: users may change their batch, and the chunk may be needed again.
        return indices[part], seeds[part].copy()

    def _compute(self, begin: int, end: int) -> tuple[IntArray, UInt64Array]:
        """Compute the indices and seeds at some positions."""
        return (
            self._order.indices(self._epoch, begin, end),
            record_seeds(self._seed, self._epoch, begin, end),
        )

    def _restore(self, state: dict[str, Any]) -> None:
        """Resume from a state, or raise an error if it does not fit this node."""
        identity = self._identity
        if state.get("version") == _VERSION_OF_ROW_NUMBERS:
            # Computed for states of earlier releases only: it takes longer.
            rows = self.selection.rows_sha256[:16]
            identity = {**identity, "version": _VERSION_OF_ROW_NUMBERS, "rows": rows}
        require_same(
            "the state to resume from",
            {name: state.get(name) for name in identity},
            identity,
            lambda name: _ADVICE.get(name, _ADVICE_ORDER),
        )
        epoch = _count(state, "epoch")
        consumed = _count(state, "consumed", len(self._order))
        self._epoch, self._consumed = epoch, consumed


_ADVICE: Final = {
    "version": "resume with the release that saved the state, or start anew",
    "fingerprint": "open the store that the state was saved with",
    "rows": "select the same records as when the state was saved",
    "n_rows": "select the same records as when the state was saved",
}
_ADVICE_ORDER: Final = (
    "make the pipe with the same seed and order as when the state was saved"
)


def as_selection(records: Selection | Store) -> Selection:
    """Return a selection; for a store, the one of all its rows.

    Raises
    ------
    TypeError
        If it is neither.
    EcgStoreError
        If it is empty.
    """
    if isinstance(records, Store):
        records = Selection.of_all(records)
    if not isinstance(records, Selection):
        raise TypeError(
            f"records is {records!r}; expected a store or a selection, such as "
            "ecgstore.open(path) or store.select(...)"
        )
    if not len(records):
        raise EcgStoreError(
            f"{records.store.place}: no record is selected; expected at least one: "
            "loosen the conditions of store.select(...)"
        )
    return records


def _check_order(order: Order, n_records: int) -> None:
    """Raise an error unless it is an order of this number of records."""
    if not isinstance(order, Order):
        raise TypeError(
            f"order is a {type(order).__name__}; expected an order, such as "
            "pipes.Shuffled(n, seed) or pipes.ClassBalanced(labels, seed)"
        )
    if order.n != n_records:
        raise ValueError(
            f"the order has n={order.n} and the selection has {n_records} records; "
            f"make the order with n={n_records}"
        )


def _count(state: dict[str, Any], name: str, highest: int | None = None) -> int:
    """Return a count from a state, or raise an error if it is not a valid one."""
    value = state.get(name)
    if isinstance(value, int) and value >= 0 and (highest is None or value <= highest):
        return value
    limit = "" if highest is None else f" to {highest}"
    raise EcgStoreError(
        f"the state to resume from has {name} {value!r}; expected an integer from "
        f"0{limit}: the state was changed after it was saved; resume from another one"
    )
