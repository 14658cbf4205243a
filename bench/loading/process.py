"""The process in which one loader runs, controlled through its standard input.

Example::

    python -m bench.loading.process MODULE CLASS scratch/8004_rows "shuffled int16"

Reads one command per line, such as ``{"do": "epoch", "consume": true}``, and answers
each with a line of JSON. Output of libraries goes to the error output. In a process of
its own, a loader's memory and processor time can be measured, and loaders from other
environments can be compared: besides the loader, this module needs NumPy only.
"""

import argparse
import base64
import gc
import importlib
import json
import math
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np

from bench.common.command_line import parser_of
from bench.common.processes import processor_seconds, reset_peaks, resident_mb
from bench.loading.reference import (
    Reference,
    content_digest,
    ordered_digest,
    read_every_byte,
)
from bench.loading.workloads import (
    BATCH_SIZE,
    WORKLOADS,
    Batch,
    Files,
    rows_of_epoch,
)


class Runner:
    """Runs the commands on one loader; each public method is a command."""

    def __init__(self, module: str, name: str, folder: str, workload: str) -> None:
        self._module, self._name = module, name
        self._files = Files.in_folder(folder)
        self._workload = WORKLOADS[workload]
        self._n_epochs = 0
        self._loader: Any = None
        self._batches: Iterator[Batch] | None = None

    def load(self) -> dict[str, Any]:
        """Import the loader's module with everything that it imports."""
        begin = time.perf_counter()
        self._class = getattr(importlib.import_module(self._module), self._name)
        return {"wall": time.perf_counter() - begin}

    def prepare(self) -> dict[str, Any]:
        """Write the files of the loader's own format, unless they exist.

        Returns
        -------
        dict
            ``wall``: seconds that writing takes, or took when it was done; ``mb`` on
            disk, 0 for loaders of the common files; ``versions`` of the libraries.
        """
        module = importlib.import_module(self._module)
        loader_class = getattr(module, self._name)
        versions = {name: version(name) for name in module.LIBRARIES}
        if not hasattr(loader_class, "prepare"):
            return {"wall": 0.0, "mb": 0.0, "versions": versions}
        folder = self._files.own_folder(self._module)
        done = folder / "prepared.json"
        if done.exists():
            previous: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
            if previous["versions"] == versions:
                return previous
        partial = folder.with_name(f"{folder.name}.partial")
        for old in (folder, partial):
            shutil.rmtree(old, ignore_errors=True)
        partial.mkdir()
        begin = time.perf_counter()
        loader_class.prepare(self._files, partial)
        wall = time.perf_counter() - begin
        n_bytes = sum(path.stat().st_size for path in partial.rglob("*"))
        answer = {"wall": wall, "mb": n_bytes / 1e6, "versions": versions}
        (partial / done.name).write_text(json.dumps(answer), encoding="utf-8")
        partial.rename(folder)
        return answer

    def open(self) -> dict[str, Any]:
        """Make the loader."""
        begin = time.perf_counter()
        self._loader = self._class(self._files, self._workload)
        return {"wall": time.perf_counter() - begin}

    def digest(self) -> dict[str, Any]:
        """Return the digests of an epoch of the loader and of the reference."""
        rows = self._next_rows()
        reference = Reference(self._files, self._workload)
        return {
            "actual": content_digest(self._files, self._loader.epoch(rows)),
            "expected": content_digest(self._files, reference.epoch(rows)),
        }

    def epoch(self, consume: bool, seconds: float | None = None) -> dict[str, Any]:
        """Time the epochs of a round, with or without reading every byte of a batch.

        An epoch that takes longer than `seconds` ends after its current batch.
        """
        orders = [self._next_rows() for _ in range(self._workload.repeats)]
        reset_peaks(os.getsid(0))
        wall, cpu = time.perf_counter(), processor_seconds()
        n_records = 0
        for rows in orders:
            end = time.perf_counter() + (math.inf if seconds is None else seconds)
            batches = iter(self._loader.epoch(rows))  # closed after the clock stops
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
        """Begin an epoch and time its first batch; `rest` continues it."""
        rows = self._next_rows()
        begin = time.perf_counter()
        self._batches = iter(self._loader.epoch(rows))
        next(self._batches)
        return {"wall": time.perf_counter() - begin}

    def rest(self) -> dict[str, Any]:
        """Finish the epoch of `first_batch`; return the median seconds per batch."""
        times = [time.perf_counter()]
        for _ in self._current_epoch():
            times.append(time.perf_counter())  # noqa: PERF401
        self._batches = None
        return {"a_batch": float(np.median(np.diff(times))) if len(times) > 1 else 0.0}

    def half(self) -> dict[str, Any]:
        """Read half an epoch; return the loader's state and the digest of the rest."""
        rows = self._next_rows()
        self._batches = iter(self._loader.epoch(rows))
        for _ in range(max(1, len(rows) // BATCH_SIZE // 2)):
            next(self._batches)
        state = self._loader.state()
        return {
            "state": base64.b64encode(state).decode(),
            "state_bytes": len(state),
            "rest": ordered_digest(self._current_epoch()),
        }

    def resume(self, state: str) -> dict[str, Any]:
        """Time the first batch after a state, and return the digest of the rest."""
        content = base64.b64decode(state)
        begin = time.perf_counter()
        batches = iter(self._loader.resume(content))
        first = next(batches)
        wall = time.perf_counter() - begin
        return {"wall": wall, "rest": ordered_digest(_with_first(first, batches))}

    def train(self, steps: int) -> dict[str, Any]:
        """Train a network for some steps; return how long it waited for batches."""
        from bench.loading.training import train

        return train(self._endless(), steps)

    def close(self) -> None:
        """Close the loader, if it can be closed."""
        if hasattr(self._loader, "close"):
            self._loader.close()

    def _endless(self) -> Iterator[Batch]:
        """Yield batches, epoch after epoch."""
        while True:
            yield from self._loader.epoch(self._next_rows())

    def _current_epoch(self) -> Iterator[Batch]:
        """Return the rest of the current epoch."""
        if self._batches is None:
            raise RuntimeError("no epoch was begun")
        return self._batches

    def _next_rows(self) -> Any:
        """Return the order of the next epoch."""
        self._n_epochs += 1
        return rows_of_epoch(self._files, self._workload, self._n_epochs - 1)


def _with_first(first: Batch, others: Iterator[Batch]) -> Iterator[Batch]:
    """Yield one batch, then the others."""
    yield first
    yield from others


def serve(runner: Runner, answers: int) -> None:
    """Run commands until the input ends; `answers` is a file descriptor."""
    with os.fdopen(answers, "w", buffering=1) as out:
        for line in sys.stdin:
            command = json.loads(line)
            run = getattr(runner, command.pop("do"))
            gc.collect()
            try:
                answer = run(**command)
            except Exception as error:
                traceback.print_exc()
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=out)
    runner.close()


def main() -> None:
    """Run commands, with the standard output reserved for answers."""
    options = process_parser("bench.loading.process", __doc__).parse_args()
    answers = reserved_output()
    serve(
        Runner(options.module, options.name, options.folder, options.workload), answers
    )


def process_parser(program: str, documentation: str | None) -> argparse.ArgumentParser:
    """Return a parser with the arguments of every loader's process."""
    parser = parser_of(program, documentation)
    parser.add_argument("module", help="full name of the loader's module")
    parser.add_argument("name", metavar="class", help="the loader's class")
    parser.add_argument("folder", help="folder of the files to read")
    parser.add_argument(
        "workload",
        choices=WORKLOADS,
        metavar="workload",
        help=f"one of: {'; '.join(WORKLOADS)}",
    )
    return parser


def reserved_output() -> int:
    """Return a descriptor for answers; the standard output becomes the error output."""
    answers = os.dup(1)
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    main()
