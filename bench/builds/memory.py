"""Measure whether the memory of a build depends on the number of records.

::

    python -m bench.builds.memory FOLDER [--copies N] [--rounds N] [--scratch FOLDER]
        [--json PATH]

Builds the real records of FOLDER, then as many copies of them as asked for under new
record names, in new processes, without beats, and prints the peak resident memory of
the parent and of its largest worker. Signals of copies are links, so that the disk
holds them once. Needs Linux, whose /proc tells the memory of a process.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ecgstore
from bench.common.measuring import (
    add_count,
    arguments,
    print_table,
    ratios,
    shown,
    spread,
    write_json,
)
from bench.common.process_memory import peak_mb, processes_of
from bench.common.records import headers_in

BUILD = """
import sys
import ecgstore
from ecgstore.config import Config
if __name__ == "__main__":
    config = Config(select="all", beats="none")
    ecgstore.build_store([sys.argv[1]], sys.argv[2], config, n_workers=2, quiet=True)
"""


def main() -> None:
    """Build both, print a table, and write JSON if asked for."""
    parser = arguments(__doc__, folder="folder with Challenge records", rounds=3)
    add_count(parser, "--copies", 20_000, "copies of records")
    parser.add_argument(
        "--scratch", type=Path, help="folder on a disk with room for the copies' store"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        copies = Path(scratch, "copies")
        _copy(options.folder, copies, options.copies)
        folders = {"real records": options.folder, "copies": copies}
        builds: dict[str, list[dict[str, float]]] = {name: [] for name in folders}
        for _ in range(options.rounds):
            for name, folder in folders.items():
                builds[name].append(_build(folder, Path(scratch)))
    results = _results(builds)
    write_json(options.json, {"rounds": options.rounds, "peak_memory": results})


def _results(builds: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Return medians and ranges, and print them as a table."""
    columns = ["records", "store_mb", "parent_mb", "largest_worker_mb"]
    results: dict[str, Any] = {
        name: {column: spread(each[column] for each in rounds) for column in columns}
        for name, rounds in builds.items()
    }
    table = {
        name: [
            shown(row[column], 0 if column == "records" else 1) for column in columns
        ]
        for name, row in results.items()
    }
    real, copies = builds["real records"], builds["copies"]
    results["copies / real"] = {
        column: ratios(
            [each[column] for each in copies], [each[column] for each in real]
        )
        for column in columns
    }
    table["copies / real"] = [
        shown(row, 2) for row in results["copies / real"].values()
    ]
    print_table("peak memory in MB, median (range)", columns, table)
    return results


def _copy(folder: Path, target: Path, n_copies: int) -> None:
    """Write records with new names: headers anew, signals as links."""
    headers = headers_in(folder)
    for number in range(n_copies):
        header = headers[number % len(headers)]
        old, new = header.stem, f"{header.stem}{number // len(headers):03d}"
        place = target / header.parent.relative_to(folder)
        place.mkdir(parents=True, exist_ok=True)
        text = header.read_text(encoding="utf-8").replace(old, new)
        (place / f"{new}.hea").write_text(text, encoding="utf-8")
        source = header.with_suffix(".mat")
        (place / f"{new}.mat").symlink_to(source.resolve())


def _build(folder: Path, scratch: Path) -> dict[str, float]:
    """Build in a new process; return its memory and the size of the store."""
    out = scratch / "out.h5"
    command = [sys.executable, "-c", BUILD, os.path.abspath(folder), str(out)]
    process = subprocess.Popen(command, start_new_session=True)
    peaks: dict[int, float] = {}
    while process.poll() is None:
        for number in processes_of(process.pid):
            peaks[number] = max(peaks.get(number, 0.0), peak_mb(number))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"the build of {folder} failed")
    with ecgstore.open(out) as store:
        n_records = len(store)
    result = {
        "records": n_records,
        "store_mb": out.stat().st_size / 1e6,
        "parent_mb": peaks.pop(process.pid),
        "largest_worker_mb": max(peaks.values()),
    }
    out.unlink()
    return result


if __name__ == "__main__":
    main()
