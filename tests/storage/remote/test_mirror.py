"""What ends in the middle leaves a cache that is right, and nobody waiting."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import ecgstore
from bench.common.range_server import Server
from ecgstore.errors import EcgStoreError, StoreClosedError
from ecgstore.storage.remote import line, opening
from ecgstore.storage.remote.line import Line
from ecgstore.storage.remote.mirror import Mirror
from ecgstore.system.atomic_files import replace_file

_FIRST_BYTES: Final = 1 << 16
"""Bytes of the first request, so that it does not bring all tables."""


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until another thread has done something."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def in_thread(read: Callable[[], object]) -> tuple[threading.Thread, list[Any]]:
    """Call a function in a thread; it appends what it returns or raises to a list."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(read())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


def mirror_of(store: ecgstore.Store) -> Mirror:
    """Return the mirror of an open store."""
    file = store.signal_rows.file
    assert isinstance(file, Mirror)
    return file


def late_table(store: ecgstore.Store, local: ecgstore.Store) -> str:
    """Return a table that is not zero and was not fetched with the head."""
    for name, place in local.tables.locations.items():
        if (place.offset or 0) > 4 * _FIRST_BYTES and np.any(local.table(name)[:]):
            return name
    raise AssertionError


def test_a_store_closed_during_a_fetch_marks_nothing(
    url: str, server: Server, sample_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_FIRST_BYTES", _FIRST_BYTES)
    with ecgstore.open(sample_store) as local:
        store = ecgstore.open(url)
        name = late_table(store, local)
        server.gate.clear()
        thread, results = in_thread(lambda: store.table(name)[:])
        wait_for(lambda: bool(server.waiting))
        store.close()
        thread.join(60)  # whoever waits is told, and waits no more
        assert isinstance(results[0], StoreClosedError)
        server.gate.set()
        wait_for(lambda: "ecgstore-fetch" not in names_of_threads())
        with ecgstore.open(url) as again:
            np.testing.assert_array_equal(again.table(name)[:], local.table(name)[:])


def names_of_threads() -> str:
    """Return the names of all threads."""
    return " ".join(thread.name for thread in threading.enumerate())


def test_a_mark_without_its_data_is_not_trusted(
    url: str, sample_store: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_FIRST_BYTES", _FIRST_BYTES)
    ecgstore.fetch(url, quiet=True)
    (data,) = cache.rglob("*.mirror")
    data.write_bytes(b"\0" * data.stat().st_size)  # as a crash of the machine leaves it
    with ecgstore.open(url) as store, ecgstore.open(sample_store) as local:
        for name in local.tables:
            np.testing.assert_array_equal(
                store.table(name)[:], local.table(name)[:], name
            )
        rows = np.arange(len(local))
        assert (store.signals(rows) == local.signals(rows)).all()


def test_a_full_disk_is_an_error_and_marks_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch, sample_store: Path
) -> None:
    write = os.pwrite
    with ecgstore.open(url) as store, ecgstore.open(sample_store) as local:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full_after(1000))
            with pytest.raises(EcgStoreError, match=r"No space left.*ECGSTORE_CACHE"):
                store.signals([40])
        # A system may write a part; the rest follows.
        half = lambda fd, content, at: write(fd, content[: len(content) // 2 + 1], at)  # noqa: E731
        monkeypatch.setattr(os, "pwrite", half)
        assert (store.signals([40]) == local.signals([40])).all()
    with ecgstore.open(url) as store, ecgstore.open(sample_store) as local:
        assert (store.signals([40]) == local.signals([40])).all()


def full_after(n_bytes: int) -> Callable[[int, memoryview, int], int]:
    """Return a function that writes some bytes, and then finds the disk full."""
    write, left = os.pwrite, [n_bytes]

    def write_some(descriptor: int, content: memoryview, offset: int) -> int:
        if not left[0]:
            raise OSError(28, os.strerror(28))
        n = write(descriptor, content[: left[0]], offset)
        left[0] -= n
        return n

    return write_some


def test_all_threads_get_the_error(url: str, server: Server) -> None:
    with ecgstore.open(url) as store:
        store.signals([0])
        server.faults = {"503": 1.0}
        every = [in_thread(partial(failures, store, row)) for row in (40, 41, 42, 43)]
        for thread, results in every:
            thread.join(120)
            assert results, "a thread still waits"
            assert results[0] is None
        server.faults = {}
        assert store.signals([40]).any()


def failures(store: ecgstore.Store, row: int) -> None:
    """Read a row again and again that cannot be read."""
    for _ in range(20):
        with pytest.raises(EcgStoreError, match="after 9 attempts"):
            store.signals([row])


def test_readahead_that_fails_fails_nothing_else(url: str, server: Server) -> None:
    with ecgstore.open(url) as store:
        store.signals([0])
        server.faults = {"503": 1.0}
        mirror = mirror_of(store)
        offsets = store.signal_rows.offsets[np.array([35])]
        mirror.will_need(offsets, 120_000)
        wait_for(lambda: mirror._error is not None)
        server.faults = {}
        assert store.signals([40]).any()
        assert store.signals([35]).any()


def test_an_interrupted_request_is_made_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with ecgstore.open(url) as store:
        store.signals([0])
        with monkeypatch.context() as patch:
            patch.setattr(Line, "submit", interrupt)
            with pytest.raises(KeyboardInterrupt):
                store.signals([40])
        thread, results = in_thread(lambda: store.signals([40]))
        thread.join(60)
        assert np.any(results[0])


def test_bytes_in_flight_are_limited(
    url: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ecgstore.open(url) as store:
        store.signals([0])
        monkeypatch.setattr(line, "AHEAD_BYTES", 300_000)
        server.gate.clear()
        thread, results = in_thread(lambda: store.signals([20, 25, 30, 35, 40]))
        wait_for(lambda: len(server.waiting) == 3)  # 120 kB each
        assert mirror_of(store)._line._bytes_asked == 360_000
        server.gate.set()
        thread.join(60)
        assert np.any(results[0])


def test_a_removed_cache_does_not_reach_a_copy(
    url: str,
    sample_store: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def replace(*arguments: Any) -> Any:
        shutil.rmtree(cache)
        ecgstore.open(url).close()  # another process, which has fetched little
        return replace_file(*arguments)

    monkeypatch.setattr("ecgstore.stores.replace_file", replace)
    out = ecgstore.fetch(url, tmp_path / "copy.h5", quiet=True)
    assert out is not None
    assert out.read_bytes() == sample_store.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
def test_nothing_is_left_open(url: str, server: Server) -> None:
    def cycle() -> None:
        with ecgstore.open(url) as store:
            store.signals([40])
        server.faults = {"503": 1.0}
        with pytest.raises(EcgStoreError):
            ecgstore.open(url)
        server.faults = {}
        with pytest.raises(EcgStoreError):
            ecgstore.open(server.url("text.h5"))

    (server.folder / "text.h5").write_text("no store")
    try:
        cycle()
        wait_for(lambda: "ecgstore-fetch" not in names_of_threads())
        before = names_open()
        for _ in range(10):
            cycle()
        wait_for(lambda: "ecgstore-fetch" not in names_of_threads())
        assert names_open() <= before
    finally:
        (server.folder / "text.h5").unlink()


def names_open() -> int:
    """Return the number of files of caches that this process has open or mapped."""
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(link))
        except OSError:
            continue
    maps = Path("/proc/self/maps").read_text().splitlines()
    return sum(line.endswith((".mirror", "marks")) for line in [*links, *maps])
