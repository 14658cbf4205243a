"""Run many small tasks in several processes, in order, with bounded memory."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial as bind
from typing import Any, Final, NoReturn, Self, TypeAlias, TypeVar

from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.system.executors import SharedExecutor, run_on_executor

Task = TypeVar("Task")
Result = TypeVar("Result")

Workers: TypeAlias = int | SharedExecutor
"""Where tasks are done: a number of processes, or an executor of the user."""

_TASKS_AHEAD: Final = 4  # per process: enough that none waits, few enough for memory

_SECONDS_BETWEEN_CHECKS: Final = 0.2

_work: Callable[[Any], Any]  # the worker of this process


def number_of_workers(requested: int | None) -> int:
    """Return a number of processes: the number of CPU cores if none is requested."""
    return os.cpu_count() or 1 if requested is None else requested


def run_tasks(
    make_worker: Callable[[], Callable[[Task], Result]],
    tasks: Iterable[Task],
    workers: Workers,
    preload: Sequence[str] = (),
) -> Generator[Result, None, None]:
    """Yield the result of every task, in the order of the tasks.

    Parameters
    ----------
    make_worker : callable
        Returns the function that does a task. Called once in each process; must be
        picklable, as `functools.partial` of a class is. If the tasks are done in this
        process, a method ``close`` of the returned object is called at the end.
    tasks : iterable
        The tasks; taken as they are needed, so that there may be any number.
    workers : int or SharedExecutor
        Number of processes; with 1, the tasks are done in this process. Or an executor.
    preload : sequence of str
        Names of modules that the tasks need. Where processes are forked, the modules
        are imported once for all of them.

    Raises
    ------
    EcgStoreError
        If a worker process died, or a task tried to end its process.
    ConfigError
        If there is no process to do a task.
    """
    if isinstance(workers, SharedExecutor):
        with _Interruption() as interruption:
            yield from run_on_executor(
                make_worker, tasks, workers, bind(_wait, interruption)
            )
    elif workers < 1:
        raise ConfigError(f"the number of workers is {workers}; expected 1 or more")
    elif workers == 1:
        worker = make_worker()
        try:
            for task in tasks:
                yield _without_exit(worker, task)
        finally:
            if hasattr(worker, "close"):
                worker.close()
    else:
        yield from _run_in_processes(make_worker, tasks, workers, preload)


def _run_in_processes(
    make_worker: Callable[[], Callable[[Task], Result]],
    tasks: Iterable[Task],
    n_workers: int,
    preload: Sequence[str],
) -> Generator[Result, None, None]:
    """Yield the result of every task, done in several processes."""
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
    """Wait for a result, and return it."""
    _wait(interruption, future)
    return future.result()


def _wait(
    interruption: "_Interruption",
    future: Future[Any],
    look: Callable[[], object] = lambda: None,
) -> None:
    """Wait until a task is done; raise soon after Ctrl-C. Call a function meanwhile."""
    while not wait([future], timeout=_SECONDS_BETWEEN_CHECKS).done:
        interruption.check()
        look()
    interruption.check()


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
    from multiprocessing import forkserver  # not on Windows

    with deaf_to_interruption():
        forkserver.ensure_running()


@contextmanager
def deaf_to_interruption() -> Iterator[None]:
    """Start processes and threads that are deaf to Ctrl-C, which comes afterwards."""
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker  # not on Windows

    resource_tracker.ensure_running()  # its start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
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
    try:
        _work = make_worker()
    except Exception as error:
        # An error here would end the process; raised by tasks, it reaches the caller.
        _work = bind(_fail, error)


def _fail(error: Exception, task: object) -> NoReturn:
    """Raise the error of a worker that could not be made."""
    raise error


def _end_with(parent: Any) -> None:
    """End this process when its parent has ended, even if it was killed."""
    parent.join()
    os._exit(1)


def _do(task: Any) -> Any:
    """Do one task in a worker process."""
    return _without_exit(_work, task)


def _without_exit(worker: Callable[[Task], Result], task: Task) -> Result:
    """Do one task, which must not end the program, least of all without a word."""
    try:
        return worker(task)
    except SystemExit as error:
        raise EcgStoreError(
            f"a task tried to end the program (sys.exit({error.code!r})); expected an "
            "error that says what is wrong: please report this"
        ) from error
