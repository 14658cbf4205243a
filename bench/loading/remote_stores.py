"""Read a store over a slow link: time, requests and bytes, beside h5py on URLs.

Example::

    python -m bench.loading.remote_stores store.h5 --rounds 5 --json remote.json

A server in a process of its own sends ranges of the store, with the latency and the
speed of a link. Every round begins with an empty cache. The peers open the same store
with h5py, through the file objects of fsspec and of obstore, with blocks of the size
of a row. Requests are counted by the server, and times include all checks. Beside the
second epoch of a loop, that of a new process is timed, which compares what it finds in
the cache with its checksums.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np

import ecgstore
from bench.common.command_line import benchmark_parser
from bench.common.report import write_json
from bench.common.server_process import Counts, served
from bench.common.tables import print_table, ratios, spread, spread_text
from bench.common.timing import interleaved
from ecgstore import pipes
from ecgstore.pipes.orders.block_shuffled import BlockShuffled
from ecgstore.storage.remote import opening
from ecgstore.storage.rows import load_kernels

N_ROWS: Final = 64
BATCH_SIZE: Final = 64
NEAR_MS: Final = 20
FAR_MS: Final = 60
LINK_MB_S: Final = 100

GOALS: Final = {
    "open": "<= 2 requests",
    "select(folds=...)": "<= 2 requests",
    f"{N_ROWS} random rows": f"<= 0.2 s, {N_ROWS} requests, 1.05 x useful",
    "windows of one lead": "<= 1.2 x useful",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print tables, and write JSON if a path is given."""
    parser = benchmark_parser(
        "bench.loading.remote_stores", __doc__, folder="a store", rounds=5
    )
    options = parser.parse_args(arguments)
    store: Path = options.folder
    load_kernels()
    with served(store, NEAR_MS / 1e3) as (url, counts):
        near = _near(url, counts, store, options.rounds)
    with served(store, FAR_MS / 1e3, LINK_MB_S * 1e6) as (url, counts):
        far = _epochs(url, counts, store, options.rounds)
    write_json(options.json, {"rounds": options.rounds, "near": near, "epochs": far})


@contextmanager
def empty_cache() -> Iterator[None]:
    """Let stores at URLs be kept in a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ECGSTORE_CACHE"] = folder
        yield


class Read(NamedTuple):
    """What something that was read has taken.

    Attributes
    ----------
    s : float
        Seconds.
    n_requests, n_bytes : int
        Requests, and bytes that were sent.
    n_useful : int
        Bytes of the signals that were wanted; 0 for what is no signal.
    """

    s: float
    n_requests: int
    n_bytes: int
    n_useful: int = 0


def _near(url: str, counts: Counts, path: Path, rounds: int) -> dict[str, Any]:
    """Measure single reads; print and return them."""
    with ecgstore.open(path) as store:
        n, row_bytes = len(store), store.n_leads * store.n_samples * 2
    readers: dict[str, Callable[[np.ndarray], dict[str, Read]]] = {
        "ecgstore": lambda rows: _by_ecgstore(url, counts, rows),
        "h5py + fsspec": lambda rows: _by_h5py(_fsspec(url), counts, rows, row_bytes),
        "h5py + obstore": lambda rows: _by_h5py(_obstore(url), counts, rows, row_bytes),
    }
    found: dict[str, dict[str, list[Read]]] = {}
    turns = interleaved([*readers], rounds)
    for number, (name, is_counted) in enumerate(turns):
        rows = np.random.default_rng(number).choice(n, min(N_ROWS, n), replace=False)
        with empty_cache():
            counts()
            measured = readers[name](rows)
        for what, one in measured.items():
            if is_counted:
                found.setdefault(name, {}).setdefault(what, []).append(one)
    report = {
        f"{name}: {what}": {
            "s": spread(one.s for one in values),
            "requests": spread(float(one.n_requests) for one in values),
            "mb": spread(one.n_bytes / 1e6 for one in values),
            **(
                {"x_useful": spread(one.n_bytes / one.n_useful for one in values)}
                if values[0].n_useful
                else {}
            ),
        }
        for name, of_reader in found.items()
        for what, values in of_reader.items()
    }
    print_table(
        f"latency {NEAR_MS} ms",
        ["s, median (range)", "requests", "MB", "x useful bytes", "goal"],
        {
            name: [
                spread_text(row["s"], 3),
                f"{row['requests']['median']:.0f}",
                f"{row['mb']['median']:.2f}",
                f"{row['x_useful']['median']:.3f}" if "x_useful" in row else "",
                GOALS.get(name.partition(": ")[2], "")
                if name.startswith("ecgstore")
                else "",
            ]
            for name, row in report.items()
        },
    )
    return report


def _by_ecgstore(url: str, counts: Counts, rows: np.ndarray) -> dict[str, Read]:
    """Open, select, and read rows and windows."""
    measured = {}
    begin = time.perf_counter()
    with ecgstore.open(url) as store:
        measured["open"] = Read(time.perf_counter() - begin, *counts())
        begin = time.perf_counter()
        store.select(folds=range(8))
        measured["select(folds=...)"] = Read(time.perf_counter() - begin, *counts())
        begin = time.perf_counter()
        signals = store.signals(rows, dtype="int16")
        measured[f"{N_ROWS} random rows"] = Read(
            time.perf_counter() - begin, *counts(), signals.nbytes
        )
    with empty_cache(), ecgstore.open(url) as store:
        lead = store.lead_numbers(["V2"])
        # Opening has brought what is in front of the others.
        rows = rows[store.signal_rows.offsets[rows] >= opening._FIRST_BYTES]
        out = np.empty((len(rows), 1, 1000), np.int16)
        # The checksums of blocks are a table; it is fetched once, as a column is.
        gather = store.signal_rows.gather
        counts()
        begin = time.perf_counter()
        gather(rows[:1], out[:1], lead, np.full(1, 2000))()
        first = Read(time.perf_counter() - begin, *counts())
        begin = time.perf_counter()
        gather(rows[1:], out[1:], lead, np.full(len(rows) - 1, 2000))()
        others = Read(time.perf_counter() - begin, *counts(), out[1:].nbytes)
    measured["windows of one lead"] = others
    measured["windows of one lead, with the checksums of all"] = Read(
        first.s + others.s,
        first.n_requests + others.n_requests,
        first.n_bytes + others.n_bytes,
        out.nbytes,
    )
    return measured


def _by_h5py(
    file: Any, counts: Counts, rows: np.ndarray, row_bytes: int
) -> dict[str, Read]:
    """Open a store by h5py through a file object, and read rows."""
    measured = {}
    begin = time.perf_counter()
    with h5py.File(file, "r") as store:
        signals = store["signals"]
        measured["open"] = Read(time.perf_counter() - begin, *counts())
        begin = time.perf_counter()
        for row in rows.tolist():
            signals[row]
        measured[f"{N_ROWS} random rows"] = Read(
            time.perf_counter() - begin, *counts(), len(rows) * row_bytes
        )
    return measured


def _fsspec(url: str) -> Any:
    """Return a file object of fsspec, with blocks of the size of a row."""
    import fsspec  # type: ignore[import-untyped]

    filesystem = fsspec.filesystem("http", skip_instance_cache=True)
    return filesystem.open(url, block_size=1 << 17, cache_type="blockcache")


def _obstore(url: str) -> Any:
    """Return a file object of obstore, with a buffer of the size of a row."""
    import obstore
    from obstore.store import from_url

    folder, _, name = url.rpartition("/")
    store = from_url(folder, client_options={"allow_http": True})
    return _BytesReader(obstore.open_reader(store, name, buffer_size=1 << 17))


class _BytesReader:
    """A file object of obstore that reads bytes, as h5py expects."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.seek, self.tell = reader.seek, reader.tell

    def read(self, size: int) -> bytes:
        """Read some bytes."""
        return bytes(self._reader.read(size))


def _epochs(url: str, counts: Counts, path: Path, rounds: int) -> dict[str, Any]:
    """Measure whole epochs; print and return them."""
    names = ("first", "second", "local", "new_process", "new_process_local")
    speeds: dict[str, list[float]] = {name: [] for name in names}
    requests = []
    with ecgstore.open(path) as file:
        mb = len(file) * file.n_leads * file.n_samples * 2 / 1e6
        order = BlockShuffled(len(file), 0, 8, 64)
        mixing = pipes.mixing(order, batch_size=min(BATCH_SIZE, len(file)))
        _epoch(file)
        for _ in range(rounds):
            with empty_cache():
                with ecgstore.open(url) as store:
                    counts()
                    speeds["first"].append(mb / _epoch(store))
                    requests.append(float(counts()[0]))
                    speeds["second"].append(mb / _epoch(store))
                speeds["local"].append(mb / _epoch(file))
                speeds["new_process"].append(mb / _epoch_of_new_process(url))
                speeds["new_process_local"].append(mb / _epoch_of_new_process(path))
    report: dict[str, Any] = {
        "mixing": mixing,
        "requests": spread(requests),
        **{f"{name}_mb_s": spread(speeds[name]) for name in names},
        "of_link": spread(one / LINK_MB_S for one in speeds["first"]),
        "second_of_local": ratios(speeds["second"], speeds["local"]),
        "new_process_of_local": ratios(
            speeds["new_process"], speeds["new_process_local"]
        ),
    }
    rows = {
        "first epoch": ("first", "of_link", ">= 0.9"),
        "second epoch, from the cache": ("second", "second_of_local", ">= 0.95"),
        "the file itself": ("local", "", ""),
        "first epoch of a new process, from the cache": (
            *("new_process", "new_process_of_local", ""),
        ),
        "the file itself in a new process": ("new_process_local", "", ""),
    }
    print_table(
        f"epochs, latency {FAR_MS} ms, {LINK_MB_S} MB/s, mixing {mixing:.2f}",
        ["MB/s, median (range)", "of the link, or of the file", "goal"],
        {
            title: [
                spread_text(report[f"{name}_mb_s"], 1),
                spread_text(report[ratio], 2) if ratio else "",
                goal,
            ]
            for title, (name, ratio, goal) in rows.items()
        },
    )
    return report


def _epoch_of_new_process(place: str | Path) -> float:
    """Return the seconds of the first epoch of a process that has just started."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_first_epoch, (place,))


def _first_epoch(place: str | Path) -> float:
    """Return the seconds of an epoch, without those of opening."""
    load_kernels()
    with ecgstore.open(place) as store:
        return _epoch(store)


def _epoch(store: ecgstore.Store) -> float:
    """Return the seconds of an epoch, in the default order of stores at URLs."""
    order = BlockShuffled(len(store), 0, 8, 64)
    begin = time.perf_counter()
    for _ in pipes.loader(store, BATCH_SIZE, order=order, dtype="int16"):
        pass
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
