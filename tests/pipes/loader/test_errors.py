"""Errors in transforms, loop bodies, stores and threads lose no record."""

import threading
import traceback
from pathlib import Path

import pytest

import ecgstore
from ecgstore.errors import StoreClosedError
from ecgstore.pipes.batch import Batch
from ecgstore.storage import Selection
from tests.pipes.batches import digests, names_of, rows_of
from tests.pipes.loader.loaders import (
    PREFETCHES,
    FailingTransform,
    InjectedError,
    consume,
    make_loader,
    make_random_loader,
    order_of,
    threads,
    through_json,
)


@pytest.mark.parametrize("device", [None, "meta"])
@pytest.mark.parametrize("at", [0, 2, 4])
@PREFETCHES
def test_an_error_in_a_transform_loses_no_record(
    few: Selection, prefetch: int, at: int, device: str | None
) -> None:
    """Raised in its turn, with its traceback; the failed batch can be read again.

    The device "meta" stands for a GPU: transforms come after the thread there.
    """
    loader = make_loader(few)
    whole = [names_of(loader) for _ in range(2)]
    for error in (InjectedError, ValueError, KeyboardInterrupt):
        fails = FailingTransform(at, error)
        loader = make_loader(few, prefetch=prefetch, transform=fails, device=device)
        taken: list[Batch] = []
        with pytest.raises(error, match="in a transform") as raised:
            consume(loader, taken)
        where = [frame.name for frame in traceback.extract_tb(raised.tb)]
        assert where[0] == test_an_error_in_a_transform_loses_no_record.__name__
        assert where[-1] == "__call__"
        assert not threads()

        names = names_of(taken)
        assert names == whole[0][: 4 * at]
        state = through_json(loader.state_dict())
        assert (state["epoch"], state["consumed"]) == (0, 4 * at)
        fresh = make_loader(few)
        fresh.load_state_dict(state)
        assert names + names_of(fresh) == whole[0]
        loader.load_state_dict(state)
        assert names + names_of(loader) == whole[0]
        assert names_of(loader) == whole[1]


@pytest.mark.parametrize("device", [None, "meta"])
@PREFETCHES
def test_the_loop_after_an_error_is_the_next_epoch(
    few: Selection, prefetch: int, device: str | None
) -> None:
    """Or the same epoch, if no batch of it was yielded."""
    plain = make_loader(few)
    whole = [names_of(plain) for _ in range(2)]
    for at in range(5):
        loader = make_loader(
            few, prefetch=prefetch, transform=FailingTransform(at), device=device
        )
        with pytest.raises(InjectedError):
            list(loader)
        assert names_of(loader) == whole[min(at, 1)]


@PREFETCHES
def test_an_error_that_persists_is_raised_again(few: Selection, prefetch: int) -> None:
    def fail(batch: Batch) -> Batch:
        if batch.rows[0] == order_of(few, 0)[8]:
            raise InjectedError
        return batch

    loader = make_loader(few, prefetch=prefetch, transform=fail)
    taken: list[Batch] = []
    for _ in range(3):
        with pytest.raises(InjectedError):
            consume(loader, taken)
        loader.load_state_dict(loader.state_dict())
        assert loader.state_dict()["consumed"] == 8
    assert rows_of(taken) == order_of(few, 0)[:8]  # not twice


@PREFETCHES
def test_an_error_in_the_body_of_a_loop_loses_no_record(
    few: Selection, prefetch: int
) -> None:
    for error in (InjectedError(), KeyboardInterrupt(), StopIteration()):
        loader = make_loader(few, prefetch=prefetch)
        taken: list[Batch] = []

        def fail(taken: list[Batch] = taken, error: BaseException = error) -> None:
            if len(taken) == 2:
                raise error

        with pytest.raises(type(error)) as raised:
            consume(loader, taken, fail)
        assert raised.value is error
        assert not threads()
        assert loader.state_dict()["consumed"] == 8
        loader.load_state_dict(loader.state_dict())
        assert rows_of(taken) + rows_of(loader) == order_of(few, 0)


@PREFETCHES
def test_a_store_closed_within_an_epoch_is_an_error(
    sample_store: Path, prefetch: int
) -> None:
    store = ecgstore.open(sample_store)
    loader = make_loader(store, prefetch=prefetch, fields=("signals", "labels", "age"))
    with pytest.raises(StoreClosedError, match="open it again"):
        consume(loader, [], store.close)
    assert not threads()


@pytest.mark.parametrize("starts", [False, True])
def test_a_thread_that_cannot_start_loses_no_record(
    few: Selection, monkeypatch: pytest.MonkeyPatch, starts: bool
) -> None:
    """The system has no more threads, or Ctrl-C comes while the thread starts."""
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        monkeypatch.undo()
        if starts:
            start(thread)
        raise InjectedError

    loader = make_random_loader(few)
    whole = digests(make_random_loader(few))
    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(InjectedError):
        list(loader)
    assert not threads()
    assert digests(loader) == whole
