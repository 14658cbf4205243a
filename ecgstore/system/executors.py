"""Run tasks on an executor of the user, whose workers may be on other machines.

Any `concurrent.futures.Executor` will do, such as that of a Dask cluster. What tasks
and workers share is in a folder that all of them see.
"""

import hashlib
import os
import pickle
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial as bind
from pathlib import Path
from typing import Any, Final, TypeVar

from ecgstore.errors import EcgStoreError, cause_of
from ecgstore.system.atomic_files import make_folder, replace_file

Task = TypeVar("Task")
Result = TypeVar("Result")

_MOST_AHEAD: Final = 1000
"""Tasks that are handed over and not finished: enough for a thousand workers, and few
enough for any scheduler."""

_ATTEMPTS: Final = 4
"""How often a task is handed over whose workers die.

Schedulers do so themselves a few times: Dask gives up after the fourth death.
"""

_SECONDS_BETWEEN_LOOKS = 10.0

_is_busy = threading.Lock()  # a worker of several threads does one task at a time
_workers: dict[str, Callable[[Any], Any]] = {}


@dataclass(frozen=True, slots=True)
class SharedExecutor:
    """An executor, and a folder that this process and all workers see.

    Attributes
    ----------
    executor : Executor
        Where tasks are done. It is not shut down.
    folder : Path
        An absolute path; the folder is created when it is needed.
    """

    executor: Executor
    folder: Path


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done with every task: a pickled function that makes a worker.

    Attributes
    ----------
    path : str
        Its file. It is too large for some schedulers, as it may hold tables.
    sha256 : str
        Its digest, so that no other program's file is loaded.
    """

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a worker returns: the result, or the error of the task.

    So an exception of a future is never one of the task: its worker has died, or the
    scheduler is gone.
    """

    result: Any = None
    error: Exception | None = None


def run_on_executor(
    make_worker: Callable[[], Callable[[Task], Result]],
    tasks: Iterable[Task],
    shared: SharedExecutor,
    wait_for: Callable[..., Any],
) -> Generator[Result, None, None]:
    """Yield the result of every task, in the order of the tasks; see `run_tasks`.

    A task may be done several times, also at the same time: if a worker dies, or a
    scheduler takes it for dead.

    Parameters
    ----------
    make_worker : callable
        As for `run_tasks`; called once in each worker process.
    tasks : iterable
        The tasks, which are small: data is named, not sent.
    shared : SharedExecutor
        Where they are done.
    wait_for : callable
        Waits for a future to be done, and calls the function ``look`` now and then.

    Raises
    ------
    EcgStoreError
        If a worker cannot see the folder, the workers of a task die again and again, or
        the executor is lost.
    """
    work = _share(make_worker, shared.folder)
    wait = bind(wait_for, look=_Look(shared.executor))
    waiting: deque[tuple[Task, Future[_Outcome]]] = deque()
    try:
        for task in tasks:
            waiting.append((task, _submitted(shared.executor, work, task)))
            if len(waiting) >= _MOST_AHEAD:
                yield _result(*waiting.popleft(), shared.executor, work, wait)
        while waiting:
            yield _result(*waiting.popleft(), shared.executor, work, wait)
    finally:
        for _, future in waiting:
            future.cancel()
        Path(work.path).unlink(missing_ok=True)


def _share(make_worker: Callable[[], Any], folder: Path) -> _Work:
    """Write what is done with every task to a file."""
    content = pickle.dumps(make_worker)
    make_folder(folder)
    path = folder / f"{secrets.token_hex(8)}.work"
    with replace_file(path, "wb") as file:
        file.write(content)
    return _Work(str(path), hashlib.sha256(content).hexdigest())


def _submitted(executor: Executor, work: _Work, task: Any) -> Future[_Outcome]:
    """Hand over a task."""
    try:
        return executor.submit(_do, work, task)
    except Exception as error:
        raise _lost(error) from error


def _result(
    task: Any,
    future: Future[_Outcome],
    executor: Executor,
    work: _Work,
    wait: Callable[[Future[Any]], Any],
) -> Any:
    """Wait for the result of a task; hand it over again if its worker died."""
    for attempt in range(1, _ATTEMPTS + 1):
        wait(future)
        try:
            outcome = future.result()
        except Exception as error:  # whatever a scheduler raises
            if attempt == _ATTEMPTS:
                raise _lost(error) from error
            future = _submitted(executor, work, task)
            continue
        if outcome.error is not None:
            raise outcome.error
        break
    return outcome.result


class _Look:
    """Look now and then whether an executor still takes tasks.

    Futures of a Dask client that has lost its scheduler are never done.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._last = time.monotonic()

    def __call__(self) -> None:
        """Raise an error if the executor is lost."""
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_LOOKS:
            try:
                self._executor.submit(int).cancel()
            except Exception as error:
                raise _lost(error) from error
            self._last = time.monotonic()


def _lost(error: Exception) -> EcgStoreError:
    """Return the error for workers that die, or a scheduler that is gone."""
    first_line = next(iter(str(error).splitlines()), "")
    return EcgStoreError(
        f"the executor does not finish its tasks ({type(error).__name__}: "
        f"{first_line[:200]}): its workers die, perhaps because memory runs out, or "
        "its scheduler is gone; see their logs, and run the same command again to "
        "resume"
    )


def _do(work: _Work, task: Any) -> _Outcome:
    """Do one task in a worker."""
    with _is_busy:
        try:
            return _Outcome(_worker(work)(task))
        except (Exception, SystemExit) as error:
            return _Outcome(error=_portable(error))


def _portable(error: BaseException) -> Exception:
    """Return an error that says on which machine it was, and can be sent."""
    where = f"on worker {socket.gethostname()}"
    if isinstance(error, EcgStoreError):
        return EcgStoreError(f"{where}: {error}")
    if isinstance(error, MemoryError):
        return MemoryError(where)
    if isinstance(error, OSError):
        return EcgStoreError(
            f"{where}: {error.filename or 'a file'}: {cause_of(error)}; mend it, and "
            "run the same command again to resume"
        )
    return EcgStoreError(
        f"{where}: {type(error).__name__}: {error}: please report this"
    )


def _worker(work: _Work) -> Callable[[Any], Any]:
    """Return what does the tasks in this process; made for the first of them."""
    if work.sha256 not in _workers:
        try:
            content = Path(work.path).read_bytes()
        except OSError as error:
            raise EcgStoreError(
                f"{os.path.dirname(work.path)}: cannot be read ({cause_of(error)}); "
                "expected a folder that all workers see under this path: mount it there"
            ) from error
        if hashlib.sha256(content).hexdigest() != work.sha256:
            raise EcgStoreError(
                f"{work.path}: was changed by another program; run the same command "
                "again to resume"
            )
        while _workers:  # of an earlier phase or build
            closed = _workers.popitem()[1]
            getattr(closed, "close", lambda: None)()
        _workers[work.sha256] = pickle.loads(content)()
    return _workers[work.sha256]
