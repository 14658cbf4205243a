"""Many processes: results in order, and an error when one of them dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.system.workers import run_tasks


def maker(function: Callable[..., object]) -> Any:
    """Return what makes a worker of a function that any process can import."""
    return partial(partial, function)


def test_results_are_in_the_order_of_the_tasks() -> None:
    tasks = [
        f"(__import__('time').sleep({(7 * number) % 5 / 200}), {number}, "
        "__import__('os').getpid())[1:]"
        for number in range(50)
    ]
    results = [*run_tasks(maker(eval), tasks, 2)]
    assert [number for number, _ in results] == [*range(50)]
    processes = {process for _, process in results}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_modules_are_preloaded_where_processes_are_forked() -> None:
    """In a process of its own: a server that forks outlives a pool."""
    script = """
import multiprocessing
from functools import partial
from pathlib import Path
from ecgstore.system.workers import run_tasks

if __name__ == "__main__":
    task = "'colorsys' in __import__('sys').modules"
    [is_loaded] = run_tasks(partial(partial, eval), [task], 2, ["colorsys"])
    assert is_loaded == ("forkserver" in multiprocessing.get_all_start_methods())
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_tasks_are_consumed_only_as_needed() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[str]:
        for number in range(1000):
            taken.append(number)
            yield str(number)

    results = run_tasks(maker(int), tasks(), 2)
    assert next(results) == 0
    assert len(taken) < 20
    results.close()


def test_death_of_a_worker_is_one_message() -> None:
    with pytest.raises(EcgStoreError, match="worker process died"):
        list(run_tasks(maker(os._exit), [9], 2))


def test_death_of_a_worker_in_a_later_task_is_an_error() -> None:
    tasks = [
        f"__import__('os')._exit(9) if {number} == 20 else 0" for number in [*range(40)]
    ]
    with pytest.raises(EcgStoreError, match="run the same command again"):
        list(run_tasks(maker(eval), tasks, 2))


def test_exception_of_a_worker_reaches_the_caller() -> None:
    got: list[object] = []
    with pytest.raises(ValueError, match="invalid literal"):
        got.extend(run_tasks(maker(int), ["1", "2", "no number", "4"], 2))


@pytest.mark.parametrize("n_workers", [1, 2])
def test_failure_to_make_a_worker_says_what_failed(n_workers: int) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder of work"):
        list(
            run_tasks(
                partial(_failing_worker, "no such folder of work"), [1], n_workers
            )
        )


def _failing_worker(message: str) -> Callable[[int], int]:
    raise FileNotFoundError(message)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_task_cannot_end_the_program(n_workers: int) -> None:
    with pytest.raises(EcgStoreError, match=r"sys.exit\(0\)"):
        list(run_tasks(maker(sys.exit), [0], n_workers))


@pytest.mark.parametrize("n_workers", [0, -1])
def test_a_number_of_workers_that_is_none_is_an_error(n_workers: int) -> None:
    with pytest.raises(ConfigError, match=f"is {n_workers}; expected 1 or more"):
        list(run_tasks(maker(abs), [0], n_workers))


@pytest.mark.parametrize("n_tasks", [1, 40])
def test_ctrl_c_is_never_lost(n_tasks: int) -> None:
    """Not between results, and not after the last one."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        results = run_tasks(maker(int), ["7"] * n_tasks, 2)
        assert next(results) == 7
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            list(results)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_worker_of_this_process_is_closed_even_after_a_failure() -> None:
    class Worker:
        closed = 0

        def __call__(self, task: int) -> float:
            return 1 / task

        def close(self) -> None:
            Worker.closed += 1

    assert list(run_tasks(maker(int), ["7"], 1)) == [7]  # there need be no close
    assert list(run_tasks(Worker, [1, 2], 1)) == [1.0, 0.5]
    assert Worker.closed == 1
    with pytest.raises(ZeroDivisionError):
        list(run_tasks(Worker, [1, 0], 1))
    assert Worker.closed == 2


def test_ctrl_c_does_not_wait_for_long_tasks() -> None:
    interruption = threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT))
    interruption.start()
    with pytest.raises(KeyboardInterrupt):
        # Waiting for them would last longer than a test may.
        list(run_tasks(maker(time.sleep), [3600] * 4, 2))


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
def test_ctrl_c_while_modules_are_preloaded_prints_nothing(tmp_path: Path) -> None:
    (tmp_path / "slow_module.py").write_text(
        "import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(3)\n"
    )
    (tmp_path / "main.py").write_text(
        "from functools import partial\n"
        "from ecgstore.system.workers import run_tasks\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        list(run_tasks(partial(partial, abs), [1], 2, ['slow_module']))\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted')\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not (tmp_path / "started").exists() and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "interrupted\n"
