"""Every loop over a loader is an epoch: which, how long, left early and resumed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from ecgstore import pipes
from ecgstore.pipes.orders.order import Order
from ecgstore.pipes.orders.seeds import record_seeds
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection, Store
from tests.pipes.batches import digests, rows_of
from tests.pipes.loader.loaders import (
    PREFETCHES,
    SEED,
    make_loader,
    make_random_loader,
    order_of,
    threads,
    through_json,
)

ORDERS: dict[str, Callable[[int], Order]] = {
    "sequential": pipes.Sequential,
    "shuffled": lambda n: pipes.Shuffled(n, 1),
    "blocks": lambda n: pipes.BlockShuffled(n, 1, 3, 2),
    "weighted": lambda n: pipes.Weighted(np.arange(n) + 1, 1, n_draws=n + 9),
    "repeated": lambda n: pipes.Repeated(pipes.Shuffled(n, 1), 3),
}


@settings(max_examples=150)
@given(
    n_rows=st.integers(1, 30),
    batch_size=st.integers(1, 40),
    world_size=st.integers(1, 5),
    drop_last=st.booleans(),
    name=st.sampled_from(sorted(ORDERS)),
    prefetch=st.integers(0, 2),
)
def test_len_is_the_number_of_batches(
    store: Store,
    n_rows: int,
    batch_size: int,
    world_size: int,
    drop_last: bool,
    name: str,
    prefetch: int,
) -> None:
    some = store.select(rows=range(n_rows))
    order = ORDERS[name](n_rows)
    options: dict[str, Any] = {
        "order": order,
        "shuffle": False,
        "fields": (),
        "drop_last": drop_last,
        "prefetch": prefetch,
    }
    n_taken = len(order)
    if drop_last:
        n_taken -= n_taken % (batch_size * world_size)
    if not n_taken:
        with pytest.raises(ValueError, match="set drop_last=False"):
            make_loader(some, batch_size, rank=0, world_size=world_size, **options)
        return
    n_batches = set()
    positions = []
    for rank in range(world_size):
        loader = make_loader(
            some, batch_size, rank=rank, world_size=world_size, **options
        )
        for epoch in range(2):
            batches = list(loader)
            assert len(batches) == len(loader)
            assert all(len(batch) <= batch_size for batch in batches)
            positions += [(epoch, row) for row in rows_of(batches)]
        n_batches.add(len(loader))
    assert len(n_batches) == 1
    expected = [
        (epoch, int(some.rows[place]))
        for epoch in range(2)
        for place in order.indices(epoch, 0, n_taken)
    ]
    assert sorted(positions) == sorted(expected)


@PREFETCHES
def test_each_loop_is_the_next_epoch(few: Selection, prefetch: int) -> None:
    loader = make_loader(few, prefetch=prefetch)
    assert loader.epoch == 0
    for epoch in range(3):
        batches = []
        for number, batch in enumerate(loader, start=1):
            batches.append(batch)
            # What comes after the last batch belongs to the next epoch.
            assert loader.epoch == epoch + (number == len(loader))
        assert rows_of(batches) == order_of(few, epoch)
        seeds = np.concatenate([batch.seeds for batch in batches])
        assert (seeds == record_seeds(SEED, epoch, 0, len(few))).all()
    assert len({tuple(order_of(few, epoch)) for epoch in range(3)}) == 3
    assert (
        len(
            {
                *record_seeds(SEED, 0, 0, 19).tolist(),
                *record_seeds(SEED, 1, 0, 19).tolist(),
            }
        )
        == 38
    )


@PREFETCHES
def test_set_epoch_gives_the_epochs_of_successive_loops(
    few: Selection, prefetch: int
) -> None:
    loader = make_random_loader(few, prefetch=prefetch)
    epochs = [digests(loader) for _ in range(4)]
    assert len({first for first, *_ in epochs}) == 4

    second = make_random_loader(few, prefetch=prefetch)
    for epoch in (0, 1, 2, 3, 1, 1, 3, 0):  # forwards, backwards, repeated
        second.set_epoch(epoch)
        assert second.epoch == epoch
        assert digests(second) == epochs[epoch]
    assert digests(second) == epochs[1]  # 0 was the last

    # Within an epoch, and several times.
    for number, _ in enumerate(second):
        if number == 1:
            break
    for epoch in (3, 0, 2):
        second.set_epoch(epoch)
    assert digests(second) == epochs[2]


@PREFETCHES
def test_set_epoch_after_a_resume_keeps_the_rest_of_the_epoch(
    few: Selection, prefetch: int
) -> None:
    """A loop that calls set_epoch, as with DistributedSampler, resumes mid-epoch."""
    loader = make_random_loader(few, prefetch=prefetch)
    epochs = [digests(loader) for _ in range(3)]
    loader.set_epoch(1)
    loop = iter(loader)
    next(loop), next(loop)
    state = through_json(loader.state_dict())
    del loop

    resumed = make_random_loader(few, prefetch=prefetch)
    resumed.load_state_dict(state)
    rests = []
    for epoch in range(resumed.epoch, 3):
        resumed.set_epoch(epoch)
        rests.append(digests(resumed))
    assert rests == [epochs[1][2:], epochs[2]]

    resumed.load_state_dict(state)
    resumed.set_epoch(1)
    resumed.set_epoch(1)
    assert digests(resumed) == epochs[1][2:]
    resumed.load_state_dict(state)
    resumed.set_epoch(2)
    resumed.set_epoch(1)  # another epoch was set in between: the whole epoch
    assert digests(resumed) == epochs[1]


@PREFETCHES
def test_a_wrong_epoch_changes_nothing(few: Selection, prefetch: int) -> None:
    loader = make_loader(few, prefetch=prefetch)
    loop = iter(loader)
    consumed = rows_of([next(loop)])
    with pytest.raises(ValueError, match="epoch is -1; expected 0 or more"):
        loader.set_epoch(-1)
    assert consumed + rows_of(loop) == order_of(few, 0)


@PREFETCHES
def test_leaving_a_loop_ends_the_epoch(few: Selection, prefetch: int) -> None:
    for n_taken in range(1, 6):
        loader = make_loader(few, prefetch=prefetch)
        for number, _ in enumerate(loader, start=1):
            if number == n_taken:
                break
        assert not threads()
        assert rows_of(loader) == order_of(few, 1)
        assert rows_of(loader) == order_of(few, 2)


@PREFETCHES
def test_a_loop_that_took_no_batch_did_not_begin(few: Selection, prefetch: int) -> None:
    loader = make_loader(few, prefetch=prefetch)
    for _ in range(3):
        iter(loader)
    assert rows_of(loader) == order_of(few, 0)


@PREFETCHES
def test_leaving_and_resuming_yields_the_uninterrupted_epochs(
    few: Selection, prefetch: int
) -> None:
    """Resumed alternately in the same loader and in a new one."""
    for n_taken in (1, 2):
        loader = make_random_loader(few, prefetch=prefetch)
        whole = [digests(loader) for _ in range(2)]
        loader.set_epoch(0)
        consumed: list[str] = []
        while len(consumed) < 2 * len(loader):
            for number, batch in enumerate(loader, start=1):
                consumed.append(digest(batch))
                if number == n_taken:
                    break
            assert not threads()
            state = through_json(loader.state_dict())
            if len(consumed) % 2:
                loader = make_random_loader(few, prefetch=prefetch)
            loader.load_state_dict(state)
        assert consumed == whole[0] + whole[1]
