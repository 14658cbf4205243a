"""With the last reference to a loader, its thread, file and memory are released."""

import gc
import os
import shutil
import signal
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ecgstore
from ecgstore import pipes
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.loading import Loader
from ecgstore.storage import Selection, Store
from tests.pipes.batches import digests, rows_of
from tests.pipes.loader.loaders import (
    ENDINGS,
    FAILSAFE_S,
    PREFETCHES,
    SEED,
    FailingTransform,
    InjectedError,
    make_loader,
    needs_proc,
    order_of,
    threads,
)


@pytest.fixture(scope="module")
def own_store(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that no other test has open."""
    return Path(shutil.copy(sample_store, tmp_path_factory.mktemp("own") / "own.h5"))


def held(path: Path) -> list[str]:
    """Descriptors and mappings of a file in this process."""
    uses = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except FileNotFoundError:  # that of the folder itself
            continue
        uses += [target] if target == str(path) else []
    maps = Path("/proc/self/maps").read_text().splitlines()
    return uses + [line for line in maps if line.endswith(str(path))]


def use_whole(loader: Loader, fails: FailingTransform) -> None:
    for _ in range(2):
        list(loader)


def use_left(n_taken: int) -> Callable[[Loader, FailingTransform], None]:
    def use(loader: Loader, fails: FailingTransform) -> None:
        for number, _ in enumerate(loader, start=1):
            if number == n_taken:
                break

    return use


def use_kept_loop(loader: Loader, fails: FailingTransform) -> None:
    loop = iter(loader)
    next(loop)


def use_two_loops(loader: Loader, fails: FailingTransform) -> None:
    old = iter(loader)
    next(old)
    new = iter(loader)
    next(new)
    try:
        next(old)
    except RuntimeError:
        return
    raise AssertionError


def use_failing_transform(loader: Loader, fails: FailingTransform) -> None:
    fails.at = 3
    try:
        list(loader)
    except InjectedError:
        return
    raise AssertionError


def use_failing_ahead(loader: Loader, fails: FailingTransform) -> None:
    """The error is raised in the thread, but the loop ends before its turn."""
    fails.at = 1
    for _ in loader:
        break


def use_failing_body(loader: Loader, fails: FailingTransform) -> None:
    try:
        for _ in loader:
            raise InjectedError
    except InjectedError:
        return
    raise AssertionError


def use_interrupted_body(loader: Loader, fails: FailingTransform) -> None:
    try:
        for _ in loader:
            signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        return
    raise AssertionError


def use_then_close(loader: Loader, fails: FailingTransform) -> None:
    loop = iter(loader)
    next(loop)
    loader.close()


def use_set_epoch(loader: Loader, fails: FailingTransform) -> None:
    loop = iter(loader)
    next(loop)
    loader.set_epoch(3)
    loop = iter(loader)
    next(loop)
    loader.load_state_dict(loader.state_dict())


USES: dict[str, Callable[[Loader, FailingTransform], None]] = {
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
    "set to another epoch": use_set_epoch,
}


@needs_proc
@pytest.mark.usefixtures("no_garbage_collector", "ctrl_c")
@pytest.mark.parametrize("close", [False, True])
@PREFETCHES
@pytest.mark.parametrize("use", USES)
def test_everything_is_released(
    own_store: Path, use: str, prefetch: int, close: bool
) -> None:
    """Thread, file and memory go with the last reference to store and loader."""
    store = ecgstore.open(own_store)
    fails = FailingTransform()
    is_alive = weakref.ref(fails)  # part of the pipe
    loader = make_loader(
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
def test_a_loader_dropped_within_an_epoch_is_released(
    own_store: Path, prefetch: int
) -> None:
    """Batches that are kept hold neither the file nor the thread."""
    store = ecgstore.open(own_store)
    loader = make_loader(store, fields=("signals", "labels", "age"), prefetch=prefetch)
    loop = iter(loader)
    kept = [next(loop) for _ in range(2)]
    before = digests(kept)
    assert len(threads()) == bool(prefetch)
    del loader
    kept.append(next(loop))  # a loop keeps its loader alive
    del loop, store
    assert not threads()
    assert not held(own_store)
    assert digests(kept)[:2] == before


@pytest.mark.usefixtures("no_garbage_collector")
def test_a_node_dropped_within_an_epoch_is_released(few: Selection) -> None:
    """No loader is around the node that could end its thread."""
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
def test_a_loader_in_a_reference_cycle_is_collected(
    own_store: Path, prefetch: int
) -> None:
    store = ecgstore.open(own_store)
    loader = make_loader(store, prefetch=prefetch)
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
@pytest.mark.parametrize("how", [*ENDINGS, "left", "dropped"])
def test_a_busy_thread_is_joined(
    few: Selection, monkeypatch: pytest.MonkeyPatch, how: str, prefetch: int
) -> None:
    """The thread must not use anything after the call that ends it."""
    gate = threading.Event()
    join = threading.Thread.join

    def join_and_open_gate(
        thread: threading.Thread, timeout: float | None = None
    ) -> None:
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

    monkeypatch.setattr(threading.Thread, "join", join_and_open_gate)
    loader = make_loader(few, prefetch=prefetch, transform=slow)
    loop = iter(loader)
    next(loop)
    if how in ENDINGS:
        ENDINGS[how](loader)
    elif how == "left":
        del loop
    else:
        del loop, loader
    try:
        assert not threads()
    finally:
        gate.set()
    assert is_done or n_made < 2


def test_closing_while_a_thread_waits_for_a_batch_is_an_error_there(
    store: Store,
) -> None:
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
    closer.join(0.1)  # by now it waits for the prefetching thread to end
    may_end.set()
    for thread in (consumer, closer):
        thread.join(FAILSAFE_S)
        assert not thread.is_alive()
    assert ["closed" in str(error) for error in errors] == [True]
