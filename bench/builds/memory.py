"""Measure whether the memory of a build depends on the number or length of records.

Example::

    python -m bench.builds.memory data/challenge-2020/training --copies 20000

Builds the records of the folder, many copies of them under new record names, and four
records of a day (one file of 16-bit samples with and one without a length in the
header, one of format 212, and 24 segments), in new processes, without beats, and prints
the peak resident memory of the parent process and of its largest worker. Signals of
copies are links, so that the disk holds them once. Needs Linux, whose /proc gives the
memory of a process.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

import ecgstore
from bench.common.command_line import add_count, benchmark_parser
from bench.common.processes import peak_mb, processes_of
from bench.common.records import headers_in
from bench.common.report import write_json
from bench.common.tables import print_table, ratios, spread, spread_text
from ecgstore.record import LEADS

N_SEGMENTS: Final = 24

BUILD = """
import sys
import ecgstore
from ecgstore.config import Config
if __name__ == "__main__":
    config = Config(select="all", beats="none")
    ecgstore.build_store([sys.argv[1]], sys.argv[2], config, n_workers=2, quiet=True)
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Build both, print a table, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.builds.memory", __doc__, folder="folder with Challenge records", rounds=3
    )
    add_count(parser, "--copies", 20_000, "copies of records")
    add_count(parser, "--minutes", 24 * 60, "length of the long records")
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="FOLDER",
        help="folder on a disk with room for the store of the copies",
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        copies = Path(scratch, "copies")
        _copy(options.folder, copies, options.copies)
        long_records = Path(scratch, "long")
        _write_long_records(long_records, options.minutes)
        folders = {
            "real records": options.folder,
            "copies": copies,
            "long records": long_records,
        }
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
        name: {column: spread(build[column] for build in rounds) for column in columns}
        for name, rounds in builds.items()
    }
    table = {
        name: [
            spread_text(row[column], 0 if column == "records" else 1)
            for column in columns
        ]
        for name, row in results.items()
    }
    real = builds["real records"]
    for name in ("copies", "long"):
        rounds = builds["long records" if name == "long" else name]
        results[f"{name} / real"] = {
            column: ratios(
                [build[column] for build in rounds], [build[column] for build in real]
            )
            for column in columns
        }
        table[f"{name} / real"] = [
            spread_text(row, 2) for row in results[f"{name} / real"].values()
        ]
    print_table("peak memory in MB, median (range)", columns, table)
    return results


def _copy(folder: Path, target: Path, n_copies: int) -> None:
    """Write copies of records under new names: new headers, signals as links."""
    headers = headers_in(folder)
    for number in range(n_copies):
        header = headers[number % len(headers)]
        old, new = header.stem, f"{header.stem}{number // len(headers):03d}"
        copies = target / header.parent.relative_to(folder)
        copies.mkdir(parents=True, exist_ok=True)
        text = header.read_text(encoding="utf-8").replace(old, new)
        (copies / f"{new}.hea").write_text(text, encoding="utf-8")
        source = header.with_suffix(".mat")
        (copies / f"{new}.mat").symlink_to(source.resolve())


def _write_long_records(folder: Path, minutes: int) -> None:
    """Write a record of noise at 500 Hz in every way that long records are stored."""
    folder.mkdir()
    minute = np.random.default_rng(0).integers(-900, 900, (30_000, len(LEADS)))
    pairs = (minute & 0xFFF).reshape(-1, 2).T
    packed = [pairs[0] & 255, pairs[0] >> 8 | pairs[1] >> 8 << 4, pairs[1] & 255]
    contents = {
        "format16": minute.astype("<i2").tobytes(),
        "format212": np.stack(packed, axis=1).astype(np.uint8).tobytes(),
    }
    for name, content in contents.items():
        with (folder / f"{name}.dat").open("wb") as file:
            for _ in range(minutes):
                file.write(content)
    n_samples = minutes * len(minute)
    _write_header(folder / "format16.hea", n_samples, "16", "format16.dat")
    _write_header(folder / "no_length.hea", "", "16", "format16.dat")
    _write_header(folder / "format212.hea", n_samples, "212", "format212.dat")
    length = n_samples // N_SEGMENTS
    lines = [f"segments/{N_SEGMENTS} {len(LEADS)} 500 {length * N_SEGMENTS}"]
    for number in range(N_SEGMENTS):
        storage = f"16+{number * length * len(LEADS) * 2}"
        header = folder / f"part{number}.hea"
        _write_header(header, length, storage, "format16.dat")
        lines.append(f"part{number} {length}")
    (folder / "segments.hea").write_text("\n".join(lines), encoding="utf-8")


def _write_header(path: Path, n_samples: int | str, storage: str, file: str) -> None:
    """Write the header of a record with the twelve leads."""
    lines = [f"{path.stem} {len(LEADS)} 500 {n_samples}"]
    lines += [f"{file} {storage} 1000(0)/mV 16 0 0 0 0 {lead}" for lead in LEADS]
    path.write_text("\n".join(lines), encoding="utf-8")


def _build(folder: Path, scratch: Path) -> dict[str, float]:
    """Build in a new process; return its peak memory and the size of the store."""
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
