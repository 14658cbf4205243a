"""Without a cache, rows that were read are dropped, and nothing else changes."""

import hashlib
import multiprocessing
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import ecgstore
from bench.common.range_server import Server
from ecgstore import pipes
from ecgstore.errors import EcgStoreError
from ecgstore.storage.remote import kept, line, opening, units

ROW_BYTES = 12 * 5000 * 2

pytestmark = pytest.mark.skipif(
    not hasattr(os, "memfd_create"), reason="the system has no files in memory"
)


def memory_of(store: ecgstore.Store) -> int:
    """Return the bytes that the copies of a store take."""
    return sum(mirror.path.stat().st_blocks * 512 for mirror in store.mirrors)


def digest_of(batch: pipes.Batch) -> bytes:
    """Return a digest of what a batch holds."""
    digest = hashlib.sha256()
    for name in ("signals", "features", "fiducials", "rows"):
        digest.update(getattr(batch, name).numpy().tobytes())
    return digest.digest()


@pytest.mark.parametrize(
    ("leads", "window"), [(None, None), (["V1", "II"], pipes.RandomCrop(1500))]
)
def test_memory_is_bounded_and_batches_are_the_same(
    url: str,
    sample_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    leads: list[str] | None,
    window: pipes.RandomCrop | None,
) -> None:
    limit, ahead, batch_size = 8 * ROW_BYTES, 4 * ROW_BYTES, 4
    monkeypatch.setattr(kept, "STREAM_BYTES", limit)
    monkeypatch.setattr(line, "AHEAD_BYTES", ahead)
    found, peak = [], 0
    with ecgstore.open(url, cache=None) as store:
        columns = memory_of(store) + (1 << 20)  # and those that come later
        loader = pipes.loader(
            store,
            batch_size,
            shuffle="full",
            seed=3,
            fields=["signals", "features", "fiducials"],
            leads=leads,
            window=window,
        )
        for _ in range(3):
            for batch in loader:
                found.append(digest_of(batch))
                peak = max(peak, memory_of(store))
    if leads is None:
        # What the loader holds, and twice what it asks for together.
        assert peak <= columns + limit + 2 * ahead + 4 * batch_size * ROW_BYTES
        assert peak < sample_store.stat().st_size
    with ecgstore.open(sample_store) as store:
        loader = pipes.loader(
            store,
            batch_size,
            shuffle="full",
            seed=3,
            fields=["signals", "features", "fiducials"],
            leads=leads,
            window=window,
        )
        expected = [digest_of(batch) for _ in range(3) for batch in loader]
    assert found == expected


def test_a_batch_larger_than_the_limit_is_whole(
    url: str, sample_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "STREAM_BYTES", 1)
    rows = np.arange(40)
    with (
        ecgstore.open(url, cache=None) as store,
        ecgstore.open(sample_store) as local,
    ):
        for _ in range(2):
            assert (store.signals(rows) == local.signals(rows)).all()
        assert store.features().equals(local.features())
        np.testing.assert_array_equal(
            store.table("fiducials")[:, 3], local.table("fiducials")[:, 3]
        )


def test_nothing_is_written(url: str, cache: Path) -> None:
    with ecgstore.open(url, cache=None) as store:
        store.signals([40])
        assert store.keeps_nothing
    assert not cache.exists()


def test_off_is_a_cache_that_keeps_nothing(
    url: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGSTORE_CACHE", "off")
    with ecgstore.open(url) as store:
        assert store.signals([40]).any()
        assert store.keeps_nothing
    with pytest.raises(EcgStoreError, match="ECGSTORE_CACHE is off"):
        ecgstore.fetch(url, quiet=True)
    assert not cache.exists()


def test_a_folder_is_a_cache(url: str, cache: Path, tmp_path: Path) -> None:
    with ecgstore.open(url, cache=tmp_path / "own") as store:
        assert store.signals([40]).any()
    assert [*(tmp_path / "own").iterdir()]
    assert not cache.exists()


def test_a_fetched_file_is_the_store(
    url: str, sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGSTORE_CACHE", "off")
    monkeypatch.setattr(kept, "STREAM_BYTES", 1)
    monkeypatch.setattr(line, "AHEAD_BYTES", 2 * ROW_BYTES)
    out = ecgstore.fetch(url, tmp_path / "copy.h5", quiet=True)
    assert out is not None
    assert out.read_bytes() == sample_store.read_bytes()


def _first_batch(store: ecgstore.Store, results: "multiprocessing.Queue[str]") -> None:
    try:
        results.put(str(store.signals([0]).any()))
    except EcgStoreError as error:
        results.put(str(error))


def test_a_forked_process_does_not_read_what_its_parent_may_drop(url: str) -> None:
    with ecgstore.open(url, cache=None) as store:
        store.signals([0])
        context = multiprocessing.get_context("fork")
        results: multiprocessing.Queue[str] = context.Queue()
        child = context.Process(target=_first_batch, args=(store, results))
        child.start()
        assert "forkserver" in results.get(timeout=60)
        child.join(60)


def test_no_memory_is_left(url: str, server: Server) -> None:
    def cycle() -> None:
        with ecgstore.open(url, cache=None) as store:
            store.signals([40])
        server.faults = {"503": 1.0}
        with pytest.raises(EcgStoreError):
            ecgstore.open(url, cache=None)
        server.faults = {}

    cycle()
    before = _files_in_memory()
    for _ in range(5):
        cycle()
    assert _files_in_memory() == before == 0


def _files_in_memory() -> int:
    """Return how many files in memory this process has open or mapped."""
    if sys.platform != "linux":
        return 0
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(link))
        except OSError:
            continue
    maps = Path("/proc/self/maps").read_text().splitlines()
    return sum("memfd:ecgstore" in one for one in [*links, *maps])


def test_columns_stay_that_are_fetched_in_pieces(
    url: str, sample_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of large stores are; a view of them is kept for ever."""
    monkeypatch.setattr(opening, "_FIRST_BYTES", 1 << 17)
    monkeypatch.setattr(units, "MOST_BYTES", 64)
    of_table = opening._of_table

    def in_rows(name: str, dataset: h5py.Dataset, begin: int) -> units.Region:
        if name != "records/sha256":
            return of_table(name, dataset, begin)
        row_bytes = dataset.nbytes // len(dataset)
        return units.region(begin, row_bytes, len(dataset))

    monkeypatch.setattr(opening, "_of_table", in_rows)
    monkeypatch.setattr(kept, "STREAM_BYTES", 1)
    with (
        ecgstore.open(url, cache=None) as store,
        ecgstore.open(sample_store) as local,
    ):
        column = store.table("records/sha256")
        for row in range(10, 40):
            store.signals([row])
        assert (column == local.table("records/sha256")).all()


def test_parts_share_one_limit(
    sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 4 * ROW_BYTES
    monkeypatch.setattr(kept, "STREAM_BYTES", limit)
    monkeypatch.setattr(line, "AHEAD_BYTES", 2 * ROW_BYTES)
    parts = [tmp_path / f"{number}.h5" for number in range(5)]
    with ecgstore.open(sample_store) as store:
        for number, part in enumerate(parts):
            rows = store.select(rows=range(number, len(store), len(parts)))
            ecgstore.write_subset(rows, part)
    ecgstore.collect(parts, tmp_path / "all.h5")
    server = Server(tmp_path)
    try:
        with (
            ecgstore.open(server.url("all.h5"), cache=None) as store,
            ecgstore.open(tmp_path / "all.h5") as local,
        ):
            of_columns = memory_of(store) + (1 << 20)
            expected = local.signals(range(len(local)))
            for _ in range(2):
                for row in np.random.default_rng(0).permutation(len(store)).tolist():
                    assert (store.signals([row])[0] == expected[row]).all()
                    assert memory_of(store) <= of_columns + limit + 2 * ROW_BYTES
            loader = pipes.loader(store, 4, shuffle="full")
            for batch in loader:
                assert (np.asarray(batch.signals) == expected[batch.rows.numpy()]).all()
    finally:
        server.close()
