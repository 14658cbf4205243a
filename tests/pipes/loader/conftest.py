"""Fixtures of the tests of loaders."""

import gc
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from ecgstore.pipes.reading.sharing import WorkSharing
from ecgstore.storage import Selection, Store
from tests.pipes.loader.loaders import threads


@pytest.fixture(scope="module")
def few(store: Store) -> Selection:
    """Nineteen rows, not all and not neighbours: 4 batches of 4 and one of 3."""
    return store.select(rows=range(3, 41, 2))


@pytest.fixture(scope="module", autouse=True)
def small_batches_are_shared() -> Iterator[None]:
    """Let a waiting consumer help with the small batches of these tests, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkSharing, "min_bytes", 0)
        yield


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threads()
    yield
    assert set(threads()) <= set(before)


@pytest.fixture
def ctrl_c() -> Iterator[threading.Event]:
    """An event that the first SIGINT sets; only that one interrupts."""
    came = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not came.is_set():
            came.set()
            signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, interrupt)
    yield came
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def little_to_collect() -> Iterator[None]:
    """Exclude existing objects from garbage collection, which would take a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def no_garbage_collector(little_to_collect: None) -> Iterator[None]:
    """Objects are freed by reference counting only."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
