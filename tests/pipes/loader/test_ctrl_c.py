"""Ctrl-C at any moment ends the thread and loses no record."""

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from ecgstore.pipes.batch import Batch
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.nodes.prefetch import Prefetch
from ecgstore.pipes.reading.sharing import WorkSharing
from ecgstore.storage import Selection
from tests.pipes.batches import digests, rows_of
from tests.pipes.loader.loaders import (
    FAILSAFE_S,
    PREFETCHES,
    consume,
    make_loader,
    make_random_loader,
    needs_signals,
    order_of,
    threads,
)


@needs_signals
@PREFETCHES
def test_ctrl_c_while_waiting_for_a_batch_loses_no_record(
    few: Selection,
    monkeypatch: pytest.MonkeyPatch,
    ctrl_c: threading.Event,
    prefetch: int,
) -> None:
    waits_for_third = threading.Event()
    n_waits = 0
    wait_for = WorkSharing.wait_for

    def count_waits(
        sharing: WorkSharing, ready: Callable[[], bool], timeout_s: float | None = None
    ) -> None:
        nonlocal n_waits
        n_waits += threading.current_thread() is main
        if n_waits == 3:
            waits_for_third.set()
        wait_for(sharing, ready, timeout_s)

    monkeypatch.setattr(WorkSharing, "wait_for", count_waits)
    main = threading.main_thread()
    n_made = 0

    def slow(batch: Batch) -> Batch:
        nonlocal n_made
        n_made += 1
        if n_made == 3 and not ctrl_c.is_set():
            if threading.current_thread() is not main:
                assert waits_for_third.wait(FAILSAFE_S)
            assert main.ident is not None
            signal.pthread_kill(main.ident, signal.SIGINT)
            # Python does not handle a signal that comes just before waiting for a lock.
            while not ctrl_c.wait(0.01):
                signal.pthread_kill(main.ident, signal.SIGINT)
        return batch

    loader = make_random_loader(few, prefetch=prefetch, transform=slow)
    taken: list[Batch] = []
    with pytest.raises(KeyboardInterrupt):
        consume(loader, taken)
    assert not threads()
    assert len(taken) == 2
    loader.load_state_dict(loader.state_dict())
    assert digests(taken) + digests(loader) == digests(make_random_loader(few))


class SlowLock:
    """A lock whose acquisition is a call, as if another thread held it."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exception: object) -> None:
        self._lock.release()


class InterruptsAtCall:
    """Raises KeyboardInterrupt at a certain call in this thread, counted from 1.

    Python handles signals at calls. Only calls by the modules of the pipes count: how
    threading itself handles Ctrl-C is not tested here.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.n_calls = 0

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if event not in ("call", "c_return") or not self._is_ours(frame):
            return
        if event == "c_return" and frame.f_code is SlowLock.__enter__.__code__:
            return  # a real lock is taken and entered at once
        self.n_calls += 1
        if self.n_calls == self.number:
            sys.setprofile(None)
            raise KeyboardInterrupt

    def _is_ours(self, frame: FrameType | None) -> bool:
        """Return whether it is code of the pipes, or enters one of their ``with``."""
        if frame is not None and frame.f_code.co_name == "__enter__":
            frame = frame.f_back
        module = "" if frame is None else frame.f_globals.get("__name__", "")
        classes = (Loader, Prefetch, WorkSharing)
        return module in {cls.__module__ for cls in classes}


@pytest.mark.parametrize("is_slow", [False, True])
@PREFETCHES
def test_ctrl_c_at_any_moment_loses_no_record(
    few: Selection, monkeypatch: pytest.MonkeyPatch, prefetch: int, is_slow: bool
) -> None:
    """No thread is left, no call waits forever, and the rest is exact.

    The batch that was being yielded at the interrupt may be lost to a user who
    resumes from `state_dict`, as between a yield and an assignment, but no other.
    """
    begin = WorkSharing.__init__

    def begin_slow(sharing: WorkSharing) -> None:
        begin(sharing)
        sharing.lock = SlowLock(sharing.lock)  # type: ignore[assignment]

    if is_slow:
        monkeypatch.setattr(WorkSharing, "__init__", begin_slow)
    expected = order_of(few, 0)
    interrupts = InterruptsAtCall(0)
    while interrupts.n_calls >= interrupts.number:
        interrupts = InterruptsAtCall(interrupts.number + 1)
        loader = make_random_loader(few, prefetch=prefetch)
        rows: list[int] = []
        sys.setprofile(interrupts)
        try:
            for batch in loader:
                rows += batch.rows.tolist()
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        assert not threads()
        assert rows == expected[: len(rows)]
        state = loader.state_dict()
        n_consumed = state["consumed"] or len(few) * state["epoch"]
        assert n_consumed - len(rows) in (0, 3, 4)
        for _ in loader:
            break
        assert not threads()
        loader.load_state_dict(state)
        rest = rows_of(loader)
        assert rest == (expected[n_consumed:] or order_of(few, 1))
    assert interrupts.number > 20


@pytest.mark.parametrize("prefetch", [1, 3])
def test_ctrl_c_while_a_thread_is_joined_loses_no_record(
    few: Selection, monkeypatch: pytest.MonkeyPatch, prefetch: int
) -> None:
    """The next call ends the thread, before it uses the source."""
    gate = threading.Event()
    join = threading.Thread.join
    n_joins = 0

    def interrupted(thread: threading.Thread, timeout: float | None = None) -> None:
        nonlocal n_joins
        n_joins += 1
        if n_joins == 1:
            raise KeyboardInterrupt
        gate.set()
        join(thread, timeout)

    n_made = 0

    def slow(batch: Batch) -> Batch:
        nonlocal n_made
        n_made += 1
        if n_made == 3:
            assert gate.wait(FAILSAFE_S)
        return batch

    loader = make_loader(few, prefetch=prefetch, transform=slow)
    loop = iter(loader)
    rows = rows_of([next(loop), next(loop)])
    monkeypatch.setattr(threading.Thread, "join", interrupted)
    state = loader.state_dict()
    with pytest.raises(KeyboardInterrupt):
        loader.load_state_dict(state)
    assert threads()
    loader.load_state_dict(state)
    assert not threads()
    assert rows + rows_of(loader) == order_of(few, 0)
