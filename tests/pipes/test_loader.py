"""The loader as its users use it: begun, left, closed, interrupted; and law 3."""

import gc
import json
import os
import shutil
import signal
import sys
import threading
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import ecgstore
from ecgstore import pipes
from ecgstore.errors import StoreClosedError
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
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.nodes.prefetch import Prefetch
from ecgstore.pipes.orders.order import Order
from ecgstore.pipes.orders.seeds import record_seeds as seeds
from ecgstore.pipes.reading.sharing import WorkSharing
from ecgstore.pipes.reading.window import marks_in_window, window_begins
from ecgstore.pipes.testing import digest
from ecgstore.record import LEADS
from ecgstore.storage import Selection, Store

SEED = 7
FAILSAFE_S = 60
"""How long to wait for what comes at once: the time-out of a test that fails."""

PREFETCHES = pytest.mark.parametrize("prefetch", [0, 1, 3])
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
needs_signals = pytest.mark.skipif(os.name != "posix", reason="sends signals")
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="this system does not list mappings"
)


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture(scope="module")
def few(store: Store) -> Selection:
    """Some rows that are neither all nor neighbours: 5 batches of 4, the last of 3."""
    return store.select(rows=range(3, 41, 2))


@pytest.fixture(scope="module", autouse=True)
def small_batches_are_shared() -> Iterator[None]:
    """Let a consumer that waits help with the small batches here as with large ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkSharing, "min_bytes", 0)
        yield


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threads()
    yield
    assert set(threads()) <= set(before)


def threads() -> list[threading.Thread]:
    """The threads of loaders."""
    return [each for each in threading.enumerate() if each.name == "ecgstore-prefetch"]


def make(records: Selection | Store, batch_size: int = 4, **options: Any) -> Loader:
    options = {"shuffle": True, "seed": SEED, "fields": ("labels",), **options}
    return pipes.loader(records, batch_size, **options)


def make_rich(few: Selection, **options: Any) -> Loader:
    """One with a thread that has something to do, and what is random about records."""
    rich = {"fields": ("signals", "age"), "window": pipes.RandomCrop(300)}
    return make(few, **{**rich, **options})


def rows_of(batches: Iterable[Batch]) -> list[int]:
    return [row for batch in batches for row in batch.rows.tolist()]


def order_of(records: Selection, epoch: int) -> list[int]:
    """The rows of an epoch, by the order alone."""
    n = len(records)
    rows = records.rows[pipes.Shuffled(n, SEED).indices(epoch, 0, n)]
    return [int(row) for row in rows]


def names_of(batches: Iterable[Batch]) -> list[str]:
    return [name for batch in batches for name in batch.record_ids]


def go_through(
    loader: Loader, taken: list[Batch], then: Callable[[], object] = bool
) -> None:
    """Take all batches of a loop, and do something in its body."""
    for batch in loader:
        taken.append(batch)
        then()


def digests(batches: Iterable[Batch]) -> list[str]:
    return [digest(batch) for batch in batches]


def through_json(state: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(state)))


# -- how many batches -------------------------------------------------------

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
def test_len_is_what_is_yielded(
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
            make(some, batch_size, rank=0, world_size=world_size, **options)
        return
    n_batches = set()
    found = []
    for rank in range(world_size):
        loader = make(some, batch_size, rank=rank, world_size=world_size, **options)
        for epoch in range(2):
            batches = list(loader)
            assert len(batches) == len(loader)
            assert all(len(batch) <= batch_size for batch in batches)
            found += [(epoch, row) for row in rows_of(batches)]
        n_batches.add(len(loader))
    assert len(n_batches) == 1
    expected = [
        (epoch, int(some.rows[place]))
        for epoch in range(2)
        for place in order.indices(epoch, 0, n_taken)
    ]
    assert sorted(found) == sorted(expected)


# -- epochs -----------------------------------------------------------------


@PREFETCHES
def test_each_loop_is_the_next_epoch(few: Selection, prefetch: int) -> None:
    loader = make(few, prefetch=prefetch)
    assert loader.epoch == 0
    for epoch in range(3):
        batches = []
        for number, batch in enumerate(loader, start=1):
            batches.append(batch)
            # What comes after the last batch belongs to the next epoch.
            assert loader.epoch == epoch + (number == len(loader))
        assert rows_of(batches) == order_of(few, epoch)
        found = np.concatenate([batch.seeds for batch in batches])
        assert (found == seeds(SEED, epoch, 0, len(few))).all()
    assert len({tuple(order_of(few, epoch)) for epoch in range(3)}) == 3
    assert len({*seeds(SEED, 0, 0, 19).tolist(), *seeds(SEED, 1, 0, 19).tolist()}) == 38


@PREFETCHES
def test_epochs_are_the_same_with_set_epoch_and_without(
    few: Selection, prefetch: int
) -> None:
    loader = make_rich(few, prefetch=prefetch)
    epochs = [digests(loader) for _ in range(4)]
    assert len({first for first, *_ in epochs}) == 4

    told = make_rich(few, prefetch=prefetch)
    for epoch in (0, 1, 2, 3, 1, 1, 3, 0):  # on, back, and again
        told.set_epoch(epoch)
        assert told.epoch == epoch
        assert digests(told) == epochs[epoch]
    assert digests(told) == epochs[1]  # 0 was the last

    # In the middle of an epoch, and several times.
    for number, _ in enumerate(told):
        if number == 1:
            break
    for epoch in (3, 0, 2):
        told.set_epoch(epoch)
    assert digests(told) == epochs[2]


@PREFETCHES
def test_set_epoch_after_a_resume(few: Selection, prefetch: int) -> None:
    """The loop that DistributedSampler taught goes on in the middle of an epoch."""
    loader = make_rich(few, prefetch=prefetch)
    epochs = [digests(loader) for _ in range(3)]
    loader.set_epoch(1)
    loop = iter(loader)
    next(loop), next(loop)
    state = through_json(loader.state_dict())
    del loop

    resumed = make_rich(few, prefetch=prefetch)
    resumed.load_state_dict(state)
    found = []
    for epoch in range(resumed.epoch, 3):
        resumed.set_epoch(epoch)
        found.append(digests(resumed))
    assert found == [epochs[1][2:], epochs[2]]

    resumed.load_state_dict(state)
    resumed.set_epoch(1)
    resumed.set_epoch(1)
    assert digests(resumed) == epochs[1][2:]
    resumed.load_state_dict(state)
    resumed.set_epoch(2)
    resumed.set_epoch(1)  # another one was asked for in between: all of it
    assert digests(resumed) == epochs[1]


@PREFETCHES
def test_a_wrong_epoch_changes_nothing(few: Selection, prefetch: int) -> None:
    loader = make(few, prefetch=prefetch)
    loop = iter(loader)
    found = rows_of([next(loop)])
    with pytest.raises(ValueError, match="epoch is -1; expected 0 or more"):
        loader.set_epoch(-1)
    assert found + rows_of(loop) == order_of(few, 0)


@PREFETCHES
def test_leaving_a_loop_ends_the_epoch(few: Selection, prefetch: int) -> None:
    for n_taken in range(1, 6):
        loader = make(few, prefetch=prefetch)
        for number, _ in enumerate(loader, start=1):
            if number == n_taken:
                break
        assert not threads()
        assert rows_of(loader) == order_of(few, 1)
        assert rows_of(loader) == order_of(few, 2)


@PREFETCHES
def test_a_loop_that_took_nothing_did_not_begin(few: Selection, prefetch: int) -> None:
    loader = make(few, prefetch=prefetch)
    for _ in range(3):
        iter(loader)
    assert rows_of(loader) == order_of(few, 0)


@PREFETCHES
def test_left_and_resumed_is_not_interrupted(few: Selection, prefetch: int) -> None:
    """In the same loader and in a new one, again and again."""
    for n_taken in (1, 2):
        loader = make_rich(few, prefetch=prefetch)
        whole = [digests(loader) for _ in range(2)]
        loader.set_epoch(0)
        found: list[str] = []
        while len(found) < 2 * len(loader):
            for number, batch in enumerate(loader, start=1):
                found.append(digest(batch))
                if number == n_taken:
                    break
            assert not threads()
            state = through_json(loader.state_dict())
            if len(found) % 2:
                loader = make_rich(few, prefetch=prefetch)
            loader.load_state_dict(state)
        assert found == whole[0] + whole[1]


# -- one loop at a time -----------------------------------------------------

ANOTHER_PLACE: dict[str, Callable[[Loader], object]] = {
    "iterated over again": iter,
    "set to another epoch": lambda loader: loader.set_epoch(1),
    "set to the epoch's beginning": lambda loader: loader.set_epoch(0),
    "loaded": lambda loader: loader.load_state_dict(loader.state_dict()),
    "closed": lambda loader: loader.close(),
}


@PREFETCHES
@pytest.mark.parametrize("how", ANOTHER_PLACE)
def test_a_loop_that_is_over_says_so(few: Selection, how: str, prefetch: int) -> None:
    loader = make(few, prefetch=prefetch)
    loop = iter(loader)
    next(loop)
    ANOTHER_PLACE[how](loader)
    assert not threads()
    with pytest.raises(RuntimeError, match=r"was closed, set .* concurrent loop"):
        next(loop)
    with pytest.raises(StopIteration):
        next(loop)


@PREFETCHES
def test_an_old_loop_does_not_disturb_the_new_one(
    few: Selection, prefetch: int
) -> None:
    loader = make(few, prefetch=prefetch)
    old = iter(loader)
    next(old)
    oldest_but_one = iter(loader)
    new = iter(loader)
    found = rows_of([next(new)])
    before = threads()
    with pytest.raises(RuntimeError, match="iterated over again"):
        next(old)
    assert threads() == before
    found += rows_of([next(new)])
    del old, oldest_but_one
    assert threads() == before
    assert len(before) == bool(prefetch)
    assert found + rows_of(new) == order_of(few, 1)


@PREFETCHES
def test_a_state_loaded_in_the_middle_of_a_loop(few: Selection, prefetch: int) -> None:
    loader = make(few, prefetch=prefetch)
    states = []
    for _ in loader:
        states.append(through_json(loader.state_dict()))
        if len(states) == 4:
            break
    with pytest.raises(RuntimeError, match="set to another epoch or state"):
        go_through(loader, [], lambda: loader.load_state_dict(states[1]))
    assert rows_of(loader) == order_of(few, 0)[8:]
    assert rows_of(loader) == order_of(few, 1)


# -- closing ----------------------------------------------------------------


@PREFETCHES
def test_a_closed_loader(few: Selection, prefetch: int) -> None:
    loader = make(few, prefetch=prefetch)
    loop = iter(loader)
    found = rows_of([next(loop)])
    state = loader.state_dict()
    for _ in range(2):
        loader.close()
        assert not threads()
        for use in (
            lambda: iter(loader),
            lambda: loader.set_epoch(0),
            lambda: loader.set_epoch(3),
            lambda: loader.load_state_dict(state),
        ):
            with pytest.raises(RuntimeError, match="is closed; make a new one"):
                use()
    # What a checkpoint needs is still there.
    assert loader.state_dict() == state
    assert (loader.epoch, len(loader)) == (0, 5)
    other = make(few, prefetch=prefetch)
    other.load_state_dict(loader.state_dict())
    assert found + rows_of(other) == order_of(few, 0)


@PREFETCHES
def test_set_epoch_of_a_loader_closed_before_it_began(
    few: Selection, prefetch: int
) -> None:
    loader = make(few, prefetch=prefetch)
    loader.close()
    with pytest.raises(RuntimeError, match="is closed; make a new one"):
        loader.set_epoch(0)  # where it is


@PREFETCHES
def test_with_closes(few: Selection, prefetch: int) -> None:
    with make(few, prefetch=prefetch) as loader:
        loop = iter(loader)
        next(loop)
        assert len(threads()) == bool(prefetch)
    assert not threads()
    with pytest.raises(RuntimeError, match="is closed"):
        iter(loader)
    fails = Fails(2)
    with (
        pytest.raises(Planted),
        make(few, prefetch=prefetch, transform=fails) as loader,
    ):
        list(loader)
    assert not threads()
    assert len(few.store.labels(rows=few.rows)) == 19  # the store is open


# -- errors -----------------------------------------------------------------


class Planted(BaseException):
    """An error that nobody else raises, and that `except Exception` does not catch."""


class Fails:
    """A transform that fails at a certain batch, counted from 0, until it is mended."""

    def __init__(
        self, at: int | None = None, error: type[BaseException] = Planted
    ) -> None:
        self.at = at
        self.error = error
        self.n_calls = 0

    def __call__(self, batch: Batch) -> Batch:
        number, self.n_calls = self.n_calls, self.n_calls + 1
        if number == self.at:
            raise self.error("in a transform")
        return batch


@pytest.mark.parametrize("device", [None, "meta"])
@pytest.mark.parametrize("at", [0, 2, 4])
@PREFETCHES
def test_an_error_in_a_transform(
    few: Selection, prefetch: int, at: int, device: str | None
) -> None:
    """Raised in its turn, with its traceback; the failed batch can be had again.

    The device "meta" stands for a GPU: transforms come after the thread there.
    """
    loader = make(few)
    whole = [names_of(loader) for _ in range(2)]
    for error in (Planted, ValueError, KeyboardInterrupt):
        fails = Fails(at, error)
        loader = make(few, prefetch=prefetch, transform=fails, device=device)
        taken: list[Batch] = []
        with pytest.raises(error, match="in a transform") as raised:
            go_through(loader, taken)
        where = [each.name for each in traceback.extract_tb(raised.tb)]
        assert where[0] == test_an_error_in_a_transform.__name__
        assert where[-1] == "__call__"
        assert not threads()

        found = names_of(taken)
        assert found == whole[0][: 4 * at]
        state = through_json(loader.state_dict())
        assert (state["epoch"], state["consumed"]) == (0, 4 * at)
        fresh = make(few)
        fresh.load_state_dict(state)
        assert found + names_of(fresh) == whole[0]
        loader.load_state_dict(state)
        assert found + names_of(loader) == whole[0]
        assert names_of(loader) == whole[1]


@pytest.mark.parametrize("device", [None, "meta"])
@PREFETCHES
def test_the_loop_after_an_error_is_the_next_epoch(
    few: Selection, prefetch: int, device: str | None
) -> None:
    """Unless nothing of the epoch was given out."""
    plain = make(few)
    whole = [names_of(plain) for _ in range(2)]
    for at in range(5):
        loader = make(few, prefetch=prefetch, transform=Fails(at), device=device)
        with pytest.raises(Planted):
            list(loader)
        assert names_of(loader) == whole[min(at, 1)]


@PREFETCHES
def test_an_error_that_does_not_go_away(few: Selection, prefetch: int) -> None:
    def fail(batch: Batch) -> Batch:
        if batch.rows[0] == order_of(few, 0)[8]:
            raise Planted
        return batch

    loader = make(few, prefetch=prefetch, transform=fail)
    taken: list[Batch] = []
    for _ in range(3):
        with pytest.raises(Planted):
            go_through(loader, taken)
        loader.load_state_dict(loader.state_dict())
        assert loader.state_dict()["consumed"] == 8
    assert rows_of(taken) == order_of(few, 0)[:8]  # not twice


@PREFETCHES
def test_an_error_in_the_body_of_a_loop(few: Selection, prefetch: int) -> None:
    for error in (Planted(), KeyboardInterrupt(), StopIteration()):
        loader = make(few, prefetch=prefetch)
        taken: list[Batch] = []

        def fail(taken: list[Batch] = taken, error: BaseException = error) -> None:
            if len(taken) == 2:
                raise error

        with pytest.raises(type(error)) as raised:
            go_through(loader, taken, fail)
        assert raised.value is error
        assert not threads()
        assert loader.state_dict()["consumed"] == 8
        loader.load_state_dict(loader.state_dict())
        assert rows_of(taken) + rows_of(loader) == order_of(few, 0)


@PREFETCHES
def test_a_store_that_is_closed_in_the_middle(
    sample_store: Path, prefetch: int
) -> None:
    store = ecgstore.open(sample_store)
    loader = make(store, prefetch=prefetch, fields=("signals", "labels", "age"))
    with pytest.raises(StoreClosedError, match="open it again"):
        go_through(loader, [], store.close)
    assert not threads()


@pytest.mark.parametrize("begins", [False, True])
def test_a_thread_that_cannot_begin(
    few: Selection, monkeypatch: pytest.MonkeyPatch, begins: bool
) -> None:
    """The system has no more; or Ctrl-C while its beginning is waited for."""
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        monkeypatch.undo()
        if begins:
            start(thread)
        raise Planted

    loader = make_rich(few)
    whole = digests(make_rich(few))
    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(Planted):
        list(loader)
    assert not threads()
    assert digests(loader) == whole


# -- Ctrl-C -----------------------------------------------------------------


@pytest.fixture
def ctrl_c() -> Iterator[threading.Event]:
    """What is set as soon as SIGINT has come; the first one interrupts."""
    came = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not came.is_set():
            came.set()
            signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, interrupt)
    yield came
    signal.signal(signal.SIGINT, before)


@needs_signals
@PREFETCHES
def test_ctrl_c_while_a_batch_is_waited_for(
    few: Selection,
    monkeypatch: pytest.MonkeyPatch,
    ctrl_c: threading.Event,
    prefetch: int,
) -> None:
    third_is_waited_for = threading.Event()
    n_waits = 0
    wait_for = WorkSharing.wait_for

    def noted(sharing: WorkSharing, ready: Callable[[], bool]) -> None:
        nonlocal n_waits
        n_waits += 1
        if n_waits == 3:
            third_is_waited_for.set()
        wait_for(sharing, ready)

    monkeypatch.setattr(WorkSharing, "wait_for", noted)
    main = threading.main_thread()
    n_made = 0

    def slow(batch: Batch) -> Batch:
        nonlocal n_made
        n_made += 1
        if n_made == 3 and not ctrl_c.is_set():
            if threading.current_thread() is not main:
                assert third_is_waited_for.wait(FAILSAFE_S)
            assert main.ident is not None
            signal.pthread_kill(main.ident, signal.SIGINT)
            # Python does not notice one that comes just before a lock is waited for.
            while not ctrl_c.wait(0.01):
                signal.pthread_kill(main.ident, signal.SIGINT)
        return batch

    loader = make_rich(few, prefetch=prefetch, transform=slow)
    taken: list[Batch] = []
    with pytest.raises(KeyboardInterrupt):
        go_through(loader, taken)
    assert not threads()
    assert len(taken) == 2
    loader.load_state_dict(loader.state_dict())
    assert digests(taken) + digests(loader) == digests(make_rich(few))


class SlowLock:
    """A lock that somebody else holds each time, so that Ctrl-C comes before it."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exception: object) -> None:
        self._lock.release()


class InterruptsAtCall:
    """Raises KeyboardInterrupt at a certain call in this thread, counted from 1.

    Calls are where Python looks whether a signal has come. Only those that the pipes
    make count: what threading itself makes of Ctrl-C is not theirs to mend.
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
        """Whether it is code of the pipes, or a ``with`` of theirs being entered."""
        if frame is not None and frame.f_code.co_name == "__enter__":
            frame = frame.f_back
        module = "" if frame is None else frame.f_globals.get("__name__", "")
        ours = (Loader, Prefetch, WorkSharing)
        return module in {each.__module__ for each in ours}


@pytest.mark.parametrize("is_slow", [False, True])
@PREFETCHES
def test_ctrl_c_at_any_moment(
    few: Selection, monkeypatch: pytest.MonkeyPatch, prefetch: int, is_slow: bool
) -> None:
    """No thread is left, nothing waits for ever, and the rest comes exactly.

    The batch that was on its way when the interrupt came may be lost to a user who
    goes on from `state_dict`, as between a yield and an assignment, but no other.
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
        loader = make_rich(few, prefetch=prefetch)
        found: list[int] = []
        sys.setprofile(interrupts)
        try:
            for batch in loader:
                found += batch.rows.tolist()
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        assert not threads()
        assert found == expected[: len(found)]
        state = loader.state_dict()
        n_consumed = state["consumed"] or len(few) * state["epoch"]
        assert n_consumed - len(found) in (0, 3, 4)
        for _ in loader:
            break
        assert not threads()
        loader.load_state_dict(state)
        rest = rows_of(loader)
        assert rest == (expected[n_consumed:] or order_of(few, 1))
    assert interrupts.number > 20


@pytest.mark.parametrize("prefetch", [1, 3])
def test_ctrl_c_while_a_thread_is_being_ended(
    few: Selection, monkeypatch: pytest.MonkeyPatch, prefetch: int
) -> None:
    """It is ended by whatever comes next, before that uses what it used."""
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

    loader = make(few, prefetch=prefetch, transform=slow)
    loop = iter(loader)
    found = rows_of([next(loop), next(loop)])
    monkeypatch.setattr(threading.Thread, "join", interrupted)
    state = loader.state_dict()
    with pytest.raises(KeyboardInterrupt):
        loader.load_state_dict(state)
    assert threads()
    loader.load_state_dict(state)
    assert not threads()
    assert found + rows_of(loader) == order_of(few, 0)


# -- nothing is left behind -------------------------------------------------


@pytest.fixture(scope="module")
def little_to_collect() -> Iterator[None]:
    """The collector leaves alone what was there before, which takes it a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def no_garbage_collector(little_to_collect: None) -> Iterator[None]:
    """What is not used any more goes at once, and not when the collector comes."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module")
def own_store(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that nobody else has open."""
    return Path(shutil.copy(sample_store, tmp_path_factory.mktemp("own") / "own.h5"))


def held(path: Path) -> list[str]:
    """Descriptors and mappings of a file in this process."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except FileNotFoundError:  # that of the folder itself
            continue
        found += [target] if target == str(path) else []
    maps = Path("/proc/self/maps").read_text().splitlines()
    return found + [line for line in maps if line.endswith(str(path))]


def use_whole(loader: Loader, fails: Fails) -> None:
    for _ in range(2):
        list(loader)


def use_left(n_taken: int) -> Callable[[Loader, Fails], None]:
    def use(loader: Loader, fails: Fails) -> None:
        for number, _ in enumerate(loader, start=1):
            if number == n_taken:
                break

    return use


def use_kept_loop(loader: Loader, fails: Fails) -> None:
    loop = iter(loader)
    next(loop)


def use_two_loops(loader: Loader, fails: Fails) -> None:
    old = iter(loader)
    next(old)
    new = iter(loader)
    next(new)
    try:
        next(old)
    except RuntimeError:
        return
    raise AssertionError


def use_failing_transform(loader: Loader, fails: Fails) -> None:
    fails.at = 3
    try:
        list(loader)
    except Planted:
        return
    raise AssertionError


def use_failing_ahead(loader: Loader, fails: Fails) -> None:
    """The error is there, but its turn does not come."""
    fails.at = 1
    for _ in loader:
        break


def use_failing_body(loader: Loader, fails: Fails) -> None:
    try:
        for _ in loader:
            raise Planted
    except Planted:
        return
    raise AssertionError


def use_interrupted_body(loader: Loader, fails: Fails) -> None:
    try:
        for _ in loader:
            signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        return
    raise AssertionError


def use_then_close(loader: Loader, fails: Fails) -> None:
    loop = iter(loader)
    next(loop)
    loader.close()


def use_set_elsewhere(loader: Loader, fails: Fails) -> None:
    loop = iter(loader)
    next(loop)
    loader.set_epoch(3)
    loop = iter(loader)
    next(loop)
    loader.load_state_dict(loader.state_dict())


USES: dict[str, Callable[[Loader, Fails], None]] = {
    "to the end": use_whole,
    "left at once": use_left(1),
    "left before the end": use_left(10),
    "left at the end": use_left(11),
    "a loop is kept": use_kept_loop,
    "two loops": use_two_loops,
    "a transform fails": use_failing_transform,
    "a transform fails ahead": use_failing_ahead,
    "the body fails": use_failing_body,
    "the body is interrupted": use_interrupted_body,
    "closed": use_then_close,
    "set elsewhere": use_set_elsewhere,
}


@needs_proc
@pytest.mark.usefixtures("no_garbage_collector", "ctrl_c")
@pytest.mark.parametrize("close", [False, True])
@PREFETCHES
@pytest.mark.parametrize("use", USES)
def test_nothing_is_left_behind(
    own_store: Path, use: str, prefetch: int, close: bool
) -> None:
    """No thread, no file, no memory: with the last of store and loader, all goes."""
    store = ecgstore.open(own_store)
    fails = Fails()
    is_alive = weakref.ref(fails)  # part of the pipe
    loader = make(
        store,
        fields=("signals", "labels", "features", "fiducials", "r_peaks", "age", "dx"),
        prefetch=prefetch,
        transform=fails,
    )
    del fails
    assert held(own_store)
    transform = is_alive()
    assert transform is not None
    USES[use](loader, transform)
    del transform
    assert not threads()
    if close:
        store.close()
        assert not held(own_store)  # even though there is a loader
    del store, loader
    assert not held(own_store)
    assert is_alive() is None


@needs_proc
@pytest.mark.usefixtures("no_garbage_collector")
@PREFETCHES
def test_a_loader_that_is_dropped_in_the_middle(own_store: Path, prefetch: int) -> None:
    """Batches that are kept hold neither the file nor the thread."""
    store = ecgstore.open(own_store)
    loader = make(store, fields=("signals", "labels", "age"), prefetch=prefetch)
    loop = iter(loader)
    kept = [next(loop) for _ in range(2)]
    before = digests(kept)
    assert len(threads()) == bool(prefetch)
    del loader
    kept.append(next(loop))  # a loop is enough to go on
    del loop, store
    assert not threads()
    assert not held(own_store)
    assert digests(kept)[:2] == before


@pytest.mark.usefixtures("no_garbage_collector")
def test_a_node_that_is_dropped_in_the_middle(few: Selection) -> None:
    """Without a loader around it, nobody else tells its thread to end."""
    order = pipes.Shuffled(len(few), SEED)
    reader = pipes.RecordReader(few.store, ("labels",))
    node: pipes.Prefetch[Batch] = pipes.Prefetch(
        pipes.Read(pipes.Rows(few, order, 4), reader), 2
    )
    assert rows_of([next(node)]) == order_of(few, 0)[:4]
    assert len(threads()) == 1
    del node
    assert not threads()


@needs_proc
@pytest.mark.usefixtures("no_garbage_collector")
@PREFETCHES
def test_a_loader_in_a_cycle_goes_with_it(own_store: Path, prefetch: int) -> None:
    store = ecgstore.open(own_store)
    loader = make(store, prefetch=prefetch)
    loop = iter(loader)
    next(loop)
    cycle: list[Any] = [loader, loop]
    cycle.append(cycle)
    del store, loader, loop, cycle
    assert len(threads()) == bool(prefetch)
    gc.collect()
    assert not threads()
    assert not held(own_store)


@pytest.mark.parametrize("prefetch", [1, 3])
@pytest.mark.parametrize("how", [*ANOTHER_PLACE, "left", "dropped"])
def test_a_busy_thread_is_waited_for(
    few: Selection, monkeypatch: pytest.MonkeyPatch, how: str, prefetch: int
) -> None:
    """Not only told to end: it must not touch what others use from then on."""
    gate = threading.Event()
    join = threading.Thread.join

    def noted(thread: threading.Thread, timeout: float | None = None) -> None:
        gate.set()
        join(thread, timeout)

    n_made = 0
    is_done = False

    def slow(batch: Batch) -> Batch:
        nonlocal n_made, is_done
        n_made += 1
        if n_made == 2:
            assert gate.wait(FAILSAFE_S)
            is_done = True
        return batch

    monkeypatch.setattr(threading.Thread, "join", noted)
    loader = make(few, prefetch=prefetch, transform=slow)
    loop = iter(loader)
    next(loop)
    if how in ANOTHER_PLACE:
        ANOTHER_PLACE[how](loader)
    elif how == "left":
        del loop
    else:
        del loop, loader
    try:
        assert not threads()
    finally:
        gate.set()
    assert is_done or n_made < 2


# -- processes and threads --------------------------------------------------


def in_a_fork(function: Callable[[], object]) -> str:
    """Return what a function says in a forked process."""
    readable, writable = os.pipe()
    with warnings.catch_warnings():
        # That threads do not survive is what the tests are about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            text = str(function())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writable, text.encode())
        os._exit(0)
    os.close(writable)
    try:
        with open(readable) as file:
            return file.read()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@needs_fork
@pytest.mark.parametrize("prefetch", [1, 3])
def test_a_fork_in_the_middle_is_an_error_in_the_child(
    few: Selection, prefetch: int
) -> None:
    loader = make_rich(few, prefetch=prefetch)
    whole = digests(make_rich(few))
    loop = iter(loader)
    found = digests([next(loop)])
    said = in_a_fork(lambda: next(loop))
    assert said.startswith("RuntimeError: this process was forked while")
    assert "make the loader in the process that uses it" in said
    # A child that has no use for it ends without a word.
    assert in_a_fork(lambda: "fine") == "fine"
    assert in_a_fork(lambda: loader.close()) == "None"
    assert in_a_fork(lambda: loader.state_dict()["consumed"]) == "4"
    # And the parent goes on.
    assert len(threads()) == 1
    assert found + digests(loop) == whole


@needs_fork
def test_a_fork_without_a_thread_goes_on(few: Selection) -> None:
    loader = make_rich(few, prefetch=0)
    whole = digests(make_rich(few))
    loop = iter(loader)
    found = digests([next(loop)])
    assert in_a_fork(lambda: digests(loop)) == str(whole[1:])
    assert found + digests(loop) == whole


@needs_fork
@PREFETCHES
def test_a_fork_between_loops(few: Selection, prefetch: int) -> None:
    loader = make_rich(few, prefetch=prefetch)
    epochs = [digests(loader) for _ in range(3)]
    loader.set_epoch(0)
    assert in_a_fork(lambda: digests(loader)) == str(epochs[0])
    for number, _ in enumerate(loader):
        if number == 1:
            break
    assert in_a_fork(lambda: digests(loader)) == str(epochs[1])
    assert digests(loader) == epochs[1]
    assert in_a_fork(lambda: digests(loader)) == str(epochs[2])


def test_loaders_in_several_threads(few: Selection) -> None:
    """At the same time, over one store: each gets what it would get alone."""
    n_threads = 4
    together = threading.Barrier(n_threads)
    found: list[list[str]] = [[] for _ in range(n_threads)]

    def loader_of(number: int) -> Loader:
        return make_rich(
            few,
            batch_size=number + 1,
            seed=number // 2,
            prefetch=(1, 0, 3, 1)[number],
            transform=Augment(Gain(), WhiteNoise()),
        )

    def consume(number: int) -> None:
        loader = loader_of(number)
        together.wait(FAILSAFE_S)
        for _ in range(3):
            found[number] += digests(loader)

    consumers = [
        threading.Thread(target=consume, args=(number,)) for number in range(n_threads)
    ]
    for each in consumers:
        each.start()
    for each in consumers:
        each.join()
    for number, digests_found in enumerate(found):
        loader = loader_of(number)
        assert digests_found == [each for _ in range(3) for each in digests(loader)]


@PREFETCHES
def test_a_loader_may_move_to_another_thread(few: Selection, prefetch: int) -> None:
    loader = make_rich(few, prefetch=prefetch)
    loop = iter(loader)
    found = digests([next(loop)])
    other = threading.Thread(target=lambda: found.append(digest(next(loop))))
    other.start()
    other.join()
    assert found + digests(loop) == digests(make_rich(few))


# -- arguments --------------------------------------------------------------


def test_shuffle_and_an_order_do_not_go_together(few: Selection) -> None:
    order = pipes.Shuffled(len(few), 1)
    with pytest.raises(ValueError, match=r"shuffle=True and order=Shuffled\(n=19, se"):
        pipes.loader(few, shuffle=True, order=order)


@pytest.mark.parametrize("order", ["shuffled", [3, 1, 2], torch.randperm(19)])
def test_an_order_of_another_kind_is_refused(few: Selection, order: Any) -> None:
    kind = type(order).__name__
    with pytest.raises(TypeError, match=rf"order is a {kind}; expected an order, such"):
        pipes.loader(few, order=order)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda")])
def test_a_gpu_that_is_not_there_is_refused(
    few: Selection, monkeypatch: pytest.MonkeyPatch, device: torch.device | str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    message = 'device is \'cuda.*finds no CUDA device; expected .* use device="cpu"'
    with pytest.raises(ValueError, match=message):
        pipes.loader(few, device=device)
    with pytest.raises(ValueError, match=message):
        pipes.ToDevice(make(few), device)


def test_a_gpu_beyond_the_last_one_is_refused(
    few: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="'cuda:2'; expected 'cuda:0' to 'cuda:1'"):
        pipes.loader(few, device="cuda:2")


@PREFETCHES
def test_a_transform_that_returns_nothing_is_named(
    few: Selection, prefetch: int
) -> None:
    def forgets(batch: Batch) -> Any:
        batch.signals.mul_(2)  # type: ignore[union-attr]

    loader = pipes.loader(few, 4, transform=forgets, prefetch=prefetch)
    with pytest.raises(TypeError, match=r"forgets.* returned None; expected a batch"):
        next(iter(loader))


def test_a_rank_of_how_many(few: Selection) -> None:
    with pytest.raises(ValueError, match="rank is 0 and world_size is None; expect"):
        pipes.loader(few, rank=0)
    with pytest.raises(ValueError, match="rank is None and world_size is 2; expected "):
        pipes.loader(few, world_size=2)


def test_ranks_are_those_of_torch_distributed(
    few: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it is initialised, and unless they are given; when the loader is made."""
    plain = make(few)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    found = rows_of(make(few))
    assert found == rows_of(make(few, rank=1, world_size=3))
    assert len(found) == 6
    assert rows_of(make(few, rank=0, world_size=1)) == order_of(few, 0)
    assert rows_of(plain) == order_of(few, 0)
    monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
    assert rows_of(make(few)) == order_of(few, 0)


# -- law 3 ------------------------------------------------------------------

AUGMENTATIONS = (
    Gain(),
    BaselineWander(),
    LeadDropout(),
    Powerline(),
    TimeMask(),
    TimeShift(),
    WhiteNoise(),
    WhiteNoiseAtSnr(),
)
COLUMNS = ("age", "sex", "source", "patient_id", "dx", "n_samples_original", "fold")


def one_record(
    store: Store,
    row: int,
    seed: np.uint64,
    window: pipes.RandomCrop,
    leads: tuple[str, ...],
) -> Batch:
    """A record as the store itself says it is, before it is augmented."""
    places = [LEADS.index(lead) for lead in leads]
    length = window.n_samples
    n_real = store.n_samples - int(store.quality["pad_length"].iloc[row])
    begins = window_begins(window, np.array([n_real]), np.array([seed]))
    assert begins is not None
    begin = int(begins[0])
    signals = store.signals([row])[:, places, begin : begin + length]
    fiducials = store.fiducials([row])[:, places].astype(np.int16)
    r_peaks = store.r_peaks([row]).astype(np.int16)
    return Batch(
        rows=torch.tensor([row]),
        seeds=np.array([seed]),
        names=np.array([str(store.records.index[row]).encode()]),
        n_real_samples=torch.tensor([min(n_real - begin, length)]),
        signals=torch.from_numpy(np.ascontiguousarray(signals)),
        labels=torch.from_numpy(store.labels(rows=[row])),
        features=torch.from_numpy(store.features([row]).to_numpy()),
        fiducials=torch.from_numpy(marks_in_window(fiducials, begins, length)),
        r_peaks=torch.from_numpy(marks_in_window(r_peaks, begins, length)),
        leads=leads,
    )


@settings(max_examples=12)
@given(
    batch_size=st.integers(1, 12),
    prefetch=st.integers(0, 3),
    seed=st.integers(0, 99),
    n_samples=st.integers(200, 2000),
    leads=st.lists(st.sampled_from(LEADS), min_size=1, max_size=3, unique=True),
    folds=st.sets(st.integers(0, 9), min_size=2, max_size=5),
    is_augmented=st.booleans(),
)
def test_everything_in_a_batch_belongs_to_its_rows(
    store: Store,
    batch_size: int,
    prefetch: int,
    seed: int,
    n_samples: int,
    leads: list[str],
    folds: set[int],
    is_augmented: bool,
) -> None:
    """Batches are kept until the end, so memory that is used again would be seen."""
    some = store.select(folds=folds, query="age > 10")
    window = pipes.RandomCrop(n_samples)
    augment = Augment(*AUGMENTATIONS if is_augmented else ())
    loader = pipes.loader(
        some,
        batch_size,
        shuffle=True,
        seed=seed,
        fields=("signals", "labels", "features", "fiducials", "r_peaks", *COLUMNS),
        leads=leads,
        window=window,
        transform=augment,
        prefetch=prefetch,
    )
    loader.set_epoch(seed % 3)
    batches = list(loader)
    assert sorted(rows_of(batches)) == some.rows.tolist()
    n_augmented = 0
    for batch in batches:
        records = store.records.loc[batch.record_ids]
        assert [store.row(name) for name in batch.record_ids] == batch.rows.tolist()
        for name in COLUMNS:
            values = batch.columns[name]
            found = values.numpy() if isinstance(values, torch.Tensor) else values
            np.testing.assert_array_equal(found, records[name].to_numpy())
        for place, row in enumerate(batch.rows.tolist()):
            plain = one_record(store, row, batch.seeds[place], window, tuple(leads))
            before = digest(plain.signals)
            expected = augment(plain)
            n_augmented += digest(expected.signals) != before
            for each in ("signals", "fiducials", "r_peaks", "labels", "features"):
                found, wanted = getattr(batch, each)[place], getattr(expected, each)[0]
                assert digest(found) == digest(wanted), (each, row)
            assert batch.n_real_samples[place] == expected.n_real_samples[0]
    assert (n_augmented > 0) == is_augmented
