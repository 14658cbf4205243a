"""Time ecgstore's reader against the wfdb library on real Challenge records.

::

    python bench/bench_reader.py FOLDER [--rounds N] [--json PATH]

Both readers get the same records, from the page cache, and return float64 mV. Their
outputs are compared before anything is timed. The rounds of all contestants alternate,
so that a busy machine slows all of them, and each ratio is one of neighbours.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import wfdb

from ecgstore.errors import EcgStoreError
from ecgstore.record import LEADS
from ecgstore.sources import find_headers, read_header, read_record, signal_sha256

MAX_DIFFERENCE_MV = 1e-9


def main() -> int:
    """Compare, time, print a table, and write JSON if asked for."""
    arguments = _arguments()
    try:
        headers = [os.fspath(path) for path in find_headers(arguments.folder)]
    except EcgStoreError as error:
        print(f"bench_reader: {error}", file=sys.stderr)
        return 1
    if not headers:
        print(f"bench_reader: {arguments.folder}: has no .hea files", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        names, n_mended = _for_wfdb(headers, Path(scratch))
        difference = max(_difference(name) for name in names)
        print(
            f"{len(names)} records; {n_mended} have '.mat' in the record's name,"
            " which wfdb cannot parse:\nboth read copies of them without it. Largest "
            f"difference of the signals: {difference:g} mV.\n"
        )
        if not difference <= MAX_DIFFERENCE_MV:
            print("the readers disagree, so nothing was timed", file=sys.stderr)
            return 1
        times = _time(_contestants(names), arguments.rounds)
    results = _results(times, len(names))
    _print(results)
    if arguments.json:
        report = _machine() | {
            "records": len(names),
            "rounds": arguments.rounds,
            "largest_difference_mv": difference,
            "results": results,
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder with Challenge records")
    parser.add_argument("--rounds", type=int, default=9, help="rounds (default: 9)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write results here")
    return parser.parse_args()


def _for_wfdb(headers: Sequence[str], scratch: Path) -> tuple[list[str], int]:
    """Return every record's path without .hea, as wfdb wants it, and n of copies."""
    names = []
    n_mended = 0
    for header in headers:
        text = Path(header).read_text()
        name = text.split(maxsplit=1)[0]
        if not name.endswith(".mat"):
            names.append(header.removesuffix(".hea"))
            continue
        n_mended += 1
        copy = scratch / Path(header).name
        copy.write_text(text.replace(name, name.removesuffix(".mat"), 1))
        (scratch / name).symlink_to(Path(header).resolve().with_suffix(".mat"))
        names.append(os.fspath(copy.with_suffix("")))
    return names, n_mended


def _difference(name: str) -> float:
    """Return the largest difference in mV between the readers on one record."""
    theirs = wfdb.rdrecord(name)
    if list(theirs.sig_name) != list(LEADS):
        raise SystemExit(f"{name}: this comparison needs the leads {LEADS}")
    ours = read_record(f"{name}.hea").signal
    if not np.array_equal(np.isnan(ours), np.isnan(theirs.p_signal.T)):
        return np.inf
    return float(np.nanmax(np.abs(ours - theirs.p_signal.T), initial=0.0))


def _contestants(names: Sequence[str]) -> dict[str, Callable[[], None]]:
    """Return what to time; each goes once over all records."""
    paths = [f"{name}.hea" for name in names]
    signals = [read_record(path).signal for path in paths[:50]]

    def each(function: Callable[[Any], object], items: Sequence[Any]) -> None:
        for item in items:
            function(item)  # the result is dropped at once, as a build does

    return {
        "ecgstore.read_record": lambda: each(read_record, paths),
        "wfdb.rdrecord": lambda: each(wfdb.rdrecord, names),
        "ecgstore.read_header": lambda: each(read_header, paths),
        "wfdb.rdheader": lambda: each(wfdb.rdheader, names),
        "both files, bytes only": lambda: each(_read_bytes, names),
        "ecgstore.signal_sha256": lambda: each(
            signal_sha256, [signals[k % len(signals)] for k in range(len(names))]
        ),
    }


def _read_bytes(name: str) -> None:
    """Read both files of a record and do nothing with them: the floor."""
    for ending in (".hea", ".mat"):
        handle = os.open(name + ending, os.O_RDONLY)
        os.read(handle, os.fstat(handle).st_size)
        os.close(handle)


def _time(
    contestants: dict[str, Callable[[], None]], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Return wall and CPU seconds of every round of every contestant."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            if number > 0:  # the first round warms caches and compiles
                times[name].append(spent)
    return times


def _results(
    times: dict[str, list[tuple[float, float]]], n_records: int
) -> list[dict[str, Any]]:
    """Return a row of the table for every contestant."""
    peers = {
        "wfdb.rdrecord": "ecgstore.read_record",
        "wfdb.rdheader": "ecgstore.read_header",
    }
    rows = []
    for name, rounds in times.items():
        wall = [seconds * 1e6 / n_records for seconds, _ in rounds]
        cpu = [seconds * 1e6 / n_records for _, seconds in rounds]
        row: dict[str, Any] = {
            "name": name,
            "wall_us": _spread(wall),
            "cpu_us": _spread(cpu),
        }
        if name in peers:
            ours = times[peers[name]]
            row["times_ours"] = _spread(
                [theirs[0] / mine[0] for theirs, mine in zip(rounds, ours, strict=True)]
            )
            row["times_ours_cpu"] = _spread(
                [theirs[1] / mine[1] for theirs, mine in zip(rounds, ours, strict=True)]
            )
        rows.append(row)
    return rows


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and range."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
    }


def _print(results: Sequence[dict[str, Any]]) -> None:
    """Print the table: medians, with the range over the rounds in brackets."""
    columns = {
        "wall": ("wall_us", ".0f"),
        "CPU": ("cpu_us", ".0f"),
        "times ours, wall": ("times_ours", ".1f"),
        "times ours, CPU": ("times_ours_cpu", ".1f"),
    }
    print(f"{'microseconds a record':24}" + "".join(f"{name:>19}" for name in columns))
    for row in results:
        cells = [
            _shown(row[key], form) if key in row else ""
            for key, form in columns.values()
        ]
        print(f"{row['name']:24}" + "".join(f"{cell:>19}" for cell in cells))


def _shown(spread: dict[str, float], form: str) -> str:
    """Return median (lowest-highest)."""
    median, lowest, highest = (format(value, form) for value in spread.values())
    return f"{median} ({lowest}-{highest})"


def _machine() -> dict[str, Any]:
    """Return what the numbers were measured on."""
    return {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in ("ecgstore", "numba", "numpy", "wfdb")
        },
    }


if __name__ == "__main__":
    raise SystemExit(main())
