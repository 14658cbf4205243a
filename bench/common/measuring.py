"""What all benchmarks share: rounds in turn, medians with ranges, tables, JSON."""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

Spread = dict[str, float]
"""Median and range of some values: ``median``, ``min`` and ``max``."""

LIBRARIES: Final = ("ecgstore", "h5py", "neurokit2", "numba", "numpy", "scipy", "wfdb")

_UNITS: Final = {"ms": 1e3, "us": 1e6}


def arguments(
    description: str | None, *, folder: str | None, rounds: int
) -> argparse.ArgumentParser:
    """Return a parser with the arguments that every benchmark has.

    `folder` says what it holds; None for a benchmark that needs no files.
    """
    first_line = (description or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=first_line)
    if folder is not None:
        parser.add_argument("folder", type=Path, help=folder)
    add_count(parser, "--rounds", rounds, "rounds of all that is measured")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write results here")
    return parser


def add_count(
    parser: argparse.ArgumentParser, name: str, default: int, description: str
) -> None:
    """Add an option that takes a whole number from 1."""
    parser.add_argument(
        name,
        type=_count,
        default=default,
        metavar="N",
        help=f"{description} (default: {default})",
    )


def _count(text: str) -> int:
    """Return a whole number from 1, or say what was expected."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected 1 or more")
    return int(text)


@dataclass(frozen=True)
class Times:
    """Seconds of every round: by the clock, and of this process on all its cores."""

    wall: list[float]
    cpu: list[float]

    def each(self, n_items: int) -> Self:
        """Return the seconds of one of the items that every round goes over."""
        return type(self)(
            [seconds / n_items for seconds in self.wall],
            [seconds / n_items for seconds in self.cpu],
        )


def in_turn(
    contestants: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, Times]:
    """Return the seconds of every round, the contestants taking turns.

    So a busy machine slows all of them, and round k of one can be compared with round k
    of another; within a round the order is that of `shuffled`. One round before them
    warms caches and compiles kernels, and does not count.
    """
    times = {name: Times([], []) for name in contestants}
    for number in range(rounds + 1):
        for name in shuffled([*contestants], number):
            work = contestants[name]
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            if number > 0:
                times[name].wall.append(spent[0])
                times[name].cpu.append(spent[1])
    return times


def shuffled(names: Sequence[str], number: int) -> list[str]:
    """Return the order of contestants within a round: another one in each round.

    What one leaves behind, such as a full cache or a warm processor, is there for
    whoever comes next; in one and the same order that would always be the same one.
    The same number gives the same order, so that a run can be repeated.
    """
    return random.Random(number).sample(names, len(names))


def over(
    function: Callable[..., object], *columns: Sequence[Any]
) -> Callable[[], None]:
    """Return work that calls a function for every row of some columns of equal length.

    Every result is dropped at once, as a build does.
    """

    def work() -> None:
        for row in zip(*columns, strict=True):
            function(*row)

    return work


def spread(values: Iterable[float]) -> Spread:
    """Return median and range."""
    some = [*values]
    return {"median": statistics.median(some), "min": min(some), "max": max(some)}


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Return median and range of the ratios, round by round."""
    return spread(a / b for a, b in zip(numerators, denominators, strict=True))


def summary(
    times: Mapping[str, Times], unit: str, rivals: Mapping[str, str] | None = None
) -> dict[str, dict[str, Spread]]:
    """Return the times of all contestants in "ms" or "us", and how much faster.

    `rivals` names, for some contestants, the one that each is compared with.
    """
    factor = _UNITS[unit]
    rows = {
        name: {
            f"wall_{unit}": spread(factor * seconds for seconds in of_one.wall),
            f"cpu_{unit}": spread(factor * seconds for seconds in of_one.cpu),
        }
        for name, of_one in times.items()
    }
    for name, rival in (rivals or {}).items():
        ours, theirs = times[name], times[rival]
        rows[name]["times_as_fast"] = ratios(theirs.wall, ours.wall)
        rows[name]["times_as_fast_cpu"] = ratios(theirs.cpu, ours.cpu)
    return rows


def print_summary(
    heading: str,
    rows: Mapping[str, Mapping[str, Spread]],
    unit: str,
    *,
    digits: int,
    rivals: Mapping[str, str] | None = None,
) -> None:
    """Print what `summary` returned; `heading` says what one item is."""
    columns = [f"{unit}, median (range)", "CPU"]
    if rivals:
        columns += ["times as fast", "CPU", "as"]
    table = {}
    for name, row in rows.items():
        cells = [shown(row[f"{clock}_{unit}"], digits) for clock in ("wall", "cpu")]
        if rivals and name in rivals:
            cells += [
                shown(row[key], 1) for key in ("times_as_fast", "times_as_fast_cpu")
            ]
            cells.append(rivals[name])
        table[name] = cells
    print_table(heading, columns, table)


def print_table(
    heading: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]
) -> None:
    """Print a table and an empty line; rows may end early."""
    lines = [[heading, *columns], *([name, *cells] for name, cells in rows.items())]
    widths = [
        max(len(line[place]) for line in lines if place < len(line))
        for place in range(len(lines[0]))
    ]
    for first, *others in lines:
        cells = (f"  {text:>{n}}" for text, n in zip(others, widths[1:], strict=False))
        print(f"{first:{widths[0]}}" + "".join(cells))
    print(flush=True)


def shown(values: Spread, digits: int) -> str:
    """Return median and range as text."""
    median, low, high = (values[name] for name in ("median", "min", "max"))
    return f"{median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def machine(*libraries: str) -> dict[str, Any]:
    """Return what the numbers depend on: processor, cores, versions, commit.

    `libraries` are those whose versions matter besides `LIBRARIES`.
    """
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in (*LIBRARIES, *libraries)},
        "commit": _commit(),
    }


def _processor() -> str:
    """Return the processor's name, if the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str | None:
    """Return the commit of this checkout, if it is one, and whether it was changed."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    try:
        found = subprocess.run(
            command,
            cwd=Path(__file__).parent,
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def write_json(path: Path | None, results: Mapping[str, Any]) -> None:
    """Write what was measured, and on what, if a path was given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**machine(), **results}, indent=2, allow_nan=False)
        path.write_text(f"{text}\n", encoding="utf-8")
