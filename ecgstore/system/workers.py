"""Run many small tasks in several processes, in order, with bounded memory."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, Self, TypeVar

from ecgstore.errors import EcgStoreError

Task = TypeVar("Task")
Result = TypeVar("Result")

_TASKS_AHEAD: Final = 4  # per process: enough that none waits, few enough for memory

_SECONDS_BETWEEN_CHECKS: Final = 0.2

_work: Callable[[Any], Any]  # the worker of this process


def run_tasks(
    make_worker: Callable[[], Callable[[Task], Result]],
    tasks: Iterable[Task],
    n_workers: int,
    preload: Sequence[str] = (),
) -> Iterator[Result]:
    """Yield the result of every task, in the order of the tasks.

    Parameters
    ----------
    make_worker : callable
        Returns the function that does a task. Called once in each process; must be
        picklable, as `functools.partial` of a class is. If the tasks are done in this
        process, a method ``close`` of the returned object is called at the end.
    tasks : iterable
        The tasks; taken as they are needed, so that there may be any number.
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
            if hasattr(worker, "close"):
                worker.close()
        return
    # A process forked from one with threads may deadlock, so a server without forks.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context(
        "forkserver" if "forkserver" in methods else "spawn"
    )
    if "forkserver" in methods:
        context.set_forkserver_preload([*preload])
        _start_server()
    pool = ProcessPoolExecutor(n_workers, context, _begin, (make_worker,))
    waiting: deque[Future[Any]] = deque()
    earlier = multiprocessing.active_children()
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
            # Tasks may take hours, and unfinished ones are done again anyway.
            for process in multiprocessing.active_children():
                if process not in earlier:
                    process.terminate()
            raise
        except BrokenProcessPool as error:
            raise EcgStoreError(
                "a worker process died: if memory ran out, run the same command again "
                "with fewer workers to resume; a script that uses several must be "
                "guarded by if __name__ == '__main__':"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _result(future: Future[Any], interruption: "_Interruption") -> Any:
    """Wait for a result; raise soon after Ctrl-C."""
    while not wait([future], timeout=_SECONDS_BETWEEN_CHECKS).done:
        interruption.check()
    interruption.check()
    return future.result()


class _Interruption:
    """Turn Ctrl-C into a flag while a pool of processes exists.

    Raised while a process starts or ends, Python's `KeyboardInterrupt` would leave the
    pool waiting for ever. A second Ctrl-C raises it nevertheless.
    """

    def __init__(self) -> None:
        self._is_requested = False

    def __enter__(self) -> Self:
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._handler = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._handler)

    def _note(self, *_: object) -> None:
        """Note the first Ctrl-C; raise at the second one."""
        if self._is_requested:
            raise KeyboardInterrupt
        self._is_requested = True

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if Ctrl-C was pressed."""
        if self._is_requested:
            raise KeyboardInterrupt


def _start_server() -> None:
    """Start the process that the workers are forked from, deaf to Ctrl-C.

    Otherwise it would print a traceback if Ctrl-C came while it preloads modules.
    """
    from multiprocessing import forkserver, resource_tracker  # not on Windows

    resource_tracker.ensure_running()  # its start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(make_worker: Callable[[], Callable[[Any], Any]]) -> None:
    """Prepare a worker process."""
    global _work
    # Ctrl-C reaches the whole process group; the parent ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _work = make_worker()


def _end_with(parent: Any) -> None:
    """End this process when its parent has ended, even if it was killed."""
    parent.join()
    os._exit(1)


def _do(task: Any) -> Any:
    """Do one task in a worker process."""
    return _work(task)
