"""Time ecgstore's loader against memcpy, np.memmap, h5py and torchdata.

Example::

    python -m bench.loading.loaders data/challenge-2020/training --measure throughput

The Challenge records of the folder are repeated to a number of rows. All loaders yield
the same rows in batches of 64, each from the format that suits it best; nothing is
timed unless checksums agree. Each loader runs in a process of its own, in interleaved
rounds. Needs Linux; cold epochs also need a scratch folder on a real disk.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.common.command_line import add_count
from bench.common.report import write_json
from bench.common.tables import spread
from bench.loading import measurements
from bench.loading.command_line import conditions, loading_parser, scratch_folder
from bench.loading.measurements import LoaderClasses
from bench.loading.plot import plot
from bench.loading.readers.with_ecgstore import block_order
from bench.loading.registry import (
    BLOCKS,
    CEILING,
    COLD_CEILING,
    ECGSTORE,
    LOADERS,
    RESUMABLE,
)
from bench.loading.repeated_records import make_files
from bench.loading.workloads import BATCH_SIZE, SEED, WORKLOADS, Files
from ecgstore.pipes import Order, Shuffled, mixing

MEASUREMENTS: Final = (
    "throughput",
    "large",  # throughput of one workload with many rows
    "cold",
    "resume",
    "start_up",
    "training",
    "memory",
)
MAX_MEMORY_ROUNDS: Final = 3
"""Rounds of "memory", which starts many processes and varies little."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print tables, and write JSON and a plot if paths are given."""
    parser = loading_parser("bench.loading.loaders", __doc__)
    add_count(
        parser, "--large", 43_101, "rows of the measurements 'large' and 'memory'"
    )
    add_count(parser, "--steps", 60, "training steps in a round")
    parser.add_argument(
        "--measure",
        nargs="+",
        choices=MEASUREMENTS,
        default=MEASUREMENTS,
        metavar="NAME",
        help=f"make only these measurements, of: {', '.join(MEASUREMENTS)}",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=LOADERS,
        default=[*LOADERS],
        metavar="NAME",
        help=f"time only these loaders, beside the ceiling, of: {'; '.join(LOADERS)}",
    )
    options = parser.parse_args(arguments)
    results = {**conditions(options), "large_rows": options.large}
    with scratch_folder(options) as scratch:
        files = make_files(options.folder, scratch, options.rows)
        for name in MEASUREMENTS:
            if name in options.measure:
                results[name] = _measure(name, options, files, scratch)
                write_json(options.json, results)  # kept if a later measurement fails
    if options.plot is not None:
        plot(results, options.plot)


def _measure(
    name: str, options: argparse.Namespace, files: Files, scratch: Path
) -> dict[str, Any]:
    """Return the results of one measurement."""
    rounds = options.rounds
    loaders = {one: LOADERS[one] for one in options.only}
    with_ceiling = {**CEILING, **loaders}
    match name:
        case "throughput":
            return {
                title: measurements.throughput(with_ceiling, files, workload, rounds)
                for title, workload in WORKLOADS.items()
            }
        case "large":
            large = make_files(options.folder, scratch, options.large)
            return measurements.throughput(
                with_ceiling, large, measurements.SHUFFLED, rounds
            )
        case "cold":
            return _cold(loaders, files, rounds)
        case "resume":
            return measurements.resume(RESUMABLE, files, rounds)
        case "start_up":
            return measurements.start_up(loaders, files, rounds)
        case "training":
            return measurements.training(loaders, files, rounds, options.steps)
        case _:
            large = make_files(options.folder, scratch, options.large)
            return {
                str(rows.n_rows): measurements.memory(
                    loaders, rows, min(rounds, MAX_MEMORY_ROUNDS)
                )
                for rows in (files, large)
            }


def _cold(loaders: LoaderClasses, files: Files, rounds: int) -> dict[str, Any]:
    """Return the rates from a cold disk, and how well the orders mix the rows.

    A random permutation mixes with 1; reading in blocks is faster but mixes less.
    """
    results: dict[str, Any] = measurements.cold(
        {**COLD_CEILING, **loaders, **BLOCKS}, files, rounds
    )
    orders: dict[str, Order] = {
        ECGSTORE: Shuffled(files.n_rows, SEED),
        **dict.fromkeys(BLOCKS, block_order(files.n_rows)),
    }
    for name, order in orders.items():
        results[name]["mixing"] = spread([mixing(order, BATCH_SIZE)])
        print(f"mixing, {name}: {results[name]['mixing']['median']:.2f}")
    return results


if __name__ == "__main__":
    main()
