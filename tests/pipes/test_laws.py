"""Laws 1 and 2: every pipe resumes exactly; ranks partition one order."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import pytest
import torchdata.nodes
from hypothesis import HealthCheck, assume, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from torchdata.nodes import BaseNode

import ecgstore
from ecgstore import pipes
from ecgstore.arrays import IntArray
from ecgstore.errors import EcgStoreError
from ecgstore.pipes import (
    Augment,
    BaselineWander,
    Gain,
    LeadDropout,
    Powerline,
    TimeMask,
    TimeShift,
    WhiteNoise,
    WhiteNoiseAtSnr,
)
from ecgstore.pipes.batch import Batch, RowBatch
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.nodes import read
from ecgstore.pipes.orders.order import Order
from ecgstore.pipes.orders.seeds import record_seeds as seeds
from ecgstore.pipes.testing import assert_resumes_exactly, digest
from ecgstore.pipes.transforms.standardise import Standardise, StandardiseFeatures
from ecgstore.storage import Selection, Store

N_ROWS = 11
FEW_LEADS = ("II", "V5")
EVERYTHING = ("signals", "labels", "features", "fiducials", "r_peaks", "age", "dx")


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture(scope="module")
def few(store: Store) -> Selection:
    """Some rows that are neither all nor neighbours, of different lengths."""
    return Selection(store, np.arange(3, 3 + 4 * N_ROWS, 4))


def labels(selection: Selection) -> Any:
    """The labels of the classes that occur."""
    found = selection.store.labels(rows=selection.rows)
    return found[:, found.any(axis=0)]


ORDERS: dict[str, Callable[[Selection], Order]] = {
    "sequential": lambda some: pipes.Sequential(len(some)),
    "shuffled": lambda some: pipes.Shuffled(len(some), seed=3),
    "blocks": lambda some: pipes.BlockShuffled(len(some), 3, 2, 2),
    "weighted": lambda some: pipes.Weighted(np.arange(len(some)), 3, n_draws=9),
    "balanced": lambda some: pipes.ClassBalanced(labels(some), seed=3),
    "repeated": lambda some: pipes.Repeated(pipes.Shuffled(len(some), 3), 2),
}

AUGMENTATIONS = (
    BaselineWander(),
    Gain(),
    LeadDropout(),
    Powerline(),
    TimeMask(),
    TimeShift(),
    WhiteNoise(),
    WhiteNoiseAtSnr(),
)


def rows_node(few: Selection, batch_size: int = 3, **options: Any) -> pipes.Rows:
    return pipes.Rows(few, pipes.Shuffled(len(few), 5), batch_size, **options)


def read_node(
    few: Selection, fields: Any = EVERYTHING, **options: Any
) -> BaseNode[Batch]:
    reader = pipes.RecordReader(few.store, fields, **options)
    return pipes.Read(rows_node(few), reader)


def make_loader(few: Selection, batch_size: int = 3, **options: Any) -> Loader:
    options = {"shuffle": True, "seed": 7, "leads": FEW_LEADS, **options}
    return pipes.loader(few, batch_size, **options)


def described(batch: Batch) -> dict[str, Any]:
    """Something that depends on every number of a batch, to be mapped to."""
    return {"rows": batch.rows, "digest": digest(batch)}


def total(batch: RowBatch) -> int:
    return int(batch.rows.sum())


# -- law 1: every node alone, and chains ------------------------------------


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
    "map rows": lambda few: pipes.Map(rows_node(few), total),
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
    "augmentation", AUGMENTATIONS, ids=lambda each: type(each).__name__
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


def test_resuming_while_the_disk_is_slow(
    few: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = [digest(each) for each in make_loader(few, 2, window=(0, 700))]
    waits = iter(range(10**9))
    asked: list[int] = []
    monkeypatch.setattr(read, "waits_for_disk", lambda: next(waits))
    will_need = pipes.RecordReader.will_need

    def noted(self: pipes.RecordReader, batch: RowBatch) -> None:
        asked.append(len(batch))
        will_need(self, batch)

    monkeypatch.setattr(pipes.RecordReader, "will_need", noted)
    for prefetch in (0, 1):
        found = make_loader(few, 2, window=(0, 700), prefetch=prefetch)
        assert [digest(each) for each in found] == plain
        assert asked, "the next rows were not asked for"
        asked.clear()
        window = pipes.RandomCrop(50)
        make = partial(make_loader, few, 2, window=window, prefetch=prefetch)
        assert_resumes_exactly(make, n_epochs=3)
    assert_resumes_exactly(lambda: read_node(few))


def test_leaving_an_epoch_early_while_the_disk_is_slow(
    few: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source is at its end by then, and must not be taken for the next epoch."""
    waits = iter(range(10**9))
    monkeypatch.setattr(read, "waits_for_disk", lambda: next(waits))
    for prefetch in (0, 2):
        loader = make_loader(few, 2, fields=("labels",), prefetch=prefetch)
        for n_taken in (1, 2, 3, 6):
            epoch = loader.epoch
            taken = [batch.rows for _, batch in zip(range(n_taken), loader)]  # noqa: B905
            assert len(taken) == n_taken
            expected = pipes.Shuffled(len(few), 7).indices(epoch, 0, len(few))
            found = np.concatenate([each.numpy() for each in taken])
            assert (found == few.rows[expected][: len(found)]).all()
            loader.set_epoch(epoch + 1)


# -- law 1 with torchdata's own nodes ---------------------------------------


TORCHDATA_NODES: dict[str, Callable[[BaseNode[Any]], BaseNode[Any]]] = {
    "mapper": lambda node: torchdata.nodes.Mapper(node, described),
    "batcher": lambda node: torchdata.nodes.Batcher(node, 2, drop_last=False),
    "ours around theirs": lambda node: pipes.Prefetch(
        torchdata.nodes.Mapper(node, described)
    ),
}


@pytest.mark.parametrize("name", TORCHDATA_NODES)
def test_torchdatas_nodes_resume(few: Selection, name: str) -> None:
    assert_resumes_exactly(lambda: TORCHDATA_NODES[name](read_node(few, ("labels",))))


TORCHDATA_LOADERS: dict[str, Callable[[BaseNode[Any]], BaseNode[Any]]] = {
    "alone": lambda node: node,
    "our prefetch": lambda node: pipes.Prefetch(node, 2),
    "their prefetcher": lambda node: torchdata.nodes.Prefetcher(node, 2),
    "their batcher": lambda node: torchdata.nodes.Batcher(node, 2, drop_last=False),
    "all": lambda node: torchdata.nodes.Prefetcher(
        torchdata.nodes.Mapper(pipes.Prefetch(pipes.Map(node, described)), digest), 1
    ),
}


def torchdata_loader(few: Selection, name: str) -> Any:
    node = read_node(few, ("signals",), window=pipes.RandomCrop(30))
    return torchdata.nodes.Loader(TORCHDATA_LOADERS[name](node))


@pytest.mark.parametrize("name", TORCHDATA_LOADERS)
def test_torchdatas_loader_resumes(few: Selection, name: str) -> None:
    """Items only: after a resume, it counts `num_yielded` one too many.

    And a Prefetcher of theirs begins to read at `reset` and not at the first `next`,
    so a second `reset` finds that the epoch has begun. Their Loader makes only one.
    """
    loader = torchdata_loader(few, name)
    digests: list[list[str]] = []
    saved: list[tuple[int, int, Any]] = []
    for epoch in range(2):
        digests.append([])
        for item in loader:
            digests[-1].append(digest(item))
            saved.append((epoch, len(digests[-1]), loader.state_dict()))
    assert digests[0] != digests[1]
    for epoch, step, state in saved[:-1]:
        restored = torchdata_loader(few, name)
        restored.load_state_dict(json.loads(json.dumps(state)))
        rest = digests[epoch][step:] or digests[epoch + 1]
        assert [digest(item) for item in restored] == rest


def test_torchdatas_threads_over_our_nodes_resume(few: Selection) -> None:
    """Their ParallelMapper takes a tenth of a second to begin an epoch: few of them."""

    def make() -> Any:
        node = read_node(few, ("signals",), window=pipes.RandomCrop(30))
        return torchdata.nodes.Loader(torchdata.nodes.ParallelMapper(node, digest, 2))

    loader = make()
    whole = list(loader)
    beginning = iter(loader)
    taken = [next(beginning) for _ in range(2)]
    state = json.loads(json.dumps(loader.state_dict()))
    rest = list(beginning)
    restored = make()
    restored.load_state_dict(state)
    assert list(restored) == rest
    assert len(taken + rest) == len(whole)
    assert taken + rest != whole


# -- the helper itself ------------------------------------------------------


class Counting:
    """A pipe that is right: the numbers of an epoch's steps, of two epochs' worth."""

    n_steps = 4

    def __init__(self) -> None:
        self.epoch, self.step = 0, 0
        self.is_loaded = True

    def item(self) -> Any:
        return [self.epoch, self.step, np.float32(self.epoch / 3 + self.step)]

    def __iter__(self) -> Iterator[Any]:
        if not self.is_loaded and self.step:
            self.epoch, self.step = self.epoch + 1, 0
        self.is_loaded = False
        while self.step < self.n_steps:
            item = self.item()
            self.step += 1
            if self.step == self.n_steps:
                self.epoch, self.step = self.epoch + 1, 0
                yield item
                return
            yield item

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "step": self.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epoch, self.step = state_dict["epoch"], state_dict["step"]
        self.is_loaded = True


class SkipsOne(Counting):
    def __iter__(self) -> Iterator[Any]:
        self.step += self.is_loaded and self.step > 0
        return super().__iter__()


class RepeatsOne(Counting):
    def __iter__(self) -> Iterator[Any]:
        self.step -= self.is_loaded and self.step > 0
        return super().__iter__()


class ForgetsTheEpoch(Counting):
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({**state_dict, "epoch": 0})


class ForgetsTheNextEpoch(Counting):
    """Goes on well, and then begins at the first epoch again."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.was_loaded = True

    def __iter__(self) -> Iterator[Any]:
        if not self.is_loaded and hasattr(self, "was_loaded"):
            self.epoch = 0
        return super().__iter__()


class CropsAnew(Counting):
    """What is random goes on from where the process is, not from the state."""

    n_made = 0

    def item(self) -> Any:
        self.n_made += 1
        return [*super().item(), self.n_made % 5]


class StandsStill(Counting):
    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "step": 0}


class ChangesItsState(Counting):
    """Gives out the same dict each time, which is no longer what was saved."""

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        self.state.update(super().state_dict())
        return self.state


class StateTooBig(Counting):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "taken": list(range(400))}


class StateOfTuples(Counting):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "taken": (1, 2)}


class StateOfArrays(Counting):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "taken": np.arange(3)}


class EndsTwice(Counting):
    """Restored at the end of an epoch, it yields that epoch's last item again."""

    def __iter__(self) -> Iterator[Any]:
        if self.is_loaded and self.epoch and not self.step:
            self.epoch, self.step = self.epoch - 1, self.n_steps - 1
        return super().__iter__()


class GoesOn(Counting):
    """Restored, it does not see the end of the epoch."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.n_steps = 5


class StopsEarly(Counting):
    """Restored, it leaves out the end of the epoch."""

    def __iter__(self) -> Iterator[Any]:
        items = list(super().__iter__())
        return iter(items[:-1] if hasattr(self, "was_loaded") else items)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.was_loaded = True


class CannotBeSavedTwice(Counting):
    """Counts from where it was restored."""

    begin = 0

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.begin = self.step

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "step": max(self.step - self.begin, 0)}


class ForgetsWhatWasLoaded(Counting):
    """Restored and saved again at once, its state is that of the beginning."""

    def state_dict(self) -> dict[str, Any]:
        if self.is_loaded:
            return {"epoch": 0, "step": 0}
        return super().state_dict()


class Empty(Counting):
    n_steps = 0


BROKEN = {
    SkipsOne: "differs",
    RepeatsOne: "differs",
    ForgetsTheEpoch: "differs|state",
    ForgetsTheNextEpoch: "epoch 1 differs",
    CropsAnew: "differs",
    StandsStill: "differs|state",
    ChangesItsState: "restored after step 0 of epoch 0",
    StateTooBig: "bytes; expected less than 1000",
    StateOfTuples: "by JSON",
    StateOfArrays: "JSON",
    EndsTwice: "differs|should not exist",
    GoesOn: "should not exist|differs|state",
    StopsEarly: "expected|items",
    CannotBeSavedTwice: "state",
    ForgetsWhatWasLoaded: "state",
    Empty: "no items",
}


def test_a_pipe_that_is_right_passes() -> None:
    assert_resumes_exactly(Counting, n_epochs=3)


@pytest.mark.parametrize("kind", BROKEN, ids=lambda each: each.__name__)
def test_a_broken_pipe_is_found(kind: type[Counting]) -> None:
    with pytest.raises(AssertionError, match=BROKEN[kind]):
        assert_resumes_exactly(kind)


class BrokenRows(pipes.Rows):
    """A node that forgets how many it has given out when it is restored."""

    def reset(self, initial_state: dict[str, Any] | None = None) -> None:
        if initial_state is not None:
            initial_state = {**initial_state, "consumed": 0}
        super().reset(initial_state)


def test_a_broken_node_is_found(few: Selection) -> None:
    with pytest.raises(AssertionError, match="after step 1 of epoch 0"):
        assert_resumes_exactly(lambda: BrokenRows(few, pipes.Sequential(len(few)), 3))


def test_the_digest_sees_every_difference() -> None:
    ones = np.ones(4, np.float32)
    different = [
        None,
        "1",
        b"1",
        1,
        1.0,
        True,
        ones,
        ones.astype(np.float64),
        ones.reshape(2, 2),
        np.array([1, 1, 1, np.nan], np.float32),
        -ones * 0,
        ones * 0,
        [ones],
        [ones, ones],
        {"a": ones},
        {"b": ones},
        ["ab", "c"],
        ["a", "bc"],
        RowBatch(np.arange(2), np.zeros(2, np.uint64)),
        RowBatch(np.arange(2), np.ones(2, np.uint64)),
    ]
    assert len({digest(each) for each in different}) == len(different)
    assert digest(ones[::2]) == digest(ones[:2])
    with pytest.raises(TypeError, match="set in an item"):
        digest({1, 2})


# -- law 2 ------------------------------------------------------------------


def rows_of(loader: Any) -> list[IntArray]:
    return [batch.rows.numpy() for batch in loader]


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("batch_size", "world_size"), [(1, 2), (2, 2), (3, 3), (2, 4)])
def test_ranks_partition_the_order(
    few: Selection, order: str, drop_last: bool, batch_size: int, world_size: int
) -> None:
    """Side by side, the ranks' batches are those of one process."""

    def epochs(batch_size: int, **of_rank: int) -> list[list[RowBatch]]:
        node = pipes.Rows(
            few, ORDERS[order](few), batch_size, drop_last=drop_last, seed=2, **of_rank
        )
        found = []
        for _ in range(2):
            node.reset()
            found.append(list(node))
            assert len(found[-1]) == len(node)
        return found

    whole = epochs(batch_size * world_size)
    ranks = [
        epochs(batch_size, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    for epoch in range(2):
        steps = list(zip(*(each[epoch] for each in ranks), strict=True))
        for name in ("rows", "seeds"):
            together = [
                np.concatenate([getattr(part, name) for part in parts])
                for parts in steps
            ]
            alone = [getattr(each, name) for each in whole[epoch]]
            assert (np.concatenate(together) == np.concatenate(alone)).all()
            if [len(each) for each in together] != [len(each) for each in alone]:
                # The last two steps share so few records that a rank would have none.
                assert not drop_last
                rest = len(ORDERS[order](few)) % (batch_size * world_size)
                assert 0 < rest < world_size
                assert all(len(part) for part in steps[-1])
        sizes = [[len(part) for part in parts] for parts in steps]
        assert all(max(each) - min(each) <= 1 for each in sizes)
        taken = np.concatenate([np.concatenate([p.rows for p in s]) for s in steps])
        length = len(ORDERS[order](few))
        expected = few.rows[ORDERS[order](few).indices(epoch, 0, length)]
        if drop_last:
            length -= length % (batch_size * world_size)
            assert length
        assert (taken == expected[:length]).all()


def test_the_order_depends_on_seed_epoch_and_selection_only(few: Selection) -> None:
    def first(**options: Any) -> list[int]:
        found = rows_of(make_loader(few, **{"fields": ("labels",), **options}))
        return [int(row) for each in found for row in each]

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
    assert np.concatenate(rows_of(loader)).tolist() != plain


def test_what_is_random_of_a_record_does_not_depend_on_batches(few: Selection) -> None:
    def records(**options: Any) -> dict[int, bytes]:
        loader = make_loader(
            few,
            window=pipes.RandomCrop(200),
            transform=Augment(*AUGMENTATIONS),
            **options,
        )
        found = {}
        for batch in loader:
            assert batch.signals is not None
            signals = batch.signals.numpy()
            for row, signal in zip(batch.rows.tolist(), signals, strict=True):
                found[row] = signal.tobytes()
        return found

    plain = records(batch_size=3)
    assert records(batch_size=1, prefetch=0) == plain
    assert records(batch_size=11, prefetch=2) == plain
    both = [records(batch_size=2, rank=rank, world_size=2) for rank in (0, 1)]
    assert not both[0].keys() & both[1].keys()
    assert both[0] | both[1] == plain


def test_epochs_longer_than_a_chunk_of_the_order(few: Selection) -> None:
    """Positions are computed some thousands at a time."""
    order = pipes.Weighted(np.ones(len(few)), seed=1, n_draws=10_000)
    expected = few.rows[order.indices(1, 0, len(order))]
    expected_seeds = seeds(4, 1, 0, len(order))
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


# -- laws 1 and 2: any sequence of operations -------------------------------


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
        found = [next(loop, None) for loop in self.loops]
        batches = [each for each in found if each is not None]
        assert len(batches) in (0, len(found))
        return batches or None

    def state(self) -> dict[str, Any]:
        states = [json.dumps(loader.state_dict()) for loader in self.loaders]
        assert len(set(states)) == 1
        return dict(json.loads(states[0]))


class AnyUse(RuleBasedStateMachine):
    """Whatever is done with loaders, they yield what a list of numbers says.

    The model: an epoch and how many of its positions are taken.
    """

    selection: ClassVar[Selection]
    order_names: ClassVar[list[str]] = sorted(ORDERS)

    @initialize(data=st.data(), n_rows=st.integers(1, 13))
    def begin(self, data: st.DataObject, n_rows: int) -> None:
        rows = self.selection.rows[:n_rows]
        self.some = Selection(self.selection.store, rows)
        name = data.draw(st.sampled_from(self.order_names))
        assume(name != "balanced" or labels(self.some).any())
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
        """Loaders of another shape; the old ones are closed."""
        if self.ranks is not None:
            for loader in self.ranks.loaders:
                loader.close()
        if len(self.order) < batch_size * world_size:
            drop_last = False  # refused: there would not be a batch in an epoch
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
        """How many positions come next."""
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
            found = np.concatenate([batch.rows.numpy() for batch in batches])
            assert (found == expected).all()
            found_seeds = np.concatenate([batch.seeds for batch in batches])
            assert (found_seeds == seeds(11, self.epoch, self.consumed, end)).all()
            stored = self.some.store.labels(rows=found)
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
        """Go on in new loaders, of another shape, from the state of the old ones."""
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
        """Go on from an older state in the same loaders, saved in any shape."""
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


# -- states that do not fit -------------------------------------------------


def test_another_pipes_state_is_refused(
    few: Selection, sample_store: Path, tmp_path: Path
) -> None:
    state = make_loader(few).state_dict()
    shutil.copy(sample_store, tmp_path / "other.h5")
    with h5py.File(tmp_path / "other.h5", "r+") as file:
        file.attrs["fingerprint"] = np.bytes_("0" * 64)
    n = len(few)
    with ecgstore.open(tmp_path / "other.h5") as other:
        others = Selection(other, few.rows)
        rest = Selection(few.store, few.rows[1:])
        moved = Selection(few.store, few.rows - 1)
        cases: list[tuple[str, Loader, str]] = [
            ("fingerprint", make_loader(others), "open the store"),
            ("rows", make_loader(rest), "select the same records"),
            ("rows", make_loader(moved), "select the same records"),
            ("seed", make_loader(few, seed=8), "same seed and order"),
            ("order", make_loader(few, shuffle=False), "same seed and order"),
            (
                "order_seed",
                make_loader(few, shuffle=False, order=pipes.Shuffled(n, 8)),
                "same seed and order",
            ),
            (
                "seed",
                make_loader(few, seed=9, shuffle=False, order=pipes.Shuffled(n, 7)),
                "same seed and order",
            ),
        ]
        for name, loader, advice in cases:
            with pytest.raises(EcgStoreError, match=f" has {name} .*{advice}"):
                loader.load_state_dict(state)
            # Refused, it is as it was.
            assert loader.state_dict()["consumed"] == 0
            assert len(list(loader)) == len(loader)


def test_a_state_belongs_to_its_user(few: Selection) -> None:
    for prefetch in (0, 2):
        loader = make_loader(few, prefetch=prefetch)
        for _ in loader:
            break
        before = dict(loader.state_dict())
        loader.state_dict().clear()
        assert loader.state_dict() == before
        mine = dict(before)
        loader.load_state_dict(mine)
        mine["consumed"] = 0
        assert loader.state_dict() == before


@pytest.mark.parametrize("state", [None, [], "state"])
def test_what_is_no_state_is_refused(few: Selection, state: Any) -> None:
    loader = make_loader(few)
    for _ in loader:
        break
    before = loader.state_dict()
    with pytest.raises(EcgStoreError, match="expected a dict that state_dict"):
        loader.load_state_dict(state)
    assert loader.state_dict() == before
    assert loader.epoch == 0


def test_a_refused_state_changes_nothing(few: Selection) -> None:
    wrong = make_loader(few, seed=8).state_dict()
    for prefetch in (0, 2):
        loader = make_loader(few, 2, prefetch=prefetch)
        whole = [digest(batch) for batch in loader]
        loader.set_epoch(0)
        loop = iter(loader)
        found = [digest(next(loop)) for _ in range(2)]
        with pytest.raises(EcgStoreError, match="seed"):
            loader.load_state_dict(wrong)
        restored = make_loader(few, 2)
        restored.load_state_dict(loader.state_dict())
        assert found + [digest(batch) for batch in restored] == whole
        assert found + [digest(batch) for batch in loop] == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2, this pipe has 1; .*release"),
        ({"version": None}, "version"),
        ({"n_rows": 12}, "n_rows"),
        ({"consumed": None}, "consumed"),
        ({"consumed": -1}, "consumed"),
        ({"consumed": 12}, "consumed"),
        ({"consumed": 1.5}, "consumed"),
        ({"epoch": None}, "epoch"),
        ({"epoch": -1}, "epoch"),
        ({"epoch": "1"}, "epoch"),
    ],
)
def test_a_spoilt_state_is_refused(
    few: Selection, change: dict[str, Any], message: str
) -> None:
    state = {**make_loader(few).state_dict(), **change}
    state = {name: value for name, value in state.items() if value is not None}
    loader = make_loader(few)
    with pytest.raises(EcgStoreError, match=message):
        loader.load_state_dict(state)


def test_states_do_not_depend_on_the_chain(few: Selection) -> None:
    """One that was saved with labels and threads goes on with signals and without."""
    loader = make_loader(few, 2, fields=("labels",), prefetch=3, transform=described)
    loop = iter(loader)
    next(loop), next(loop)
    other = make_loader(few, 3, prefetch=0)
    other.load_state_dict(loader.state_dict())
    rest = np.concatenate(rows_of(other))
    expected = few.rows[pipes.Shuffled(len(few), 7).indices(0, 0, len(few))]
    assert (rest == expected[4:]).all()


def test_numpy_integers_make_states_of_json(few: Selection) -> None:
    two: Any = np.int64(2)
    loader = make_loader(few, two, seed=np.int64(7))
    loader.set_epoch(two + 1)
    next(iter(loader))
    state = json.loads(json.dumps(loader.state_dict()))
    assert state == loader.state_dict()
    plain = make_loader(few, 2, seed=7)
    plain.load_state_dict(state)
    assert plain.epoch == 3


def test_the_size_of_a_state_does_not_depend_on_the_position(few: Selection) -> None:
    order = pipes.Weighted(np.ones(len(few)), seed=1, n_draws=10**12)
    node = pipes.Rows(few, order, 10**3)
    node.reset()
    state = {**node.state_dict(), "epoch": 10**9, "consumed": 10**12 - 10**3}
    node.reset(state)
    assert len(next(node)) == 10**3
    assert node.state_dict()["epoch"] == 10**9 + 1
    assert len(json.dumps(state)) < 1000
