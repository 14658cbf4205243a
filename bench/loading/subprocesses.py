"""Loaders in processes of their own: start them, send commands, run them in rounds."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from bench.common.timing import interleaved
from bench.loading.workloads import Files, Workload

REPOSITORY: Final = Path(__file__).resolve().parents[2]

TIMEOUT_S: Final = 900
"""Longest time that one command may take."""

Answers = dict[str, list[dict[str, Any]]]
"""By loader, its answers in all rounds."""


@dataclass(frozen=True)
class LoaderClass:
    """Where a loader's class is.

    Attributes
    ----------
    module : str
        Full name of its module.
    name : str
        Name of the class.
    python : str
        The interpreter that runs it.
    """

    module: str
    name: str
    python: str = sys.executable


class LoaderProcess:
    """The process of one loader, see `bench.loading.process`.

    Parameters
    ----------
    loader : LoaderClass
        The class to run.
    files : Files
        The files to read.
    workload : Workload
        The workload to run.
    place : tuple of str
        For a loader that streams: the URL of the files, and a folder for a cache.
    """

    def __init__(
        self,
        loader: LoaderClass,
        files: Files,
        workload: Workload,
        place: tuple[str, str] | None = None,
    ) -> None:
        self._name = f"{loader.module}.{loader.name}"
        program = "process" if place is None else "remote_process"
        self._process = subprocess.Popen(
            [
                loader.python,
                *("-m", f"bench.loading.{program}"),
                *(loader.module, loader.name, str(files.folder), workload.name),
                *(place or ()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            start_new_session=True,
            text=True,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a process without pipes")
        self._input, self._output = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def session(self) -> int:
        """The session of this process and its children."""
        return self._process.pid

    def run(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a command and return the answer."""
        self.send(command, **arguments)
        return self.answer()

    def send(self, command: str, **arguments: Any) -> None:
        """Send a command without waiting for the answer."""
        self._input.write(json.dumps({"do": command, **arguments}) + "\n")
        self._input.flush()

    def has_answer(self, seconds: float) -> bool:
        """Wait for an answer, at most this long; return whether there is one."""
        return bool(select.select([self._output], [], [], seconds)[0])

    def answer(self) -> dict[str, Any]:
        """Return the answer to the last command.

        Raises
        ------
        SystemExit
            If there is none in time, or the command failed.
        """
        line = self._output.readline() if self.has_answer(TIMEOUT_S) else ""
        if not line:
            raise SystemExit(f"{self._name} gave no answer")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SystemExit(f"{self._name} failed: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        self._input.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()


@contextmanager
def opened(
    loaders: Mapping[str, LoaderClass], files: Files, workload: Workload
) -> Iterator[dict[str, LoaderProcess]]:
    """Start the processes of all loaders, and open the files in them."""
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(LoaderProcess(loader, files, workload))
            for name, loader in loaders.items()
        }
        for process in processes.values():
            process.run("load")
            process.run("open")
        yield processes


def answers_in_rounds(
    names: Sequence[str], run: Callable[[str], dict[str, Any]], rounds: int
) -> Answers:
    """Return the answers of all loaders, of which only one runs at a time.

    The order of the rounds is that of `bench.common.timing.interleaved`.
    """
    answers: Answers = {name: [] for name in names}
    for name, counts in interleaved(names, rounds):
        answer = run(name)
        if counts:
            answers[name].append(answer)
    return answers
