"""A range server in a process of its own, which a client's memory does not hold."""

import json
import multiprocessing
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.common.range_server import Server

Counts = Callable[[], tuple[int, int]]
"""Returns the requests and the bytes since the last call."""


@contextmanager
def served(
    store: Path,
    latency_s: float,
    bytes_per_s: float = float("inf"),
    faults: Mapping[str, float] | None = None,
) -> Iterator[tuple[str, Counts]]:
    """Serve a store, with faults; yield its URL and a function that counts."""
    context = multiprocessing.get_context("spawn")
    urls: Any = context.Queue()
    process = context.Process(
        target=_serve,
        args=(store, latency_s, bytes_per_s, dict(faults or {}), urls),
        daemon=True,
    )
    process.start()
    url = urls.get()

    def counts() -> tuple[int, int]:
        with urllib.request.urlopen(url.rpartition("/")[0] + "/counts") as answer:
            n_requests, n_bytes = json.load(answer)
        return n_requests, n_bytes

    try:
        yield url, counts
    finally:
        process.terminate()
        process.join()


def _serve(
    store: Path,
    latency_s: float,
    bytes_per_s: float,
    faults: Mapping[str, float],
    urls: Any,
) -> None:
    """Serve a store until the process ends."""
    server = Server(store.parent, latency_s, bytes_per_s=bytes_per_s, counts="counts")
    server.faults = {**faults}
    urls.put(server.url(store.name))
    time.sleep(1e9)
