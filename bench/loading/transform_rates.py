"""Time transforms of batches, alone and in a loader, against other libraries.

Example::

    python -m bench.loading.transform_rates store.h5 --others

Every transform runs in one thread and a process of its own, on a batch of 64 records of
12 leads and 10 s at 500 Hz in memory; rounds are interleaved. "By PyTorch" are the same
transforms by operations of PyTorch, as they are done on a GPU. The loader reads the
store and transforms each record on the way; nothing helps its one thread. Others need
the environment that `make .venv-peers-transforms/installed` makes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

import ecgstore
from bench.common.command_line import benchmark_parser
from bench.common.report import machine, write_json
from bench.common.tables import Spread, print_table, ratios, spread, spread_text
from bench.common.timing import interleaved
from bench.loading.subprocesses import REPOSITORY
from bench.loading.transforms.candidates import (
    KERNEL,
    N_RECORDS,
    TRANSFORMS,
    Candidate,
)
from ecgstore.storage import Store

_IN_A_LOADER: Final = (
    "no transform",
    "standardise",
    "six augmentations",
    "decimate to 100 Hz",
    "everything",
)
_REPEATS: Final = 5
"""Batches of a round, of which the median counts."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Time all transforms, print tables, and write JSON if a path is given."""
    parser = benchmark_parser("bench.loading.transform_rates", __doc__, rounds=7)
    parser.add_argument("store", type=Path, help="a store of records of 10 s at 500 Hz")
    parser.add_argument(
        "--others", action="store_true", help="time the libraries of others, too"
    )
    options = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    results: dict[str, Any] = {**machine("torch", "scipy"), "rounds": options.rounds}
    with ecgstore.open(options.store) as store, tempfile.TemporaryDirectory() as folder:
        signals = Path(folder, "signals.npy")
        np.save(signals, _first_records(store))
        results["batches"] = _batches(signals, options)
        results["loader"] = _loaders(store, options.rounds)
    write_json(options.json, results)


def _first_records(store: Store) -> Any:
    """Return 64 records in mV, some of them several times if the store has fewer."""
    rows = np.arange(N_RECORDS) % len(store)
    return store.signals(rows)


def _batches(signals: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Time the transforms of a batch in memory; return records/s by transform."""
    results = {}
    for name, candidates in TRANSFORMS.items():
        chosen = [
            one for one in candidates if options.others or one.environment is None
        ]
        with _processes(name, chosen, signals) as processes:
            seconds: dict[str, list[float]] = {one: [] for one in processes}
            for library, counts in interleaved([*processes], options.rounds):
                taken = sorted(processes[library].time() for _ in range(_REPEATS))
                if counts:
                    seconds[library].append(taken[_REPEATS // 2])
            rows = _rows(seconds)
            for library, process in processes.items():
                rows[library]["versions"] = process.versions
        results[name] = rows
        _print(name, rows)
    return results


def _rows(seconds: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
    """Return rates, and how many times as fast the kernel is, round by round."""
    return {
        library: {
            "records_per_s": spread(N_RECORDS / one for one in taken),
            "kernel_is_times_as_fast": ratios(taken, seconds[KERNEL.library]),
        }
        for library, taken in seconds.items()
    }


def _loaders(store: Store, rounds: int) -> dict[str, dict[str, Spread]]:
    """Time epochs of loaders without a thread; return records/s by transform."""
    from bench.loading.transforms import with_ecgstore
    from ecgstore import pipes

    transforms = {"no transform": [], **with_ecgstore.TRANSFORMS}
    loaders = {
        name: pipes.loader(
            store, N_RECORDS, shuffle=True, transform=transforms[name], prefetch=0
        )
        for name in _IN_A_LOADER
    }
    rates: dict[str, list[float]] = {name: [] for name in loaders}
    for name, counts in interleaved([*loaders], rounds):
        begin = time.perf_counter()
        for _ in loaders[name]:
            pass
        if counts:
            rates[name].append(len(store) / (time.perf_counter() - begin))
    rows = {name: {"records_per_s": spread(values)} for name, values in rates.items()}
    table = {name: [spread_text(row["records_per_s"], 0)] for name, row in rows.items()}
    print_table(f"loader, {len(store)} records, one thread", ["records/s"], table)
    return rows


def _print(name: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print the table of one transform."""
    table = {
        library: [
            spread_text(row["records_per_s"], 0),
            spread_text(row["kernel_is_times_as_fast"], 1),
        ]
        for library, row in rows.items()
    }
    print_table(f"{name}, one thread", ["records/s", "the kernel is x as fast"], table)


class _Process:
    """The process of one transform."""

    def __init__(self, name: str, candidate: Candidate, signals: Path) -> None:
        python = sys.executable
        if candidate.environment is not None:
            folder = REPOSITORY / candidate.environment
            python = str(folder / "bin" / "python")
            if not (folder / "installed").exists():
                raise SystemExit(
                    f"{folder}: expected the environment of {candidate.library}; make "
                    f"it by 'make {candidate.environment}/installed', or leave out "
                    "--others"
                )
        self._process = subprocess.Popen(
            [
                *(python, "-m", "bench.loading.transform_process"),
                *(candidate.module, name, str(signals)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            text=True,
        )
        self.versions: dict[str, str] = self._answer()

    def time(self) -> float:
        """Return the seconds that a batch takes."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        seconds: float = self._answer()
        return seconds

    def _answer(self) -> Any:
        """Return the next line that the process prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args!r}: ended; see its error above")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def __enter__(self) -> Self:
        return self


@contextmanager
def _processes(
    name: str, candidates: Sequence[Candidate], signals: Path
) -> Iterator[dict[str, _Process]]:
    """Start the processes of a transform, and end them."""
    processes: dict[str, _Process] = {}
    try:
        for candidate in candidates:
            processes[candidate.library] = _Process(name, candidate, signals)
        yield processes
    finally:
        for process in processes.values():
            process.close()


if __name__ == "__main__":
    main()
