"""Loaders of few records, and functions that use them in tests."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecgstore import pipes
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.loading import Loader
from ecgstore.storage import Selection, Store

SEED = 7

FAILSAFE_S = 60
"""Time-out in s of waits that end at once unless the test fails."""

PREFETCHES = pytest.mark.parametrize("prefetch", [0, 1, 3])

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

needs_signals = pytest.mark.skipif(os.name != "posix", reason="sends signals")

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="this system does not list mappings"
)


def threads() -> list[threading.Thread]:
    """The threads of loaders."""
    return [
        thread for thread in threading.enumerate() if thread.name == "ecgstore-prefetch"
    ]


def make_loader(
    records: Selection | Store, batch_size: int = 4, **options: Any
) -> Loader:
    options = {"shuffle": True, "seed": SEED, "fields": ("labels",), **options}
    return pipes.loader(records, batch_size, **options)


def make_random_loader(few: Selection, **options: Any) -> Loader:
    """A loader that reads signals with random crops."""
    rich = {"fields": ("signals", "age"), "window": pipes.RandomCrop(300)}
    return make_loader(few, **{**rich, **options})


def order_of(records: Selection, epoch: int) -> list[int]:
    """The rows of an epoch, by the order alone."""
    n = len(records)
    rows = records.rows[pipes.Shuffled(n, SEED).indices(epoch, 0, n)]
    return [int(row) for row in rows]


def consume(
    loader: Loader, taken: list[Batch], then: Callable[[], object] = bool
) -> None:
    """Take all batches of an epoch, and call a function in the body of the loop."""
    for batch in loader:
        taken.append(batch)
        then()


def through_json(state: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(state)))


ENDINGS: dict[str, Callable[[Loader], object]] = {
    "iterated over again": iter,
    "set to another epoch": lambda loader: loader.set_epoch(1),
    "set to the epoch's beginning": lambda loader: loader.set_epoch(0),
    "loaded": lambda loader: loader.load_state_dict(loader.state_dict()),
    "closed": lambda loader: loader.close(),
}


class InjectedError(BaseException):
    """An error of the tests only, which `except Exception` does not catch."""


class FailingTransform:
    """A transform that fails at its call number `at`, counted from 0."""

    def __init__(
        self, at: int | None = None, error: type[BaseException] = InjectedError
    ) -> None:
        self.at = at
        self.error = error
        self.n_calls = 0

    def __call__(self, batch: Batch) -> Batch:
        number, self.n_calls = self.n_calls, self.n_calls + 1
        if number == self.at:
            raise self.error("in a transform")
        return batch
