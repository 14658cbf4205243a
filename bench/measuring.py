"""What all benchmarks share: rounds in turn, medians with ranges, and the machine."""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any


def arguments(description: str, *, rounds: int) -> argparse.ArgumentParser:
    """Return a parser with the arguments that every benchmark has."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder with real records")
    parser.add_argument(
        "--rounds", type=int, default=rounds, help=f"rounds (default: {rounds})"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write results here")
    return parser


def in_turn(
    contestants: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of every round, the contestants taking turns.

    One round before them warms caches and compiles kernels, and does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, work in contestants.items():
            begin = time.perf_counter()
            work()
            if number:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and range."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def shown(values: Mapping[str, float], digits: int = 2) -> str:
    """Return median and range as text."""
    median, low, high = (values[name] for name in ("median", "min", "max"))
    return f"{median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def machine(*libraries: str) -> dict[str, Any]:
    """Return what the numbers were measured on."""
    return {
        "machine": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("ecgstore", "numpy", *libraries)},
    }


def _processor() -> str:
    """Return the processor's name, if the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def write_json(path: Path | None, report: Mapping[str, Any]) -> None:
    """Write a report, if a path was given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
