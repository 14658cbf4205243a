"""Time the plan of a build of many records, from simulated results of a scan.

Example::

    python -m bench.builds.planning --records 10000000 --scratch /tmp

No record is read: the journal is filled with invented entries of several sources, of
patients with one record or more, with random signatures, and some copies of ECGs. The
plan sorts them, looks for duplicates and copies, deals folds, and writes the plans of
all shards. Memory is what the process has allocated at its peak; pages of files, which
the system can take back, are apart. A journal takes 1.8 kB a record on the disk, and
signatures and plans 3 kB more. Needs Linux, whose /proc gives the memory of a process.
"""

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.common.command_line import add_count, benchmark_parser
from bench.common.report import write_json
from bench.common.tables import print_table
from ecgstore.builder.entry import Entry, Status
from ecgstore.builder.groups import Groups, deal
from ecgstore.builder.journal import Journal
from ecgstore.builder.shards.planning import SHARD_ROWS, read_plan, write_plan
from ecgstore.config import N_FOLDS, Config
from ecgstore.label_tables import read_tables
from ecgstore.signals.signature import SIGNATURE

N_SOURCES: Final = 12
COPIES: Final = 1000
"""One record of so many is a copy of the one before it, under another name."""

BLOCK: Final = 1000
SECONDS_BETWEEN_LOOKS: Final = 0.2

GOAL_S: Final = 600
GOAL_GB: Final = 4


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate a scan, plan, print times and memory, and write JSON."""
    parser = benchmark_parser("bench.builds.planning", __doc__, rounds=1)
    add_count(parser, "--records", 1_000_000, "records of the build")
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="FOLDER",
        help="folder on a disk with 5 kB per record",
    )
    options = parser.parse_args(arguments)
    config = Config(select="all")
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        tempfile.tempdir = name  # of the signatures
        path = Path(name) / "out.h5.partial.scan"
        plans = path.with_name("plans")
        with Journal(path) as journal:
            journal.begin("simulated")
            journal.begin_scan()
            seconds = {"write the journal": _timed(_fill, journal, options.records)}
            with PeakMemory() as memory:
                seconds |= _plan(journal, plans, config)
            report = {
                "records": options.records,
                "seconds": seconds,
                "plan_s": sum(seconds.values()) - seconds["write the journal"],
                **memory.peaks(),
                "folds": _folds(journal, plans, config),
            }
    _print(report)
    write_json(options.json, report)


def _plan(journal: Journal, folder: Path, config: Config) -> dict[str, float]:
    """Plan all shards; return the seconds of each step."""
    tables = read_tables(config)
    groups: list[Groups] = []
    return {
        "find duplicates": _timed(journal.end_scan, config.fs),
        "digest": _timed(journal.digest),
        "sort, find copies, deal folds": _timed(
            lambda: groups.append(deal(journal, config, tables))
        ),
        "write the plans of shards": _timed(
            lambda: write_plan(journal, folder, groups.pop(), SHARD_ROWS, "simulated")
        ),
    }


def _timed(function: Callable[..., object], *arguments: Any) -> float:
    """Return the seconds that a call takes."""
    begin = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begin


def _fill(journal: Journal, n_records: int) -> None:
    """Write invented entries, as a scan does."""
    for begin in range(0, n_records, BLOCK):
        journal.add(_entries(begin, min(begin + BLOCK, n_records)))


def _entries(begin: int, end: int) -> Iterator[Entry]:
    """Yield invented entries, of which only numbers decide."""
    random = np.random.default_rng(begin)
    signatures = random.integers(0, 256, (end - begin, SIGNATURE.itemsize), np.uint8)
    codes = [one.codes[0] for one in Config().classes.classes]
    n_codes = random.integers(0, 3, end - begin)
    patients = random.integers(0, 1 << 22, end - begin)
    ages = random.integers(18, 90, end - begin)
    for number in range(begin, end):
        at = number - begin
        if number % COPIES == 1:
            signatures[at] = signatures[at - 1]
        digest = hashlib.sha256(signatures[at].tobytes()).hexdigest()
        source, name = f"source{number % N_SOURCES:02d}", f"E{number:08d}"
        dx = random.choice(codes, n_codes[at], replace=False)
        yield Entry(
            path=f"{source}/g{number // 1000:05d}/{name}.hea",
            status=Status.SELECTED,
            source=source,
            record_id=name,
            files=f'["{name}.hea", "{name}.mat"]',
            stamp="1234:1796000000000000000:1796000000000000000 120024:"
            "1796000000000000000:1796000000000000000",
            n_bytes=121258,
            dx=",".join(dx),
            patient_id=f"{patients[at]:032x}",
            age=float(ages[at]),
            fs=500.0,
            n_samples=5000,
            sha256=digest,
            content=digest[:16],
            signature=signatures[at].tobytes(),
        )


class PeakMemory:
    """Looks at the memory of this process until it is left."""

    def __enter__(self) -> "PeakMemory":
        self._private = self._whole = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            fields = dict(
                line.split(":", 1)
                for line in Path("/proc/self/status").read_text().splitlines()
            )
            private, whole = (
                int(fields[name].split()[0]) * 1024 / 1e9
                for name in ("RssAnon", "VmRSS")
            )
            self._private = max(self._private, private)
            self._whole = max(self._whole, whole)
            if self._is_over.wait(SECONDS_BETWEEN_LOOKS):
                return

    def peaks(self) -> dict[str, float]:
        """Return the peaks in GB, of what was allocated and with pages of files."""
        return {
            "peak_private_gb": self._private,
            "peak_with_file_pages_gb": self._whole,
        }


def _folds(journal: Journal, plans: Path, config: Config) -> dict[str, Any]:
    """Check and measure the folds of a plan.

    Raises
    ------
    SystemExit
        If a patient or an ECG is in two folds.
    """
    folds = read_plan(plans).folds
    of_patient: dict[str, int] = {}
    counts = np.zeros((N_FOLDS, 1 + len(config.classes.classes)), np.int64)
    for fold, found in zip(folds.tolist(), journal.found(), strict=True):
        for key in (found.patient_id, found.sha256):
            if of_patient.setdefault(key[:32], fold) != fold:
                raise SystemExit(f"{found.path}: its patient is in two folds")
        counts[fold, 0] += 1
        counts[fold, 1:] += config.classes.label(found.dx.split(","))
    uneven = np.abs(counts / counts.mean(axis=0) - 1).max(axis=0)
    return {
        "patients_and_ecgs_in_two_folds": 0,
        "size_off_even": float(uneven[0]),
        "classes_off_even": float(uneven[1:].max()),
    }


def _print(report: dict[str, Any]) -> None:
    """Print times, memory and folds."""
    rows = {
        name: [f"{seconds:.1f}", f"{seconds / report['records'] * 1e6:.2f}", ""]
        for name, seconds in report["seconds"].items()
    }
    rows["the plan in all"] = [
        f"{report['plan_s']:.1f}",
        f"{report['plan_s'] / report['records'] * 1e6:.2f}",
        f"<= {GOAL_S} s for 10 million",
    ]
    print_table(
        f"plan of {report['records']:,} records", ["s", "us a record", "goal"], rows
    )
    print(
        f"memory at most {report['peak_private_gb']:.2f} GB (goal <= {GOAL_GB} GB), "
        f"with pages of files {report['peak_with_file_pages_gb']:.2f} GB"
    )
    folds = report["folds"]
    print(
        f"folds: no patient and no ECG in two; sizes within "
        f"{folds['size_off_even']:.2%} of even, classes within "
        f"{folds['classes_off_even']:.2%}"
    )


if __name__ == "__main__":
    main()
