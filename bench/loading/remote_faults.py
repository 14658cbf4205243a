"""Train for many epochs from a URL whose server fails all the time.

Example::

    python -m bench.loading.remote_faults store.h5 --epochs 20 --json faults.json

One request in twenty fails: with the status 503, a reset connection, half an answer,
one wrong bit, an answer that never comes, or one that never ends. Nothing is kept on
the disk, so that every epoch fetches every record. Batches are compared by SHA-256
with those of the file: once the fields that have checksums, and once, without wrong
bits, all fields. Threads, open files and memory are counted before and after.
"""

import gc
import hashlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ecgstore
from bench.common.command_line import add_count, benchmark_parser
from bench.common.report import write_json
from bench.common.server_process import served
from bench.common.tables import print_table
from ecgstore import pipes
from ecgstore.pipes.testing import digest as digest_of
from ecgstore.storage.remote import kept, line, object_reader

FAULTS: Final = ("503", "reset", "truncated", "wrong", "silent", "end")
PART: Final = 0.05
SILENCE_S: Final = 2
"""How long the reader waits here for an answer; 30 s outside of this benchmark."""

KEPT_BYTES: Final = 16 << 20
"""Bytes of rows that stay in memory; less than the store has, as of a large one."""

AHEAD_BYTES: Final = 8 << 20
"""Bytes that are requested ahead, as little."""

BATCH_SIZE: Final = 64

CHECKED: Final = ("signals", "labels", "age", "sex", "record_id", "dx")
"""Fields whose bytes have checksums, so that no wrong bit may reach a batch."""

UNCHECKED: Final = ("features", "fiducials", "r_peaks")
"""Fields of which single rows have none: the transport must notice a wrong bit."""

RUNS: Final = (
    (CHECKED, FAULTS),
    ((*CHECKED, *UNCHECKED), tuple(one for one in FAULTS if one != "wrong")),
)
"""Fields, and faults, of each run."""

MOST_MB_LEFT: Final = 64
"""Memory that may be in use at the end more than at the beginning: half of what one run
holds at a time, and much less than 20 epochs transfer."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, compare, and write JSON if a path is given.

    Raises
    ------
    SystemExit
        If a batch differs, or something is left open.
    """
    parser = benchmark_parser(
        "bench.loading.remote_faults", __doc__, folder="a store", rounds=None
    )
    add_count(parser, "--epochs", 20, "epochs of each run")
    options = parser.parse_args(arguments)
    for module, name, value in (
        (object_reader, "_SILENCE_S", SILENCE_S),
        (kept, "STREAM_BYTES", KEPT_BYTES),
        (line, "AHEAD_BYTES", AHEAD_BYTES),
    ):
        setattr(module, name, value)
    path: Path = options.folder
    expected = [_digest(path, options.epochs, fields)[0] for fields, _ in RUNS]
    with served(path, 0.0) as (url, _):
        _digest(url, 1, RUNS[-1][0])  # what is made once stays
    before = _open_things()
    transfers = object_reader.Transfers()
    found = []
    begin = time.perf_counter()
    for fields, faults in RUNS:
        parts = dict.fromkeys(faults, PART / len(faults))
        with served(path, 0.0, faults=parts) as (url, _):
            digest, of_run = _digest(url, options.epochs, fields)
        found.append(digest)
        transfers += of_run
    seconds = time.perf_counter() - begin
    time.sleep(1)  # until the last threads have ended
    after = _open_things()
    report = {
        "epochs": options.epochs,
        "runs": [
            {"fields": [*fields], "faults": [*faults], "same_sha256": one == other}
            for (fields, faults), one, other in zip(RUNS, found, expected, strict=True)
        ],
        "settings": {
            "silence_s": SILENCE_S,
            "kept_bytes": KEPT_BYTES,
            "ahead_bytes": AHEAD_BYTES,
        },
        "part_of_requests": PART,
        "requests": transfers.n_requests,
        "repeated": transfers.n_repeated,
        "seconds": seconds,
        "same_sha256": found == expected,
        "before": before,
        "after": after,
    }
    print_table(
        f"{options.epochs} epochs, {PART:.0%} of requests fail",
        ["before", "after"],
        {name: [str(before[name]), str(after[name])] for name in before},
    )
    print(
        f"{transfers.n_requests} requests ({transfers.n_repeated} repeated), "
        f"{seconds:.0f} s; batches are {'the same' if report['same_sha256'] else 'NOT'}"
    )
    write_json(options.json, report)
    if not report["same_sha256"]:
        raise SystemExit("batches differ from those of the file")
    if any(after[name] > before[name] for name in ("threads", "files")):
        raise SystemExit("threads or files were left open")
    if after["memory_mb"] > before["memory_mb"] + MOST_MB_LEFT:
        raise SystemExit(f"memory was not given back: {before} before, {after} after")


def _digest(
    place: str | Path, n_epochs: int, fields: Sequence[str]
) -> tuple[str, object_reader.Transfers]:
    """Return the SHA-256 of all batches, and what was transferred."""
    digest = hashlib.sha256()
    with ecgstore.open(place, cache=None) as store:
        loader = pipes.loader(
            store, BATCH_SIZE, shuffle="full", seed=5, fields=fields, dtype="int16"
        )
        for _ in range(n_epochs):
            for batch in loader:
                digest.update(digest_of(batch).encode())
        loader.close()
        return digest.hexdigest(), store.transfers


def _open_things() -> dict[str, Any]:
    """Return the number of threads that fetch, of files in memory, and the memory."""
    gc.collect()
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(link))
        except OSError:  # that of the listing itself
            continue
    maps = Path("/proc/self/maps").read_text().splitlines()
    status = Path("/proc/self/status").read_text().splitlines()
    rss = next(line.split()[1] for line in status if line.startswith("VmRSS"))
    return {
        "threads": sum(
            thread.name.startswith("ecgstore") for thread in threading.enumerate()
        ),
        "files": sum("memfd:ecgstore" in one for one in [*links, *maps]),
        "memory_mb": int(rss) // 1024,
    }


if __name__ == "__main__":
    main()
