"""Tasks on an executor: one at a time in a worker, few ahead, none left behind."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.system import executors
from ecgstore.system.executors import SharedExecutor
from ecgstore.system.workers import run_tasks

N_TASKS = 8

_at_once = threading.Semaphore()
_closed: list[str] = []


class Worker:
    """Does a task, and notes that it was closed."""

    def __call__(self, task: int) -> int:
        """Return the square; fail if another thread is in here."""
        assert _at_once.acquire(blocking=False)
        time.sleep(0.01)
        _at_once.release()
        return task**2

    def close(self) -> None:
        """Note it."""
        _closed.append("closed")


def make_other() -> Callable[[int], int]:
    """Make a worker of another kind."""
    return abs


class Slow(Executor):
    """Takes tasks and does each when its result is asked for."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:  # type: ignore[override]
        """Do the tasks before this one."""
        self.futures.append(Future())
        if sum(not one.done() for one in self.futures) == 3:
            self.futures[-3].set_result(function(*arguments))
        return self.futures[-1]


def test_threads_of_a_worker_do_one_task_after_another(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as executor:
        shared = SharedExecutor(executor, tmp_path)
        results = [*run_tasks(Worker, range(N_TASKS), shared)]
        assert results == [task**2 for task in range(N_TASKS)]
        _closed.clear()
        assert [*run_tasks(make_other, [-1], shared)] == [1]
    assert _closed == ["closed"]
    assert not [*tmp_path.iterdir()]


def test_few_tasks_are_ahead_and_those_not_wanted_are_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "_MOST_AHEAD", 3)
    slow = Slow()
    results = run_tasks(make_other, range(1000), SharedExecutor(slow, tmp_path))
    next(results)
    assert len(slow.futures) == 3
    results.close()
    assert [one.cancelled() for one in slow.futures] == [False, True, True]


def test_work_that_another_program_has_changed_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_bytes = Path.read_bytes

    def changed(path: Path) -> bytes:
        return read_bytes(path) + (b"." if path.suffix == ".work" else b"")

    monkeypatch.setattr(Path, "read_bytes", changed)
    monkeypatch.setattr(executors, "_workers", {})
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(EcgStoreError, match="changed by another program"),
    ):
        [*run_tasks(make_other, [1], SharedExecutor(executor, tmp_path))]
