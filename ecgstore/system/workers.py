"""Run many small tasks in several processes, in order, with bounded memory."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, Self, TypeVar

from ecgstore.errors import EcgStoreError

Task = TypeVar("Task")
Result = TypeVar("Result")
Task_contra = TypeVar("Task_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class Worker(Protocol[Task_contra, Result_co]):
    """What does the tasks of one process."""

    def __call__(self, task: Task_contra, /) -> Result_co:
        """Do one task."""

    def close(self) -> None:
        """Give back what the worker holds; a process that ends does so by itself."""


_TASKS_AHEAD = 4  # per worker: enough that none waits, few enough to hold in memory

_SECONDS_BETWEEN_LOOKS = 0.2

_work: Worker[Any, Any]  # what this worker process does with a task


def run_tasks(
    make_worker: Callable[[], Worker[Task, Result]],
    tasks: Iterable[Task],
    n_workers: int,
    preload: Sequence[str] = (),
) -> Iterator[Result]:
    """Yield the result of every task, in the order of the tasks.

    Parameters
    ----------
    make_worker : callable
        Called once in each process. Must be picklable, as `functools.partial` of a
        class is.
    tasks : iterable
        Taken as they are needed, so that there may be any number.
    n_workers : int
        Number of processes; with 1, the tasks are done in this process.
    preload : sequence of str
        Names of modules that the tasks need. Where processes are forked, the modules
        are imported once for all of them.

    Raises
    ------
    EcgStoreError
        If a worker process died.
    """
    if n_workers == 1:
        worker = make_worker()
        try:
            yield from map(worker, tasks)
        finally:
            worker.close()
        return
    # Workers forked from a process with threads may deadlock, so a clean one forks.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context(
        "forkserver" if "forkserver" in methods else "spawn"
    )
    if "forkserver" in methods:
        context.set_forkserver_preload([*preload])
    pool = ProcessPoolExecutor(n_workers, context, _begin, (make_worker,))
    waiting: deque[Future[Any]] = deque()
    others = multiprocessing.active_children()
    with _Interruption() as interruption:
        try:
            for task in tasks:
                waiting.append(pool.submit(_do, task))
                if len(waiting) >= n_workers * _TASKS_AHEAD:
                    yield _result(waiting.popleft(), interruption)
            while waiting:
                yield _result(waiting.popleft(), interruption)
            interruption.check()
        except KeyboardInterrupt:
            # Tasks may take hours, and what they have not finished is done again.
            for process in multiprocessing.active_children():
                if process not in others:
                    process.terminate()
            raise
        except BrokenProcessPool as error:
            raise EcgStoreError(
                "a worker process died: if memory ran out, run the same command again "
                "with fewer workers to continue; a script that asks for several must "
                "begin with if __name__ == '__main__':"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _result(future: Future[Any], interruption: "_Interruption") -> Any:
    """Wait for a result, and now and then look whether somebody pressed Ctrl-C."""
    while not wait([future], timeout=_SECONDS_BETWEEN_LOOKS).done:
        interruption.check()
    interruption.check()
    return future.result()


class _Interruption:
    """Turn Ctrl-C into a flag as long as a pool lives.

    In the middle of starting or ending a process, the exception that Python raises by
    itself would leave the pool waiting for ever. A second Ctrl-C raises it anyway.
    """

    def __init__(self) -> None:
        self._asked = False

    def __enter__(self) -> Self:
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, *_: object) -> None:
        """Take note of one Ctrl-C; give way to a second one."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def check(self) -> None:
        """Raise what Ctrl-C asked for."""
        if self._asked:
            raise KeyboardInterrupt


def _begin(make_worker: Callable[[], Worker[Any, Any]]) -> None:
    """Prepare a worker process."""
    global _work
    # Ctrl-C reaches the whole process group; the parent decides what to do about it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _work = make_worker()


def _end_with(parent: Any) -> None:
    """End this process when its parent is gone, even killed."""
    parent.join()
    os._exit(1)


def _do(task: Any) -> Any:
    """Do one task in a worker process."""
    return _work(task)
