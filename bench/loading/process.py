"""The process in which one contestant runs; needs NumPy alone besides the contestant.

::

    python pipes_process.py MODULE CLASS FOLDER WORKLOAD

Reads one command a line from its input, such as ``{"do": "epoch", "consume": true}``,
and answers each with a line: JSON. What libraries print goes to the error output. A
process of its own gives each contestant memory and processor time of its own, and lets
loaders from other environments take part.
"""

import base64
import gc
import hashlib
import importlib
import json
import math
import multiprocessing
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.common.process_memory import forget_peaks, resident_mb
from bench.loading.workloads import (
    BATCH_SIZE,
    WORKLOADS,
    Batch,
    Expected,
    Files,
    content,
    read_every_byte,
    rows_of_epoch,
)

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Runner:
    """A contestant and what can be asked of it; each public method is a command."""

    def __init__(self, module: str, name: str, folder: str, workload: str) -> None:
        self._module, self._name = module, name
        self._files = Files.in_folder(folder)
        self._workload = WORKLOADS[workload]
        self._n_epochs = 0
        self._contestant: Any = None
        self._batches: Iterator[Batch] | None = None

    def load(self) -> dict[str, Any]:
        """Import the contestant's module and all that it needs."""
        begin = time.perf_counter()
        self._make = getattr(importlib.import_module(self._module), self._name)
        return {"wall": time.perf_counter() - begin}

    def prepare(self) -> dict[str, Any]:
        """Write the files of the contestant's own format, if they are not there.

        Returns
        -------
        dict
            ``wall``: the seconds that it took, now or when it was done; ``mb`` on disk,
            0 for those who read the files that all have; ``versions`` of the libraries.
        """
        module = importlib.import_module(self._module)
        contestant = getattr(module, self._name)
        versions = {name: version(name) for name in module.LIBRARIES}
        if not hasattr(contestant, "prepare"):
            return {"wall": 0.0, "mb": 0.0, "versions": versions}
        folder = self._files.own_folder(self._module)
        done = folder / "prepared.json"
        if done.exists():
            known: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
            if known["versions"] == versions:
                return known
        partial = folder.with_name(f"{folder.name}.partial")
        for old in (folder, partial):
            shutil.rmtree(old, ignore_errors=True)
        partial.mkdir()
        begin = time.perf_counter()
        contestant.prepare(self._files, partial)
        wall = time.perf_counter() - begin
        n_bytes = sum(path.stat().st_size for path in partial.rglob("*"))
        answer = {"wall": wall, "mb": n_bytes / 1e6, "versions": versions}
        (partial / done.name).write_text(json.dumps(answer), encoding="utf-8")
        partial.rename(folder)
        return answer

    def open(self) -> dict[str, Any]:
        """Make the contestant."""
        begin = time.perf_counter()
        self._contestant = self._make(self._files, self._workload)
        return {"wall": time.perf_counter() - begin}

    def content(self) -> dict[str, Any]:
        """Return digests of an epoch, and of what it should have been."""
        rows = self._next_rows()
        found = content(self._files, self._contestant.epoch(rows))
        return {"found": found, "expected": self._expected(rows)}

    def epoch(self, consume: bool, seconds: float | None = None) -> dict[str, Any]:
        """Time some epochs, with a consumer that reads every byte or with none.

        An epoch that takes longer than `seconds` ends with the batch that it is at.
        """
        orders = [self._next_rows() for _ in range(self._workload.repeats)]
        forget_peaks(os.getsid(0))
        wall, cpu = time.perf_counter(), processor_seconds()
        n_records = 0
        for rows in orders:
            end = time.perf_counter() + (math.inf if seconds is None else seconds)
            batches = iter(self._contestant.epoch(rows))  # closed after the clock stops
            for _, signals, _ in batches:
                n_records += len(signals)
                if consume:
                    read_every_byte(signals)
                if time.perf_counter() > end:
                    break
        return {
            "wall": time.perf_counter() - wall,
            "cpu": processor_seconds() - cpu,
            "records": n_records,
            "peak_rss_mb": resident_mb(os.getsid(0)),
        }

    def first_batch(self) -> dict[str, Any]:
        """Begin an epoch; go on with it by the command `rest`."""
        rows = self._next_rows()
        begin = time.perf_counter()
        self._batches = iter(self._contestant.epoch(rows))
        next(self._batches)
        return {"wall": time.perf_counter() - begin}

    def rest(self) -> dict[str, Any]:
        """Finish the epoch that `first_batch` began; return the seconds of a batch."""
        times = [time.perf_counter()]
        for _ in self._begun():
            times.append(time.perf_counter())  # noqa: PERF401
        self._batches = None
        return {"a_batch": float(np.median(np.diff(times))) if len(times) > 1 else 0.0}

    def half(self) -> dict[str, Any]:
        """Go over half an epoch, take the state, and return digests of the rest."""
        rows = self._next_rows()
        self._batches = iter(self._contestant.epoch(rows))
        for _ in range(max(1, len(rows) // BATCH_SIZE // 2)):
            next(self._batches)
        state = self._contestant.state()
        return {
            "state": base64.b64encode(state).decode(),
            "state_bytes": len(state),
            "rest": _digest(self._begun()),
        }

    def resume(self, state: str) -> dict[str, Any]:
        """Time the first batch after a state, and return a digest of the rest."""
        content = base64.b64decode(state)
        begin = time.perf_counter()
        batches = iter(self._contestant.resume(content))
        first = next(batches)
        wall = time.perf_counter() - begin
        return {"wall": wall, "rest": _digest(_with_first(first, batches))}

    def train(self, steps: int) -> dict[str, Any]:
        """Train a network for some steps, and say how long it waited for batches."""
        from bench.loading.training import train

        return train(self._endless(), steps)

    def close(self) -> None:
        """End what the contestant keeps running, if it does."""
        if hasattr(self._contestant, "close"):
            self._contestant.close()

    def _endless(self) -> Iterator[Batch]:
        """Yield batches, epoch after epoch."""
        while True:
            yield from self._contestant.epoch(self._next_rows())

    def _begun(self) -> Iterator[Batch]:
        """Return the epoch that was begun."""
        if self._batches is None:
            raise RuntimeError("no epoch was begun")
        return self._batches

    def _next_rows(self) -> Any:
        """Return the order of the next epoch."""
        self._n_epochs += 1
        return rows_of_epoch(self._files, self._workload, self._n_epochs - 1)

    def _expected(self, rows: Any) -> dict[str, Any]:
        """Return the digests of the plain definition."""
        return content(self._files, Expected(self._files, self._workload).epoch(rows))


def processor_seconds() -> float:
    """Return what this process and its children have computed so far, in seconds."""
    times = os.times()
    total = time.process_time() + times.children_user + times.children_system
    for child in multiprocessing.active_children():
        try:
            fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2]
        except OSError:
            continue  # it ended just now
        user, system = fields.split()[11:13]
        total += (int(user) + int(system)) / _TICKS
    return total


def _digest(batches: Iterable[Batch]) -> str:
    """Return the SHA-256 of all that is yielded, in order."""
    digest = hashlib.sha256()
    for batch in batches:
        for each in batch:
            digest.update(np.ascontiguousarray(each).data.cast("B"))
    return digest.hexdigest()


def _with_first(first: Batch, others: Iterator[Batch]) -> Iterator[Batch]:
    """Yield one batch, then others."""
    yield first
    yield from others


def serve(runner: Runner, answers: int) -> None:
    """Carry out commands until the input ends."""
    with os.fdopen(answers, "w", buffering=1) as out:
        for line in sys.stdin:
            command = json.loads(line)
            do = getattr(runner, command.pop("do"))
            gc.collect()
            try:
                answer = do(**command)
            except Exception as error:
                traceback.print_exc()
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=out)
    runner.close()


def main() -> None:
    """Keep the output for answers, and let nobody else print there."""
    answers = os.dup(1)
    os.dup2(2, 1)
    serve(Runner(*sys.argv[1:]), answers)


if __name__ == "__main__":
    main()
