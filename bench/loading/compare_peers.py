"""Time ecgstore's loader against other loaders, each with a format of its own.

::

    python -m bench.loading.compare_peers FOLDER [--rows N] [--rounds N] [--longest S]
        [--only NAME ...] [--scratch FOLDER] [--json PATH] [--plot PATH]

FOLDER holds Challenge records; they are repeated to as many rows as asked for, and
written once in the format of every peer, uncompressed. All contestants are asked for
the same rows in batches of 64, and yield the same: that is compared by checksums before
anything is timed. ``bench/peers`` tells how each is set up, and what else was tried.
Peers run in environments of their own, which ``make bench-peers`` makes. Needs Linux,
and for 8,004 rows 10 GB on the disk and as much memory for the page cache.
"""

import argparse
from typing import Any

from bench.common.measuring import add_count, print_table, write_json
from bench.loading.command import conditions, parser_of, scratch_folder
from bench.loading.contestants import (
    BESIDE_PEERS,
    CEILING,
    ENVIRONMENTS,
    PEER_WORKLOADS,
    PEERS,
    kinds_of,
)
from bench.loading.data import make_files
from bench.loading.parts import SHUFFLED, Kinds, throughput
from bench.loading.plot import plot
from bench.loading.turns import ContestantProcess
from bench.loading.workloads import WORKLOADS, Files


def main() -> None:
    """Measure all workloads, print tables, and write JSON and a plot if asked for."""
    options = _parser().parse_args()
    peers = kinds_of({name: PEERS[name] for name in options.only}, ENVIRONMENTS)
    results = {**conditions(options), "longest_epoch_s": options.longest}
    with scratch_folder(options) as scratch:
        files = make_files(options.folder, scratch, options.rows)
        results["peers"] = prepare(peers, files)
        results["throughput"] = {}
        for name in PEER_WORKLOADS:
            results["throughput"][name] = throughput(
                {**CEILING, **BESIDE_PEERS, **peers},
                files,
                WORKLOADS[name],
                options.rounds,
                seconds=options.longest,
            )
            write_json(options.json, results)  # what a later workload cannot lose
    if options.plot is not None:
        plot(results, options.plot)


def prepare(peers: Kinds, files: Files) -> dict[str, dict[str, Any]]:
    """Let the peers write their files, and say how long that took and how large.

    Returns
    -------
    dict
        Of every peer: ``versions``, ``prepare_s``, ``prepared_mb``.
    """
    results, table = {}, {}
    for name, kind in peers.items():
        with ContestantProcess(kind, files, SHUFFLED) as process:
            answer = process.ask("prepare")
        results[name] = {
            "versions": answer["versions"],
            "prepare_s": answer["wall"],
            "prepared_mb": answer["mb"],
        }
        versions = [f"{library} {text}" for library, text in answer["versions"].items()]
        table[name] = [
            f"{answer['wall']:.1f}", f"{answer['mb']:.0f}", ", ".join(versions)
        ]  # fmt: skip
    heading = f"files of their own, {files.n_rows} rows"
    print_table(heading, ["prepared in, s", "MB", "versions"], table)
    return results


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    parser = parser_of(__doc__)
    add_count(parser, "--longest", 5, "seconds after which an epoch is cut short")
    parser.add_argument(
        "--only", nargs="+", choices=PEERS, default=[*PEERS], help="these peers alone"
    )
    return parser


if __name__ == "__main__":
    main()
