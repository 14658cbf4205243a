"""Time ecgstore's loader against memcpy, np.memmap, h5py and torchdata.

::

    python -m bench.loading.loaders FOLDER [--rows N] [--large N] [--rounds N]
        [--steps N] [--parts PART ...] [--scratch FOLDER] [--json PATH] [--plot PATH]

FOLDER holds Challenge records; they are repeated to as many rows as asked for. All
contestants get the same rows, each from the kind of file that suits it best, in batches
of 64, and yield the same: that is compared by checksums before anything is timed.
Each runs in a process of its own, and they take turns, in every round in another
order. Needs Linux; cold epochs also need a scratch folder on a real disk.
"""

import argparse
from pathlib import Path
from typing import Any, Final

from bench.common.measuring import add_count, spread, write_json
from bench.loading import parts
from bench.loading.command import conditions, parser_of, scratch_folder
from bench.loading.contestants import (
    BLOCKS,
    CEILING,
    COLD_CEILING,
    ECGSTORE,
    LOADERS,
    RESUMABLE,
)
from bench.loading.data import make_files
from bench.loading.plot import plot
from bench.loading.readers.with_ecgstore import blocks
from bench.loading.workloads import BATCH_SIZE, SEED, WORKLOADS, Files
from ecgstore.pipes import Order, Shuffled, mixing

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
    results = {**conditions(options), "large_rows": options.large}
    with scratch_folder(options) as scratch:
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
        results = parts.cold({**COLD_CEILING, **LOADERS, **BLOCKS}, files, rounds)
        # How well each order mixes, 1 being a random permutation: what its speed costs.
        orders = {ECGSTORE: Shuffled(files.n_rows, SEED), **_blocks(files.n_rows)}
        for name, order in orders.items():
            results[name]["mixing"] = spread([mixing(order, BATCH_SIZE)])
            print(f"mixing, {name}: {results[name]['mixing']['median']:.2f}")
        return results
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


def _blocks(n_rows: int) -> dict[str, Order]:
    """Return the orders in blocks by the names of their contestants."""
    return dict.fromkeys(BLOCKS, blocks(n_rows))


def _large(options: argparse.Namespace, scratch: Path) -> Files:
    """Return the files with many rows."""
    return make_files(options.folder, scratch, options.large)


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    parser = parser_of(__doc__)
    add_count(parser, "--large", 43_101, "rows of the parts 'large' and 'memory'")
    add_count(parser, "--steps", 60, "training steps in a round")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="measure these only"
    )
    return parser


if __name__ == "__main__":
    main()
