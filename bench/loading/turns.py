"""Contestants in processes of their own, which take turns."""

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

from bench.common.measuring import shuffled
from bench.loading.workloads import Files, Workload

PATIENCE_S: Final = 900
"""Longest time that one command may take."""

Answers = dict[str, list[dict[str, Any]]]
"""What every contestant answered, round by round."""


@dataclass(frozen=True)
class Kind:
    """Where a contestant is found.

    Attributes
    ----------
    module, name : str
        Its class.
    python : str
        The interpreter of its environment.
    folder : str
        The folder of its module, if that is not this one.
    """

    module: str
    name: str
    python: str = sys.executable
    folder: str = ""


class ContestantProcess:
    """One contestant's process, and the commands that it carries out.

    Parameters
    ----------
    kind : Kind
        Which contestant.
    files : Files
        What it reads.
    workload : Workload
        What it is asked for.
    """

    def __init__(self, kind: Kind, files: Files, workload: Workload) -> None:
        here = Path(__file__).resolve().parent
        paths = [str(here), str(Path(kind.folder).resolve())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        self._name = f"{kind.module}.{kind.name}"
        self._process = subprocess.Popen(
            [
                kind.python,
                str(here / "pipes_process.py"),
                kind.module,
                kind.name,
                str(files.folder),
                workload.name,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
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
        """The session that this process and its children are in."""
        return self._process.pid

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer to a command; end the program if there is none."""
        self.tell(do, **arguments)
        return self.answer()

    def tell(self, do: str, **arguments: Any) -> None:
        """Give a command, and do not wait."""
        self._input.write(json.dumps({"do": do, **arguments}) + "\n")
        self._input.flush()

    def has_answer(self, seconds: float) -> bool:
        """Wait for an answer, but not longer than this; say whether there is one."""
        return bool(select.select([self._output], [], [], seconds)[0])

    def answer(self) -> dict[str, Any]:
        """Return the answer to the last command; end the program if there is none."""
        line = self._output.readline() if self.has_answer(PATIENCE_S) else ""
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
def all_ready(
    kinds: Mapping[str, Kind], files: Files, workload: Workload
) -> Iterator[dict[str, ContestantProcess]]:
    """Start the processes of all contestants, and make the contestants in them."""
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(ContestantProcess(kind, files, workload))
            for name, kind in kinds.items()
        }
        for process in processes.values():
            process.ask("load")
            process.ask("open")
        yield processes


def in_turn(
    names: Sequence[str], ask: Callable[[str], dict[str, Any]], rounds: int
) -> Answers:
    """Return what every contestant answered in each round, all taking turns.

    As `measuring.in_turn`, for contestants in processes of their own: one computes, the
    others wait. Each round has an order of its own. One round before them does not
    count.
    """
    answers: Answers = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in shuffled(names, number):
            answer = ask(name)
            if number > 0:
                answers[name].append(answer)
    return answers
