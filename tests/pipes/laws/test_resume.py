"""Resume law: every node and loader, saved at any step, yields exactly the rest."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from ecgstore import pipes
from ecgstore.pipes import Augment, Gain, TimeShift
from ecgstore.pipes.batch import RowBatch
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.nodes import read
from ecgstore.pipes.testing import assert_resumes_exactly, digest
from ecgstore.pipes.transforms.standardise import Standardise, StandardiseFeatures
from ecgstore.storage import Selection
from tests.pipes.augmentations import AUGMENTATIONS
from tests.pipes.laws.pipes_of_laws import (
    EVERYTHING,
    FEW_LEADS,
    ORDERS,
    backwards,
    described,
    make_loader,
    read_node,
    rows_node,
)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_rows_resume(few: Selection, order: str, drop_last: bool) -> None:
    for batch_size in (1, 4):
        for rank in (0, 1):
            make = partial(
                pipes.Rows,
                few,
                ORDERS[order](few),
                batch_size,
                rank=rank,
                world_size=2,
                drop_last=drop_last,
            )
            assert_resumes_exactly(make, n_epochs=3)


NODES: dict[str, Callable[[Selection], Any]] = {
    "read": read_node,
    "read a window": lambda few: read_node(few, window=(100, 350)),
    "read a crop": lambda few: read_node(few, window=pipes.RandomCrop(64)),
    "read counts": lambda few: read_node(few, dtype="int16", leads=["V1"]),
    "map": lambda few: pipes.Map(read_node(few), described),
    "map rows": lambda few: pipes.Map(rows_node(few), backwards),
    "prefetch rows": lambda few: pipes.Prefetch(rows_node(few), 1),
    "prefetch": lambda few: pipes.Prefetch(read_node(few), 3),
    "prefetch twice": lambda few: pipes.Prefetch(pipes.Prefetch(read_node(few)), 2),
    "map after prefetch": lambda few: pipes.Map(
        pipes.Prefetch(read_node(few)), described
    ),
    "to device": lambda few: pipes.ToDevice(read_node(few, dtype="int16"), "cpu"),
    "prefetch, to device": lambda few: pipes.ToDevice(
        pipes.Prefetch(read_node(few, dtype="int16"), 2), "cpu", in_mv=False
    ),
}


@pytest.mark.parametrize("name", NODES)
def test_nodes_resume(few: Selection, name: str) -> None:
    assert_resumes_exactly(lambda: NODES[name](few))


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("window", [None, (40, 90), pipes.RandomCrop(50)])
def test_loaders_resume(
    few: Selection, prefetch: int, drop_last: bool, window: Any
) -> None:
    assert_resumes_exactly(
        lambda: make_loader(
            few, 4, prefetch=prefetch, drop_last=drop_last, window=window
        )
    )


@pytest.mark.parametrize("order", ORDERS)
def test_loaders_of_every_order_resume(few: Selection, order: str) -> None:
    assert_resumes_exactly(
        lambda: make_loader(
            few,
            shuffle=False,
            order=ORDERS[order](few),
            window=pipes.RandomCrop(20),
        )
    )


@pytest.mark.parametrize(
    "augmentation", AUGMENTATIONS, ids=lambda augmentation: type(augmentation).__name__
)
def test_augmented_loaders_resume(few: Selection, augmentation: Any) -> None:
    def make() -> Loader:
        return make_loader(
            few, window=pipes.RandomCrop(600), transform=Augment(augmentation)
        )

    plain = make_loader(few, window=pipes.RandomCrop(600))
    pairs = zip(make(), plain, strict=True)
    assert any(digest(a) != digest(b) for a, b in pairs), "nothing was augmented"
    assert_resumes_exactly(make)


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("drop_last", [False, True])
def test_mixed_loaders_resume(few: Selection, prefetch: int, drop_last: bool) -> None:
    assert_resumes_exactly(
        lambda: make_loader(
            few,
            4,
            fields=EVERYTHING,
            window=pipes.RandomCrop(600),
            transform=[Augment(Gain()), pipes.Mixup(0.4)],
            prefetch=prefetch,
            drop_last=drop_last,
        )
    )


def test_a_long_chain_resumes(few: Selection) -> None:
    standardise = Standardise.fit(few, leads=FEW_LEADS)
    features = StandardiseFeatures.fit(few)
    augment = Augment(*AUGMENTATIONS, TimeShift(), Gain())
    assert_resumes_exactly(
        lambda: make_loader(
            few,
            fields=EVERYTHING,
            window=pipes.RandomCrop(400),
            transform=[augment, standardise, features, described],
            prefetch=2,
        )
    )


def test_every_rank_of_a_loader_resumes(few: Selection) -> None:
    for rank in range(3):
        window = pipes.RandomCrop(9)
        assert_resumes_exactly(
            partial(make_loader, few, 2, rank=rank, world_size=3, window=window)
        )


def test_more_ranks_than_records_resume(few: Selection) -> None:
    two = Selection(few.store, few.rows[:2])
    for rank in range(3):
        assert_resumes_exactly(
            partial(
                make_loader,
                two,
                1,
                rank=rank,
                world_size=3,
                window=pipes.RandomCrop(300),
                fields=EVERYTHING,
                transform=Augment(*AUGMENTATIONS),
            )
        )


def test_loaders_resume_while_the_disk_is_slow(
    few: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = [digest(batch) for batch in make_loader(few, 2, window=(0, 700))]
    waits = iter(range(10**9))
    requested: list[int] = []
    monkeypatch.setattr(read, "waits_for_disk", lambda: next(waits))
    will_need = pipes.RecordReader.will_need

    def count_requests(self: pipes.RecordReader, batches: list[RowBatch]) -> None:
        requested.extend(map(len, batches))
        will_need(self, batches)

    monkeypatch.setattr(pipes.RecordReader, "will_need", count_requests)
    for prefetch in (0, 1):
        loader = make_loader(few, 2, window=(0, 700), prefetch=prefetch)
        assert [digest(batch) for batch in loader] == plain
        assert requested, "the next rows were not requested"
        requested.clear()
        window = pipes.RandomCrop(50)
        make = partial(make_loader, few, 2, window=window, prefetch=prefetch)
        assert_resumes_exactly(make, n_epochs=3)
    assert_resumes_exactly(lambda: read_node(few))


def test_leaving_an_epoch_while_the_disk_is_slow_begins_the_next_one(
    few: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source has reached its end by then, which is not the end of the epoch."""
    waits = iter(range(10**9))
    monkeypatch.setattr(read, "waits_for_disk", lambda: next(waits))
    for prefetch in (0, 2):
        loader = make_loader(few, 2, fields=("labels",), prefetch=prefetch)
        for n_taken in (1, 2, 3, 6):
            epoch = loader.epoch
            taken = [batch.rows for _, batch in zip(range(n_taken), loader)]  # noqa: B905
            assert len(taken) == n_taken
            expected = pipes.Shuffled(len(few), 7).indices(epoch, 0, len(few))
            rows = np.concatenate([batch_rows.numpy() for batch_rows in taken])
            assert (rows == few.rows[expected][: len(rows)]).all()
            loader.set_epoch(epoch + 1)
