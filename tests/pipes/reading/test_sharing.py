"""Work shared by the thread that makes batches and a thread that waits for them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from ecgstore import pipes
from ecgstore.storage import Store

FAILSAFE_S = 60
"""Time-out in s of waits that end at once unless the test fails."""


@contextmanager
def waiting_thread(sharing: pipes.WorkSharing) -> Iterator[threading.Thread]:
    """Start a thread that waits, and so may help, until the end of the block."""
    is_over = threading.Event()
    helper = threading.Thread(target=lambda: sharing.wait_for(is_over.is_set))
    helper.start()
    try:
        yield helper
    finally:
        with sharing.lock:
            is_over.set()
            sharing.condition.notify_all()
        helper.join()


def test_shared_work_is_done_when_its_block_ends() -> None:
    # A helper may still copy when no work is left for the thread that shares it.
    sharing = pipes.WorkSharing()
    helps, may_end, is_over = (threading.Event() for _ in range(3))
    with waiting_thread(sharing) as helper:

        def work() -> None:
            if threading.current_thread() is helper:
                helps.set()
                may_end.wait(FAILSAFE_S)

        def share() -> None:
            with sharing.share(work, sharing.min_bytes):
                helps.wait(FAILSAFE_S)
            is_over.set()

        maker = threading.Thread(target=share)
        maker.start()
        try:
            assert helps.wait(FAILSAFE_S)
            assert not is_over.wait(0.1)
            may_end.set()
            assert is_over.wait(FAILSAFE_S)
        finally:
            may_end.set()
            maker.join()


def test_small_work_is_not_shared() -> None:
    sharing = pipes.WorkSharing()
    workers: list[threading.Thread] = []
    helps = threading.Event()

    def work() -> None:
        workers.append(threading.current_thread())
        if threading.current_thread() is not threading.main_thread():
            helps.set()

    with waiting_thread(sharing) as helper:
        with sharing.share(work, sharing.min_bytes - 1):
            assert not helps.wait(0.1)
        assert workers == [threading.main_thread()]
        with sharing.share(work, sharing.min_bytes):
            assert helps.wait(FAILSAFE_S)
        assert workers[1:] == [helper, threading.main_thread()]


def test_a_reader_shares_the_copying_of_signals(store: Store) -> None:
    class Recording(pipes.WorkSharing):
        @contextmanager
        def share(self, work: Callable[[], None], n_bytes: int) -> Iterator[None]:
            sizes.append(n_bytes)
            with super().share(work, n_bytes):
                yield

    sizes: list[int] = []
    reader = pipes.RecordReader(store, dtype="int16", sharing=Recording())
    for n_records in (20, 3):
        rows = np.arange(n_records)
        batch = reader.read(pipes.RowBatch(rows, np.zeros(n_records, np.uint64)))
        assert batch.signals is not None
        stored = store.signals(rows, dtype="int16")
        np.testing.assert_array_equal(batch.signals, stored)
    assert sizes == [20 * 12 * 5000 * 2, 3 * 12 * 5000 * 2]
    pipes.RecordReader(store, "labels", sharing=Recording()).read(
        pipes.RowBatch(np.arange(20), np.zeros(20, np.uint64))
    )
    assert len(sizes) == 2
