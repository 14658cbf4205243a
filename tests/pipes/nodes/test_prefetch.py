"""The prefetching thread, and the work that two threads share."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ecgstore
from ecgstore import pipes
from ecgstore.storage import Store

FAILSAFE_S = 60


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.mark.parametrize("prefetch", [1, 3])
def test_the_thread_is_as_far_ahead_as_asked(store: Store, prefetch: int) -> None:
    made = threading.Semaphore(0)

    def note(batch: pipes.Batch) -> pipes.Batch:
        made.release()
        return batch

    loop = iter(pipes.loader(store, 1, prefetch=prefetch, transform=note))
    next(loop)
    for _ in range(1 + prefetch):
        assert made.acquire(timeout=FAILSAFE_S)
    assert not made.acquire(timeout=0.05)  # no more than that
    for _ in range(4):
        next(loop)
        assert made.acquire(timeout=FAILSAFE_S)
        assert not made.acquire(timeout=0.05)


def test_shared_work_is_done_when_its_block_ends() -> None:
    # A helper may still copy when the thread that shares finds nothing left.
    sharing = pipes.WorkSharing()
    helps, may_end, is_over, ready = (threading.Event() for _ in range(4))
    helper = threading.Thread(target=lambda: sharing.wait_for(ready.is_set))

    def work() -> None:
        if threading.current_thread() is helper:
            helps.set()
            may_end.wait(FAILSAFE_S)

    def share() -> None:
        with sharing.share(work, 10**9):
            helps.wait(FAILSAFE_S)
        is_over.set()

    maker = threading.Thread(target=share)
    helper.start()
    maker.start()
    try:
        assert helps.wait(FAILSAFE_S)
        assert not is_over.wait(0.1)
        may_end.set()
        assert is_over.wait(FAILSAFE_S)
    finally:
        may_end.set()
        with sharing.lock:
            ready.set()
            sharing.condition.notify_all()
        maker.join()
        helper.join()


def test_large_batches_are_shared_and_small_ones_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_shared = 0
    share = pipes.WorkSharing.share

    def counting(self: pipes.WorkSharing, work: object) -> object:
        nonlocal n_shared
        n_shared += 1
        return share(self, work)  # type: ignore[arg-type]

    monkeypatch.setattr(pipes.WorkSharing, "share", counting)
    for batch in pipes.loader(store, 20, dtype="int16"):  # 120 kB each
        assert batch.signals is not None
        np.testing.assert_array_equal(
            batch.signals, store.signals(batch.rows.numpy(), dtype="int16")
        )
    assert n_shared == 2  # not the last one, of 4 records
    for _ in pipes.loader(store, 20, leads=["II"]):
        pass
    assert n_shared == 2


def test_closing_while_a_thread_waits_for_a_batch(store: Store) -> None:
    begun, may_end = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def slow(batch: pipes.Batch) -> pipes.Batch:
        begun.set()
        may_end.wait(FAILSAFE_S)
        return batch

    loader = pipes.loader(store, 1, transform=slow)

    def consume() -> None:
        try:
            for _ in loader:
                pass
        except RuntimeError as error:
            errors.append(error)

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert begun.wait(FAILSAFE_S)
    closer = threading.Thread(target=loader.close)
    closer.start()
    closer.join(0.1)  # it has told the prefetching thread to stop, and waits for it
    may_end.set()
    for thread in (consumer, closer):
        thread.join(FAILSAFE_S)
        assert not thread.is_alive()
    assert ["closed" in str(error) for error in errors] == [True]
