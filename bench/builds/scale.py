"""Time builds of as many records as the whole Challenge has.

Example::

    python -m bench.builds.scale data/challenge-2020/training --rounds 3

The records are copies of those of the folder, each with beats at other times, so that
no two hold the same ECG. Whole builds, each by a command of its own, with all beats and
features: with one process and with two in rounds, on fewer records, and then all
records once, with a process for each core. Times include the start of Python.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from bench.builds.many_records import make_many_records
from bench.common.command_line import add_count, benchmark_parser
from bench.common.records import headers_in
from bench.common.report import write_json
from bench.common.tables import print_table, ratios, spread, spread_text
from bench.common.timing import interleaved
from ecgstore.storage.format import schema

PROCESSES: Final = (1, 2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the records, run all sections, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.builds.scale", __doc__, folder="folder with Challenge records", rounds=3
    )
    add_count(parser, "--records", 43_101, "records of the whole build")
    add_count(parser, "--records-in-rounds", 3000, "records of the builds in rounds")
    parser.add_argument(
        "--records-folder",
        type=Path,
        metavar="FOLDER",
        help="keep the records (7 GB) in this folder, or take those that it holds",
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="FOLDER",
        help="folder on a disk with room for records and stores (15 GB)",
    )
    options = parser.parse_args(arguments)
    headers = headers_in(options.folder)
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        scratch = Path(name)
        kept = options.records_folder or scratch
        kept.mkdir(parents=True, exist_ok=True)
        few, all_records = kept / "few", kept / "all"
        make_many_records(headers, few, options.records_in_rounds)
        results = {"processes": _processes(few, scratch, options.rounds)}
        make_many_records(headers, all_records, options.records)
        results["whole"] = _whole(all_records, scratch)
    write_json(options.json, {"rounds": options.rounds, **results})


def _processes(folder: Path, scratch: Path, rounds: int) -> dict[str, Any]:
    """Time builds with one process and with two; print and return their speeds."""
    builds: dict[str, list[tuple[int, float]]] = {_named(n): [] for n in PROCESSES}
    counts = {_named(n): n for n in PROCESSES}
    for name, is_counted in interleaved([*counts], rounds):
        build = timed_build(folder, scratch / "out.h5", counts[name])
        if is_counted:
            builds[name].append(build)
    seconds = {name: [s for _, s in rounds_] for name, rounds_ in builds.items()}
    speeds = {name: spread(n / s for n, s in builds[name]) for name in builds}
    one, two = (seconds[_named(n)] for n in PROCESSES)
    times_as_fast = ratios(one, two)
    n_records = builds[_named(1)][0][0]
    print_table(
        f"builds of {n_records:,} records",
        ["records/s, median (range)", "times as fast"],
        {
            _named(1): [spread_text(speeds[_named(1)], 1), ""],
            _named(2): [
                spread_text(speeds[_named(2)], 1),
                spread_text(times_as_fast, 2),
            ],
        },
    )
    return {
        "records": n_records,
        "records_per_second": speeds,
        "times_as_fast": times_as_fast,
    }


def _named(n_processes: int) -> str:
    """Return the name of a number of processes."""
    return "1 process" if n_processes == 1 else f"{n_processes} processes"


def _whole(folder: Path, scratch: Path) -> dict[str, Any]:
    """Time one build of all records on all cores; print and return its speed."""
    n_cores = os.cpu_count() or 1
    n_records, seconds = timed_build(folder, scratch / "out.h5", n_cores)
    row = {
        "processes": n_cores,
        "records": n_records,
        "seconds": seconds,
        "records_per_second": n_records / seconds,
        "ms_per_record_and_core": 1e3 * seconds * n_cores / n_records,
    }
    print_table(
        "the whole build, once",
        ["processes", "s", "records/s", "ms per record and core"],
        {
            f"{n_records:,} records": [
                str(n_cores),
                f"{seconds:.1f}",
                f"{row['records_per_second']:.1f}",
                f"{row['ms_per_record_and_core']:.2f}",
            ]
        },
    )
    return row


def timed_build(folder: Path, out: Path, n_processes: int) -> tuple[int, float]:
    """Build a store by a command of its own, and delete it.

    Returns
    -------
    n_records : int
        Records of the store.
    seconds : float
        Elapsed time.

    Raises
    ------
    SystemExit
        If the build fails, or two records are the same ECG: then it did other work.
    """
    command = [sys.executable, "-m", "ecgstore", "build", str(folder)]
    command += ["--select", "all", "-o", str(out)]
    command += ["--workers", str(n_processes), "--quiet"]
    begin = time.perf_counter()
    outcome = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if outcome.returncode:
        raise SystemExit(f"the build of {folder} failed: {outcome.stderr}")
    with h5py.File(out, "r") as file:
        same_ecg = file[schema.SAME_ECG][...]
    n_records, n_ecgs = len(same_ecg), len(np.unique(same_ecg))
    out.unlink()
    if n_ecgs < n_records:
        raise SystemExit(f"{folder}: {n_records} records hold only {n_ecgs} ECGs")
    return n_records, seconds


if __name__ == "__main__":
    main()
