"""Time ecgstore's loader against loaders of other projects, with their own formats.

Example::

    python -m bench.loading.compare_peers data/challenge-2020/training --only webdataset

The Challenge records of the folder are repeated to a number of rows and written once in
the format of every peer, uncompressed. All loaders yield the same rows in batches of
64; nothing is timed unless checksums agree. The modules in ``bench/loading/peers``
describe the configuration of each peer, and others that were tried. Peers run in
environments of their own, which ``make bench-peers`` makes. Needs Linux, and for 8,004
rows 10 GB of disk and as much memory for the page cache.
"""

from collections.abc import Sequence
from typing import Any

from bench.common.command_line import add_count
from bench.common.report import write_json
from bench.common.tables import print_table
from bench.loading.command_line import conditions, loading_parser, scratch_folder
from bench.loading.measurements import SHUFFLED, LoaderClasses, throughput
from bench.loading.plot import plot
from bench.loading.registry import (
    BESIDE_PEERS,
    CEILING,
    ENVIRONMENTS,
    PEER_WORKLOADS,
    PEERS,
    classes_of,
)
from bench.loading.repeated_records import make_files
from bench.loading.subprocesses import LoaderProcess
from bench.loading.workloads import WORKLOADS, Files


def main(arguments: Sequence[str] | None = None) -> None:
    """Time all workloads, print tables, write JSON and a plot if paths are given."""
    parser = loading_parser("bench.loading.compare_peers", __doc__)
    add_count(parser, "--longest", 5, "seconds after which an epoch is cut short")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PEERS,
        default=[*PEERS],
        metavar="NAME",
        help=f"time only these peers, of: {'; '.join(PEERS)}",
    )
    options = parser.parse_args(arguments)
    peers = classes_of({name: PEERS[name] for name in options.only}, ENVIRONMENTS)
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
            write_json(options.json, results)  # kept if a later workload fails
    if options.plot is not None:
        plot(results, options.plot)


def prepare(peers: LoaderClasses, files: Files) -> dict[str, dict[str, Any]]:
    """Write the files of the peers' own formats; print and return time and size.

    Returns
    -------
    dict
        By peer: ``versions``, ``prepare_s``, ``prepared_mb``.
    """
    results, table = {}, {}
    for name, peer in peers.items():
        with LoaderProcess(peer, files, SHUFFLED) as process:
            answer = process.run("prepare")
        results[name] = {
            "versions": answer["versions"],
            "prepare_s": answer["wall"],
            "prepared_mb": answer["mb"],
        }
        versions = [f"{library} {text}" for library, text in answer["versions"].items()]
        table[name] = [
            f"{answer['wall']:.1f}",
            f"{answer['mb']:.0f}",
            ", ".join(versions),
        ]
    heading = f"files of the peers' formats, {files.n_rows} rows"
    print_table(heading, ["written in, s", "MB", "versions"], table)
    return results


if __name__ == "__main__":
    main()
