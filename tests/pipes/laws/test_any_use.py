"""Resume and order law for any sequence of operations on loaders."""

import json
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from hypothesis import HealthCheck, assume, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ecgstore import pipes
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.orders.seeds import record_seeds
from ecgstore.storage import Selection
from tests.pipes.laws.pipes_of_laws import ORDERS, labels_of


class Ranks:
    """The loaders of all ranks, one step at a time."""

    def __init__(self, make: Callable[[int, int], Loader], world_size: int) -> None:
        self.loaders = [make(rank, world_size) for rank in range(world_size)]
        self.loops: list[Iterator[Batch]] | None = None

    def iterate(self) -> None:
        self.loops = [iter(loader) for loader in self.loaders]

    def step(self) -> list[Batch] | None:
        """One batch of each rank; None if the epoch is over, for all of them."""
        assert self.loops is not None
        of_ranks = [next(loop, None) for loop in self.loops]
        batches = [batch for batch in of_ranks if batch is not None]
        assert len(batches) in (0, len(of_ranks))
        return batches or None

    def state(self) -> dict[str, Any]:
        states = [json.dumps(loader.state_dict()) for loader in self.loaders]
        assert len(set(states)) == 1
        return dict(json.loads(states[0]))


class AnyUse(RuleBasedStateMachine):
    """Loaders under any sequence of operations yield the rows of a simple model.

    The model is an epoch and the number of its positions that are consumed.
    """

    selection: ClassVar[Selection]
    order_names: ClassVar[list[str]] = sorted(ORDERS)

    @initialize(data=st.data(), n_rows=st.integers(1, 13))
    def begin(self, data: st.DataObject, n_rows: int) -> None:
        rows = self.selection.rows[:n_rows]
        self.some = Selection(self.selection.store, rows)
        name = data.draw(st.sampled_from(self.order_names))
        assume(name != "balanced" or labels_of(self.some).any())
        assume(name != "weighted" or n_rows > 1)
        self.order = ORDERS[name](self.some)
        self.epoch, self.consumed = 0, 0
        self.is_at_state = True
        self.saved: list[tuple[dict[str, Any], int, int]] = []
        self.ranks: Ranks | None = None
        self.remake(*data.draw(self.shapes))

    shapes = st.tuples(
        st.integers(1, 5), st.integers(1, 3), st.integers(0, 2), st.booleans()
    )

    def remake(
        self, batch_size: int, world_size: int, prefetch: int, drop_last: bool
    ) -> None:
        """Make loaders with other options; the old ones are closed."""
        if self.ranks is not None:
            for loader in self.ranks.loaders:
                loader.close()
        if len(self.order) < batch_size * world_size:
            drop_last = False  # refused: an epoch would have no batch
        self.size = batch_size * world_size
        self.world_size, self.drop_last = world_size, drop_last
        self.leaves = batch_size > 1 and not drop_last
        self.ranks = Ranks(
            lambda rank, world_size: pipes.loader(
                self.some,
                batch_size,
                order=self.order,
                seed=11,
                fields=("labels",),
                rank=rank,
                world_size=world_size,
                prefetch=prefetch,
                drop_last=drop_last,
            ),
            world_size,
        )

    def count(self) -> int:
        """Number of positions of the next step."""
        rest = len(self.order) - self.consumed
        if rest < self.size:
            return 0 if self.drop_last else rest
        if self.leaves and 0 < rest - self.size < self.world_size:
            return self.size - self.world_size
        return self.size

    @rule()
    def loop(self) -> None:
        """Begin to iterate, whether or not there is a loop already."""
        assert self.ranks is not None
        self.ranks.iterate()
        if not self.is_at_state and self.consumed:
            self.epoch, self.consumed = self.epoch + 1, 0
        self.is_at_state = False

    @rule(n_steps=st.integers(1, 4))
    @precondition(lambda self: self.ranks is not None and self.ranks.loops is not None)
    def step(self, n_steps: int) -> None:
        assert self.ranks is not None
        for _ in range(n_steps):
            count = self.count()
            batches = self.ranks.step()
            if not count:
                assert batches is None
                self.ranks.loops = None
                return
            assert batches is not None
            end = self.consumed + count
            expected = self.some.rows[
                self.order.indices(self.epoch, self.consumed, end)
            ]
            rows = np.concatenate([batch.rows.numpy() for batch in batches])
            assert (rows == expected).all()
            seeds = np.concatenate([batch.seeds for batch in batches])
            assert (seeds == record_seeds(11, self.epoch, self.consumed, end)).all()
            stored = self.some.store.labels(rows=rows)
            read_labels = np.concatenate(
                [batch.labels.numpy() for batch in batches if batch.labels is not None]
            )
            assert (read_labels == stored).all()
            sizes = [len(batch) for batch in batches]
            assert max(sizes) - min(sizes) <= 1
            self.consumed = end
            if not self.count():
                self.epoch, self.consumed = self.epoch + 1, 0
                assert self.ranks.step() is None
                self.ranks.loops = None
                return

    @rule()
    @precondition(lambda self: self.ranks is not None and self.ranks.loops is not None)
    def leave(self) -> None:
        """Break out of the loop."""
        assert self.ranks is not None
        self.ranks.loops = None

    @rule(ahead=st.integers(0, 3))
    def set_epoch(self, ahead: int) -> None:
        assert self.ranks is not None
        wanted = max(self.epoch - 1, 0) + ahead
        for loader in self.ranks.loaders:
            loader.set_epoch(wanted)
        self.ranks.loops = None
        if not (self.is_at_state and wanted == self.epoch):
            self.epoch, self.consumed = wanted, 0
            self.is_at_state = True

    @rule(shape=shapes)
    def resume(self, shape: tuple[int, int, int, bool]) -> None:
        """Resume in new loaders, with other options, from the state of the old ones."""
        assert self.ranks is not None
        state = self.ranks.state()
        self.remake(*shape)
        self.load(state)

    @rule()
    def save(self) -> None:
        assert self.ranks is not None
        self.saved.append((self.ranks.state(), self.epoch, self.consumed))

    @rule(which=st.integers(0, 9))
    @precondition(lambda self: self.saved)
    def rewind(self, which: int) -> None:
        """Resume from an older state in the same loaders."""
        state, self.epoch, self.consumed = self.saved[which % len(self.saved)]
        self.load(state)

    def load(self, state: dict[str, Any]) -> None:
        assert self.ranks is not None
        for loader in self.ranks.loaders:
            loader.load_state_dict(state)
        self.ranks.loops = None
        self.is_at_state = True

    @invariant()
    def state_is_what_was_taken(self) -> None:
        if getattr(self, "ranks", None) is not None:
            assert self.ranks is not None
            state = self.ranks.state()
            assert (state["epoch"], state["consumed"]) == (self.epoch, self.consumed)
            assert self.ranks.loaders[0].epoch == self.epoch

    def teardown(self) -> None:
        if getattr(self, "ranks", None) is not None:
            assert self.ranks is not None
            for loader in self.ranks.loaders:
                loader.close()


def test_any_use_of_loaders(few: Selection) -> None:
    AnyUse.selection = Selection(few.store, np.arange(2, 41, 3))
    run_state_machine_as_test(
        AnyUse,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.filter_too_much],
        ),
    )
