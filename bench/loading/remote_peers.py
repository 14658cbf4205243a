"""Stream shuffled records over a slow link, beside loaders of other projects.

Example::

    python -m bench.loading.remote_peers data/challenge-2020/training --rounds 3

The Challenge records of the folder are repeated to a number of rows and written once in
the format of every peer, uncompressed. One server on this machine sends all of them,
with the latency and the speed of a link, which all requests share. Every measurement
has a new process and an empty cache. Peers run in environments of their own, which
``make bench-peers`` makes; their modules in ``bench/loading/peers/remote`` describe
their configuration. An epoch of the small number of rows is checked: nothing is timed
unless all loaders yield the same records. Needs Linux.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.common.command_line import add_count
from bench.common.processes import memory_mb
from bench.common.report import write_json
from bench.common.server_process import Counts, served
from bench.common.tables import Spread, print_table, ratios, spread, spread_text
from bench.common.timing import interleaved
from bench.loading.command_line import conditions, loading_parser, scratch_folder
from bench.loading.compare_peers import prepare
from bench.loading.measurements import SHUFFLED, check
from bench.loading.registry import (
    CACHED,
    ENVIRONMENTS,
    LOCAL,
    REMOTE_FILES,
    ROW_READERS,
    ROW_READING_PEERS,
    STREAMERS,
    STREAMING_PEERS,
    classes_of,
)
from bench.loading.remote_stores import FAR_MS, LINK_MB_S
from bench.loading.repeated_records import make_files
from bench.loading.subprocesses import Answers, LoaderClass, LoaderProcess
from bench.loading.workloads import BATCH_SIZE, Files
from ecgstore.arrays import IntArray
from ecgstore.pipes import Order, mixing

ROW_BYTES: Final = 12 * 5000 * 2
_POLL_S: Final = 0.2


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print tables, and write JSON if a path is given."""
    parser = loading_parser(
        "bench.loading.remote_peers", __doc__, rows=6_003, rounds=3, plots=False
    )
    add_count(parser, "--small", 667, "rows of the check, and of the smaller memory")
    add_count(parser, "--random", 256, "records that are read one by one")
    add_count(parser, "--longest", 90, "seconds after which an epoch is cut short")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=STREAMING_PEERS,
        default=[*STREAMING_PEERS],
        metavar="NAME",
        help=f"compare with these peers only, of: {'; '.join(STREAMING_PEERS)}",
    )
    options = parser.parse_args(arguments)
    streamers, row_readers, writers = (
        classes_of(_chosen(peers, options.only), ENVIRONMENTS)
        for peers in (STREAMING_PEERS, ROW_READING_PEERS, REMOTE_FILES)
    )
    streamers, row_readers = STREAMERS | streamers, ROW_READERS | row_readers
    results = {
        **conditions(options),
        "latency_ms": FAR_MS,
        "link_mb_s": LINK_MB_S,
        "small_rows": options.small,
        "random_records": options.random,
        "longest_epoch_s": options.longest,
    }
    with scratch_folder(options) as scratch:
        small = make_files(options.folder, scratch, options.small)
        large = make_files(options.folder, scratch, options.rows)
        prepare(writers, small)
        results["peers"] = prepare(writers, large)
        few = _checked_epochs(streamers, small, options.longest)
        answers = _in_rounds(streamers, large, options.rounds, options.longest)
        results["shuffled"] = _shuffled(answers, few, large.n_rows)
        write_json(options.json, results)  # kept if a later measurement fails
        answers = _in_rounds(
            row_readers, large, options.rounds, options.longest, options.random
        )
        results["random"] = _random(answers)
        results["cached"] = _cached(large, options.rounds)
    write_json(options.json, results)


def _chosen(peers: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the peers with some names, as far as there are any."""
    return {name: peer for name, peer in peers.items() if name in names}


def _checked_epochs(
    loaders: Mapping[str, LoaderClass], files: Files, longest: float
) -> dict[str, dict[str, Any]]:
    """Stream an epoch by every loader, after the content of another one was checked."""
    answers = {}
    with served(Path(files.store), FAR_MS / 1e3, LINK_MB_S * 1e6) as (url, counts):
        for name, loader in loaders.items():
            with (
                tempfile.TemporaryDirectory() as cache,
                _process(loader, files, url, cache) as process,
            ):
                process.run("load")
                process.run("open")
                check(name, process, ignored=("batches",))
            answers[name] = _measured(loader, files, url, counts, longest)
    return answers


def _in_rounds(
    loaders: Mapping[str, LoaderClass],
    files: Files,
    rounds: int,
    longest: float,
    records: int | None = None,
) -> Answers:
    """Return what all loaders measured, in interleaved rounds."""
    answers: Answers = {name: [] for name in loaders}
    with served(Path(files.store), FAR_MS / 1e3, LINK_MB_S * 1e6) as (url, counts):
        # Files were written just now, and processes begin anew: nothing is to be
        # warmed, and the first round counts.
        for name, _ in interleaved([*loaders], rounds - 1):
            answers[name].append(
                _measured(loaders[name], files, url, counts, longest, records)
            )
    return answers


def _measured(
    loader: LoaderClass,
    files: Files,
    url: str,
    counts: Counts,
    longest: float,
    records: int | None = None,
) -> dict[str, Any]:
    """Stream an epoch in a new process, from an empty cache.

    Returns
    -------
    dict
        The answer of `remote_process`, and ``open``: seconds; ``requests``; ``bytes``;
        ``mb``: the highest memory beyond the imports.
    """
    with (
        tempfile.TemporaryDirectory() as cache,
        _process(loader, files, url, cache) as process,
    ):
        process.run("load")
        counts()
        before = memory_mb(process.session)
        opened = process.run("open")["wall"]
        process.send("stream", seconds=longest, records=records)
        peak = memory_mb(process.session)
        while not process.has_answer(_POLL_S):
            peak = max(peak, memory_mb(process.session))
        answer = process.answer()
        requests, n_bytes = counts()
    return {
        **answer,
        "open": opened,
        "requests": requests,
        "bytes": n_bytes,
        "mb": max(0.0, peak - before),
    }


def _process(loader: LoaderClass, files: Files, url: str, cache: str) -> LoaderProcess:
    """Start the process of a loader."""
    return LoaderProcess(loader, files, SHUFFLED, (url.rpartition("/")[0], cache))


def _shuffled(
    answers: Answers, few: Mapping[str, Mapping[str, Any]], n_rows: int
) -> dict[str, dict[str, Any]]:
    """Print and return speed, mixing, bytes, requests and memory of shuffled epochs."""
    results, table = {}, {}
    for name, of_loader in answers.items():
        row = results[name] = {
            "mb_s": spread(_speeds(of_loader)),
            "of_link": spread(speed / LINK_MB_S for speed in _speeds(of_loader)),
            "of_ecgstore": ratios(_speeds(of_loader), _speeds(answers[CACHED])),
            "first_batch_s": spread(one["open"] + one["first"] for one in of_loader),
            "after_first_batch_mb_s": spread(map(_speed_after_first, of_loader)),
            "mixing": spread(_mixing(one["rows"], n_rows) for one in of_loader),
            "x_useful_bytes": spread(map(_bytes_a_row, of_loader)),
            "requests": spread(float(one["requests"]) for one in of_loader),
            "processor_cores": spread(one["cpu"] / one["wall"] for one in of_loader),
            "memory_mb": spread(one["mb"] for one in of_loader),
            "memory_of_small_mb": spread([few[name]["mb"]]),
            "rows_seen": spread(float(len({*one["rows"]})) for one in of_loader),
        }
        table[name] = [
            spread_text(row["of_link"], 2),
            spread_text(row["after_first_batch_mb_s"], 0),
            spread_text(row["first_batch_s"], 1),
            f"{row['mixing']['median']:.2f}",
            f"{row['x_useful_bytes']['median']:.2f}",
            f"{row['requests']['median']:.0f}",
            f"{row['processor_cores']['median']:.1f}",
            f"{row['memory_of_small_mb']['median']:.0f}",
            spread_text(row["memory_mb"], 0),
        ]
    columns = [
        "of the link",
        "MB/s after the first batch",
        "first batch, s",
        "mixing",
        "x bytes",
        "requests",
        "cores",
        "MB, few rows",
        "MB",
    ]
    heading = f"shuffled, {n_rows} rows, {FAR_MS} ms, {LINK_MB_S} MB/s"
    print_table(heading, columns, table)
    return results


def _random(answers: Answers) -> dict[str, dict[str, Spread]]:
    """Print and return the rates of records that are read by their numbers."""
    results, table = {}, {}
    rates = {
        name: [len(one["rows"]) / (one["open"] + one["wall"]) for one in of_loader]
        for name, of_loader in answers.items()
    }
    for name, of_loader in answers.items():
        row = results[name] = {
            "records_per_s": spread(rates[name]),
            "ecgstore_x": ratios(rates[CACHED], rates[name]),
            "x_useful_bytes": spread(map(_bytes_a_row, of_loader)),
            "requests": spread(float(one["requests"]) for one in of_loader),
        }
        table[name] = [
            spread_text(row["records_per_s"], 0),
            spread_text(row["ecgstore_x"], 1),
            f"{row['x_useful_bytes']['median']:.1f}",
            f"{row['requests']['median']:.0f}",
        ]
    columns = ["records/s", "ecgstore is x times as fast", "x bytes", "requests"]
    print_table("records in random order, one by one", columns, table)
    return results


def _cached(files: Files, rounds: int) -> dict[str, Spread]:
    """Print and return the speed of a third epoch, beside that of the file itself."""
    speeds: dict[str, list[float]] = {"cache": [], "file": []}
    with (
        served(Path(files.store), 0.0) as (url, _),
        tempfile.TemporaryDirectory() as folder,
        _process(STREAMERS[CACHED], files, url, folder) as cached,
        _process(LOCAL, files, url, folder) as local,
    ):
        processes = {"cache": cached, "file": local}
        for process in processes.values():
            process.run("load")
            process.run("open")
            process.run("stream", seconds=1e9)
        for name, counts in interleaved([*processes], rounds):
            wall = processes[name].run("stream", seconds=1e9)["wall"]
            if counts:
                speeds[name].append(files.n_rows * ROW_BYTES / 1e6 / wall)
    results = {
        "cache_mb_s": spread(speeds["cache"]),
        "file_mb_s": spread(speeds["file"]),
        "cache_of_file": ratios(speeds["cache"], speeds["file"]),
    }
    print_table(
        "later epochs of ecgstore",
        ["MB/s", "of the file"],
        {
            "from the cache": [
                spread_text(results["cache_mb_s"], 0),
                spread_text(results["cache_of_file"], 2),
            ],
            "the file itself": [spread_text(results["file_mb_s"], 0)],
        },
    )
    return results


def _speeds(answers: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return MB/s of whole epochs, with their beginning."""
    return [
        len(one["rows"]) * ROW_BYTES / 1e6 / (one["open"] + one["wall"])
        for one in answers
    ]


def _speed_after_first(answer: Mapping[str, Any]) -> float:
    """Return MB/s between the first batch and the last."""
    seconds = float(answer["wall"] - answer["first"])
    return (len(answer["rows"]) - BATCH_SIZE) * ROW_BYTES / 1e6 / max(seconds, 1e-9)


def _bytes_a_row(answer: Mapping[str, Any]) -> float:
    """Return the bytes that were sent, over those of the records that were yielded."""
    return float(answer["bytes"] / (len(answer["rows"]) * ROW_BYTES))


@dataclass(frozen=True)
class _Seen(Order):
    """The order in which rows came."""

    n: int
    rows: IntArray

    def __len__(self) -> int:
        return len(self.rows)

    def _indices(self, epoch: int, positions: IntArray) -> IntArray:
        del epoch
        return self.rows[positions]

    def describe(self) -> dict[str, int | str]:
        """Return nothing that a state could need."""
        return {"order": "seen"}


def _mixing(rows: Sequence[int], n_rows: int) -> float:
    """Return the mixing of the order in which rows came."""
    return mixing(_Seen(n_rows, np.array(rows, np.int64)), BATCH_SIZE)


if __name__ == "__main__":
    main()
