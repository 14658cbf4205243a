"""Time ecgstore's loader against memcpy, np.memmap, h5py and torchdata.

::

    python bench/bench_pipes.py FOLDER [--rows N] [--large N] [--rounds N]
        [--steps N] [--parts PART ...] [--scratch FOLDER] [--json PATH] [--plot PATH]

FOLDER holds Challenge records; they are repeated to as many rows as asked for. All
contestants get the same rows, each from the kind of file that suits it best, in batches
of 64, and yield the same: that is compared by checksums before anything is timed.
Each runs in a process of its own, and they take turns. Cold epochs and memory need
Linux, and a scratch folder on a real disk.
"""

import argparse
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pipes_parts as parts
from measuring import add_count, arguments, machine, write_json
from pipes_data import make_files
from pipes_parts import MEMCPY, MEMMAP, READERS
from pipes_plot import plot
from pipes_turns import Kind
from pipes_workloads import BATCH_SIZE, WORKLOADS, Files

ECGSTORE: Final = "ecgstore"
STATEFUL: Final = "StatefulDataLoader, tuned h5py"

LOADERS: Final = {
    ECGSTORE: Kind("pipes_with_ecgstore", "Ecgstore"),
    MEMMAP: Kind("pipes_with_numpy", "Memmap"),
    "DataLoader, h5py": Kind("pipes_with_h5py", "Plain"),
    "DataLoader, h5py, 2 workers": Kind("pipes_with_h5py", "Plain2"),
    "DataLoader, tuned h5py": Kind("pipes_with_h5py", "Tuned"),
    "DataLoader, tuned h5py, 2 workers": Kind("pipes_with_h5py", "Tuned2"),
    STATEFUL: Kind("pipes_with_torchdata", "Stateful"),
}
CEILING: Final = {MEMCPY: Kind("pipes_with_numpy", "Memcpy")}
COLD_CEILING: Final = {READERS: Kind("pipes_with_numpy", "ManyReaders")}
RESUMABLE: Final = {name: LOADERS[name] for name in (ECGSTORE, STATEFUL)}

PARTS: Final = (
    "throughput",
    "large",  # many rows, one workload
    "cold",
    "resume",
    "start_up",
    "training",
    "memory",
)


def main() -> None:
    """Measure all parts, print tables, and write JSON and a plot if asked for."""
    options = _parser().parse_args()
    versions = {name: version(name) for name in ("torch", "torchdata")}
    results: dict[str, Any] = {
        **machine(),
        "versions": {**machine()["versions"], **versions},
        "rounds": options.rounds,
        "batch_size": BATCH_SIZE,
        "rows": options.rows,
        "large_rows": options.large,
    }
    with tempfile.TemporaryDirectory() as temporary:
        scratch = options.scratch or Path(temporary)
        files = make_files(options.folder, scratch, options.rows)
        for part in PARTS:
            if part in options.parts:
                results[part] = _measure(part, options, files, scratch)
                write_json(options.json, results)  # what a later part cannot lose
    if options.plot is not None:
        plot(results, options.plot)


def _measure(
    part: str, options: argparse.Namespace, files: Files, scratch: Path
) -> dict[str, Any]:
    """Return the numbers of one part."""
    rounds = options.rounds
    if part == "throughput":
        return {
            name: parts.throughput({**CEILING, **LOADERS}, files, workload, rounds)
            for name, workload in WORKLOADS.items()
        }
    if part == "large":
        large = _large(options, scratch)
        return parts.throughput(
            {**CEILING, **LOADERS}, large, parts.SHUFFLED, options.rounds
        )
    if part == "cold":
        return parts.cold({**COLD_CEILING, **LOADERS}, files, rounds)
    if part == "resume":
        return parts.resume(RESUMABLE, files, rounds)
    if part == "start_up":
        return parts.start_up(LOADERS, files, rounds)
    if part == "training":
        return parts.training(LOADERS, files, rounds, options.steps)
    return {
        str(each.n_rows): parts.memory(LOADERS, each, min(rounds, 3))
        for each in (files, _large(options, scratch))
    }


def _large(options: argparse.Namespace, scratch: Path) -> Files:
    """Return the files with many rows."""
    return make_files(options.folder, scratch, options.large)


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    parser = arguments(__doc__, folder="folder with Challenge records", rounds=7)
    add_count(parser, "--rows", 8_004, "rows that the records are repeated to")
    add_count(parser, "--large", 43_101, "rows of the parts 'large' and 'memory'")
    add_count(parser, "--steps", 60, "training steps in a round")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="measure these only"
    )
    parser.add_argument(
        "--scratch", type=Path, help="folder that keeps the rows for the next run"
    )
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw results here")
    return parser


if __name__ == "__main__":
    main()
