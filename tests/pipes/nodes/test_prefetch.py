"""The prefetching thread."""

import threading
import time
from typing import Any

import pytest
import torch

from ecgstore import pipes
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.reading.record_reader import RecordReader
from ecgstore.pipes.testing import digest
from ecgstore.storage import Store

FAILSAFE_S = 60


@pytest.mark.parametrize("prefetch", [1, 3])
def test_the_thread_is_depth_items_ahead(store: Store, prefetch: int) -> None:
    made = threading.Semaphore(0)

    def note(batch: pipes.Batch) -> pipes.Batch:
        made.release()
        return batch

    loop = iter(pipes.loader(store, 1, prefetch=prefetch, transform=note))
    next(loop)
    for _ in range(1 + prefetch):
        assert made.acquire(timeout=FAILSAFE_S)
    assert not made.acquire(timeout=0.05)  # not further
    for _ in range(4):
        next(loop)
        assert made.acquire(timeout=FAILSAFE_S)
        assert not made.acquire(timeout=0.05)


def test_prefetching_no_item_is_refused(store: Store) -> None:
    rows = pipes.Rows(store, pipes.Sequential(len(store)), 2)
    for depth in (0, -1):
        with pytest.raises(ValueError, match="expected 1 or more items to prefetch"):
            pipes.Prefetch(rows, depth)
    with pytest.raises(ValueError, match="expected 1 or more items to prefetch"):
        pipes.loader(store, prefetch=-1)


class Counted(pipes.Decimate):
    """A transform of the package, as it seems, that counts its calls."""

    n_calls = 0

    def __call__(self, batch: pipes.Batch) -> pipes.Batch:
        """Count, and return the batch."""
        type(self).n_calls += 1
        return batch


Counted.__module__ = "ecgstore.pipes.counted"


@pytest.fixture
def counted() -> type[Counted]:
    Counted.n_calls = 0
    return Counted


@pytest.mark.parametrize("prefetch", [1, 3])
def test_the_next_epoch_is_begun_before_one_ends(
    store: Store, counted: type[Counted], prefetch: int
) -> None:
    few = store.select(rows=range(15))

    def make(transform: Any) -> Loader:
        return pipes.loader(
            few, 5, shuffle=True, prefetch=prefetch, transform=transform
        )

    loader = make(counted(2))
    other = make([])
    plain = [[digest([batch]) for batch in other] for _ in range(4)]
    for epoch in range(3):
        assert [digest([batch]) for batch in loader] == plain[epoch]
        assert counted.n_calls == 3 * (epoch + 1) + 1
        assert loader.state_dict() == other_state(make([]), epoch + 1)
        assert not [one for one in threading.enumerate() if "prefetch" in one.name]
    loader.set_epoch(3)  # the one that is begun
    assert [digest([batch]) for batch in loader] == plain[3]
    assert counted.n_calls == 13
    loader.set_epoch(1)
    assert [digest([batch]) for batch in loader] == plain[1]


def other_state(loader: Loader, epoch: int) -> dict[str, Any]:
    loader.set_epoch(epoch)
    return loader.state_dict()


def test_an_epoch_that_is_begun_is_dropped_for_another_state(store: Store) -> None:
    few = store.select(rows=range(15))
    loader = pipes.loader(few, 5, shuffle=True)
    loop = iter(loader)
    next(loop)
    state = loader.state_dict()
    rest = [digest([batch]) for batch in loop]
    loader.load_state_dict(state)
    assert [digest([batch]) for batch in loader] == rest
    first = digest([next(iter(loader))])  # of the epoch that is begun, then left
    loader.set_epoch(1)
    assert digest([next(iter(loader))]) == first
    list(loader)
    loader.close()


def test_users_functions_are_not_called_for_an_epoch_that_may_never_come(
    store: Store,
) -> None:
    """They may be changed between epochs."""
    calls = []

    def note(batch: pipes.Batch) -> pipes.Batch:
        calls.append(batch)
        return batch

    few = store.select(rows=range(6))
    list(pipes.loader(few, 2, transform=note))
    assert len(calls) == 3


@pytest.mark.parametrize("pause_s", [0.0, 0.02])
@pytest.mark.parametrize("depth", [1, 3])
def test_items_made_by_either_thread_are_those_of_the_source(
    store: Store, depth: int, pause_s: float
) -> None:
    """A consumer that comes back at once makes them, else the thread does."""
    makers = set[str]()
    options: dict[str, Any] = {"shuffle": True, "prefetch": depth}
    loader = pipes.loader(store, 8, **options)
    finish = RecordReader.finish

    def note(self: RecordReader, *arguments: Any) -> list[pipes.Batch]:
        makers.add(threading.current_thread().name)
        return finish(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecordReader, "finish", note)
        batches = list[pipes.Batch]()
        for _ in range(3):
            for batch in loader:
                batches.append(batch)
                if pause_s:
                    time.sleep(pause_s)
    assert ("ecgstore-prefetch" if pause_s else "MainThread") in makers
    alone = pipes.loader(store, 8, shuffle=True, prefetch=0)
    expected = [digest([batch]) for _ in range(3) for batch in alone]
    assert [digest([batch]) for batch in batches] == expected


def test_the_thread_makes_nothing_after_the_end_of_an_epoch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late it is told to end: the item would be missing in the next epoch."""
    end = pipes.Prefetch._end

    def end_late(self: pipes.Prefetch[pipes.Batch]) -> None:
        time.sleep(0.05)
        end(self)

    monkeypatch.setattr(pipes.Prefetch, "_end", end_late)
    loader = pipes.loader(store, 8, shuffle=True)
    alone = pipes.loader(store, 8, shuffle=True, prefetch=0)
    for _ in range(3):
        rows = [batch.rows.tolist() for batch in loader]
        assert rows == [batch.rows.tolist() for batch in alone]


def test_an_error_in_the_consumer_is_that_of_its_batch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, n_calls = RecordReader.finish, 0

    def interrupt(self: RecordReader, *arguments: Any) -> list[pipes.Batch]:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 3:
            raise KeyboardInterrupt
        return finish(self, *arguments)

    plain = [digest([batch]) for batch in pipes.loader(store, 8)]
    monkeypatch.setattr(RecordReader, "finish", interrupt)
    loader = pipes.loader(store, 8)
    seen = list[str]()
    with pytest.raises(KeyboardInterrupt):
        seen.extend(digest([batch]) for batch in loader)
    assert not [one for one in threading.enumerate() if "prefetch" in one.name]
    assert seen == plain[:2]
    loader.load_state_dict(loader.state_dict())
    assert seen + [digest([batch]) for batch in loader] == plain


def test_batches_of_an_evaluation_can_be_trained_on(store: Store) -> None:
    """Though it asks PyTorch for tensors that no gradient can use."""
    weight = torch.ones(1, requires_grad=True)
    for prefetch in (0, 1):
        with torch.inference_mode():
            [*kept] = pipes.loader(store, 8, prefetch=prefetch, transform=pipes.Gain())
        for batch in kept:
            assert batch.signals is not None
            (batch.signals * weight).sum().backward()  # type: ignore[no-untyped-call]
