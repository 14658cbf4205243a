"""Loaders in forked processes, in several threads, and handed from thread to thread."""

import os
import signal
import threading
import warnings
from collections.abc import Callable

import pytest

from ecgstore.pipes import Augment, Gain, WhiteNoise
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection
from tests.pipes.batches import digests
from tests.pipes.loader.loaders import (
    FAILSAFE_S,
    PREFETCHES,
    make_random_loader,
    needs_fork,
    threads,
)


def in_a_fork(function: Callable[[], object]) -> str:
    """Return the result of a function, or its error, in a forked process."""
    readable, writable = os.pipe()
    with warnings.catch_warnings():
        # The tests are about threads that do not survive the fork.
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
def test_a_fork_within_an_epoch_is_an_error_in_the_child(
    few: Selection, prefetch: int
) -> None:
    loader = make_random_loader(few, prefetch=prefetch)
    whole = digests(make_random_loader(few))
    loop = iter(loader)
    consumed = digests([next(loop)])
    message = in_a_fork(lambda: next(loop))
    assert message.startswith("RuntimeError: this process was forked while")
    assert "make the loader in the process that uses it" in message
    # A child that does not use the loader ends normally.
    assert in_a_fork(lambda: "fine") == "fine"
    assert in_a_fork(lambda: loader.close()) == "None"
    assert in_a_fork(lambda: loader.state_dict()["consumed"]) == "4"
    # The parent continues.
    assert len(threads()) == 1
    assert consumed + digests(loop) == whole


@needs_fork
def test_a_fork_without_a_thread_continues(few: Selection) -> None:
    loader = make_random_loader(few, prefetch=0)
    whole = digests(make_random_loader(few))
    loop = iter(loader)
    consumed = digests([next(loop)])
    assert in_a_fork(lambda: digests(loop)) == str(whole[1:])
    assert consumed + digests(loop) == whole


@needs_fork
@PREFETCHES
def test_a_fork_between_loops_has_the_same_batches(
    few: Selection, prefetch: int
) -> None:
    loader = make_random_loader(few, prefetch=prefetch)
    epochs = [digests(loader) for _ in range(3)]
    loader.set_epoch(0)
    assert in_a_fork(lambda: digests(loader)) == str(epochs[0])
    for number, _ in enumerate(loader):
        if number == 1:
            break
    assert in_a_fork(lambda: digests(loader)) == str(epochs[1])
    assert digests(loader) == epochs[1]
    assert in_a_fork(lambda: digests(loader)) == str(epochs[2])


def test_loaders_in_several_threads_yield_their_own_batches(few: Selection) -> None:
    """At the same time, over one store: every thread gets the batches of its loader."""
    n_threads = 4
    together = threading.Barrier(n_threads)
    of_threads: list[list[str]] = [[] for _ in range(n_threads)]

    def loader_of(number: int) -> Loader:
        return make_random_loader(
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
            of_threads[number] += digests(loader)

    consumers = [
        threading.Thread(target=consume, args=(number,)) for number in range(n_threads)
    ]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join()
    for number, digests_of_one in enumerate(of_threads):
        loader = loader_of(number)
        assert digests_of_one == [item for _ in range(3) for item in digests(loader)]


@PREFETCHES
def test_a_loader_may_move_to_another_thread(few: Selection, prefetch: int) -> None:
    loader = make_random_loader(few, prefetch=prefetch)
    loop = iter(loader)
    consumed = digests([next(loop)])
    other = threading.Thread(target=lambda: consumed.append(digest(next(loop))))
    other.start()
    other.join()
    assert consumed + digests(loop) == digests(make_random_loader(few))
