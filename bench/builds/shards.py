"""Time builds of shards, in processes and on a Dask cluster of this machine.

Example::

    python -m bench.builds.shards data/challenge-2020/training --rounds 5

The records are copies of those of the folder, see `bench.builds.scale`. Every build is
a command of its own with two workers of one thread; times include the start of Python,
and of the cluster. All of them write the same shards, but for the one file and for the
many small shards, which show what a shard costs beside its records.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.builds.many_records import make_many_records
from bench.common.command_line import add_count, benchmark_parser
from bench.common.records import headers_in
from bench.common.report import write_json
from bench.common.tables import print_table, ratios, spread, spread_text
from bench.common.timing import interleaved

N_WORKERS: Final = 2
N_SHARDS: Final = 4
N_SMALL: Final = 32

GOAL: Final = 0.9


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the records, time all builds, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.builds.shards", __doc__, folder="folder with Challenge records", rounds=5
    )
    add_count(parser, "--records", 4000, "records of each build")
    options = parser.parse_args(arguments)
    n = options.records
    shards = ["--shard-rows", str(-(-n // N_SHARDS))]
    small = ["--shard-rows", str(-(-n // N_SMALL))]
    flags = {
        "processes, one file": [],
        f"processes, {N_SHARDS} shards": shards,
        f"Dask, {N_SHARDS} shards": [*shards, "--dask", "local"],
        f"Dask, {N_SMALL} shards": [*small, "--dask", "local"],
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "records"
        make_many_records(headers_in(options.folder), folder, n)
        seconds: dict[str, list[float]] = {name: [] for name in flags}
        for name, is_counted in interleaved([*flags], options.rounds):
            took = _timed_build(folder, Path(scratch) / "out.h5", flags[name])
            if is_counted:
                seconds[name].append(took)
    report = _report(n, seconds)
    _print(report)
    write_json(options.json, {"rounds": options.rounds, **report})


def _timed_build(folder: Path, out: Path, flags: Sequence[str]) -> float:
    """Build by a command, delete the result, and return the seconds.

    Raises
    ------
    SystemExit
        If the build fails.
    """
    command = [sys.executable, "-m", "ecgstore", "build", str(folder), "-o", str(out)]
    command += ["--select", "all", "--quiet", "--workers", str(N_WORKERS), *flags]
    begin = time.perf_counter()
    outcome = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if outcome.returncode:
        raise SystemExit(f"{' '.join(command)}: {outcome.stderr}")
    out.unlink()
    shutil.rmtree(f"{out}.parts", ignore_errors=True)
    return seconds


def _report(n_records: int, seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Return speeds, their ratio to the processes' with as many shards, and overheads.

    The overhead of a shard is what many of them take longer than few on the same
    cluster, for each additional one, as time of one worker.
    """
    names = [*seconds]
    few, many = seconds[names[2]], seconds[names[3]]
    more = N_SMALL - N_SHARDS
    return {
        "records": n_records,
        "records_per_second": {
            name: spread(n_records / one for one in rounds)
            for name, rounds in seconds.items()
        },
        "times_as_fast_as_processes": {
            name: ratios(seconds[names[1]], rounds) for name, rounds in seconds.items()
        },
        "overhead_of_a_shard_s": spread(
            (b - a) * N_WORKERS / more for a, b in zip(few, many, strict=True)
        ),
    }


def _print(report: dict[str, Any]) -> None:
    """Print all speeds."""
    print_table(
        f"builds of {report['records']:,} records, {N_WORKERS} workers",
        ["records/s, median (range)", "x processes with shards", "goal"],
        {
            name: [
                spread_text(speed, 1),
                spread_text(report["times_as_fast_as_processes"][name], 2),
                f">= {GOAL}" if name == f"Dask, {N_SHARDS} shards" else "",
            ]
            for name, speed in report["records_per_second"].items()
        },
    )
    overhead = report["overhead_of_a_shard_s"]
    print(f"overhead of a shard: {spread_text(overhead, 3)} s of a worker")


if __name__ == "__main__":
    main()
