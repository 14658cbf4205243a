"""Order law: order depends on seed, epoch and selection only; ranks partition it."""

from typing import Any

import numpy as np
import pytest

from ecgstore import pipes
from ecgstore.pipes import Augment
from ecgstore.pipes.batch import RowBatch
from ecgstore.pipes.orders.seeds import record_seeds
from ecgstore.storage import Selection
from tests.pipes.augmentations import AUGMENTATIONS
from tests.pipes.batches import rows_of
from tests.pipes.laws.pipes_of_laws import ORDERS, make_loader


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("batch_size", "world_size"), [(1, 2), (2, 2), (3, 3), (2, 4)])
def test_ranks_partition_the_order(
    few: Selection, order: str, drop_last: bool, batch_size: int, world_size: int
) -> None:
    """The batches of all ranks, concatenated, are those of one process."""

    def epochs(batch_size: int, **of_rank: int) -> list[list[RowBatch]]:
        node = pipes.Rows(
            few, ORDERS[order](few), batch_size, drop_last=drop_last, seed=2, **of_rank
        )
        batches = []
        for _ in range(2):
            node.reset()
            batches.append(list(node))
            assert len(batches[-1]) == len(node)
        return batches

    whole = epochs(batch_size * world_size)
    ranks = [
        epochs(batch_size, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    for epoch in range(2):
        steps = list(zip(*(rank[epoch] for rank in ranks), strict=True))
        for name in ("rows", "seeds"):
            together = [
                np.concatenate([getattr(part, name) for part in parts])
                for parts in steps
            ]
            alone = [getattr(batch, name) for batch in whole[epoch]]
            assert (np.concatenate(together) == np.concatenate(alone)).all()
            if [*map(len, together)] != [*map(len, alone)]:
                # Otherwise, a rank would have no record in the last step.
                assert not drop_last
                rest = len(ORDERS[order](few)) % (batch_size * world_size)
                assert 0 < rest < world_size
                assert all(len(part) for part in steps[-1])
        sizes = [[len(part) for part in parts] for parts in steps]
        assert all(max(of_step) - min(of_step) <= 1 for of_step in sizes)
        taken = np.concatenate([np.concatenate([p.rows for p in s]) for s in steps])
        length = len(ORDERS[order](few))
        expected = few.rows[ORDERS[order](few).indices(epoch, 0, length)]
        if drop_last:
            length -= length % (batch_size * world_size)
            assert length
        assert (taken == expected[:length]).all()


def test_the_order_depends_on_seed_epoch_and_selection_only(few: Selection) -> None:
    def first(**options: Any) -> list[int]:
        return rows_of(make_loader(few, **{"fields": ("labels",), **options}))

    plain = first()
    assert sorted(plain) == few.rows.tolist()
    for options in (
        {"prefetch": 0},
        {"prefetch": 3},
        {"fields": ("signals", "age")},
        {"fields": ()},
        {"batch_size": 1},
        {"batch_size": 100},
        {"window": pipes.RandomCrop(7)},
        {"dtype": "int16"},
    ):
        assert first(**options) == plain
    assert first(seed=8) != plain
    loader = make_loader(few, fields=())
    loader.set_epoch(1)
    assert rows_of(loader) != plain


def test_augmentation_of_a_record_does_not_depend_on_batches(few: Selection) -> None:
    def records(**options: Any) -> dict[int, bytes]:
        loader = make_loader(
            few,
            window=pipes.RandomCrop(200),
            transform=Augment(*AUGMENTATIONS),
            **options,
        )
        signals_of_rows = {}
        for batch in loader:
            assert batch.signals is not None
            signals = batch.signals.numpy()
            for row, signal in zip(batch.rows.tolist(), signals, strict=True):
                signals_of_rows[row] = signal.tobytes()
        return signals_of_rows

    plain = records(batch_size=3)
    assert records(batch_size=1, prefetch=0) == plain
    assert records(batch_size=11, prefetch=2) == plain
    both = [records(batch_size=2, rank=rank, world_size=2) for rank in (0, 1)]
    assert not both[0].keys() & both[1].keys()
    assert both[0] | both[1] == plain


def test_epochs_longer_than_a_chunk_of_the_order(few: Selection) -> None:
    """Positions are computed a few thousand at a time."""
    order = pipes.Weighted(np.ones(len(few)), seed=1, n_draws=10_000)
    expected = few.rows[order.indices(1, 0, len(order))]
    expected_seeds = record_seeds(4, 1, 0, len(order))
    for batch_size, rank, world_size in ((700, 0, 1), (4096, 0, 1), (650, 2, 3)):
        node = pipes.Rows(
            few, order, batch_size, seed=4, rank=rank, world_size=world_size
        )
        node.set_epoch(1)
        node.reset()
        begin = 0
        for batch in node:
            end = begin + min(batch_size * world_size, len(order) - begin)
            part = slice(
                begin + (end - begin) * rank // world_size,
                begin + (end - begin) * (rank + 1) // world_size,
            )
            assert (batch.rows == expected[part]).all()
            assert (batch.seeds == expected_seeds[part]).all()
            begin = end
        assert begin == len(order)


def test_a_batch_may_be_a_whole_epoch_of_millions(few: Selection) -> None:
    order = pipes.Weighted(np.ones(len(few)), seed=1, n_draws=5_000_000)
    node = pipes.Rows(few, order, len(order))
    batch = next(node)
    assert len(batch) == len(order)
    assert (
        batch.rows[-9:] == few.rows[order.indices(0, len(order) - 9, len(order))]
    ).all()
