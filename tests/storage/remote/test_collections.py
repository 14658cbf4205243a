"""A collection at a URL, of parts at URLs, is the collection."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ecgstore
from bench.common.range_server import Server
from ecgstore import pipes
from ecgstore.errors import EcgStoreError
from ecgstore.storage.verify import verify
from ecgstore.stores import _copies

N_PARTS = 3


@pytest.fixture(scope="module")
def folder(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a collection of the sample store in parts."""
    folder = tmp_path_factory.mktemp("collection")
    (folder / "parts").mkdir()
    with ecgstore.open(sample_store) as store:
        for number in range(N_PARTS):
            part = folder / "parts" / f"{number}.h5"
            rows = store.select(rows=range(number, len(store), N_PARTS))
            ecgstore.write_subset(rows, part)
    ecgstore.collect(sorted((folder / "parts").iterdir()), folder / "all.h5")
    return folder


@pytest.fixture
def served(folder: Path) -> Iterator[Server]:
    """Serve the folder."""
    server = Server(folder)
    yield server
    server.close()


@pytest.mark.parametrize("cache", ["default", None])
def test_all_tables_are_those_of_the_file(
    folder: Path, served: Server, cache: str | None
) -> None:
    url = served.url("all.h5")
    with (
        ecgstore.open(url, cache=cache) as remote,
        ecgstore.open(folder / "all.h5") as local,
    ):
        assert len(served.ranges) <= 2
        for name in local.tables:
            np.testing.assert_array_equal(
                remote.table(name)[:], local.table(name)[:], name
            )
        rows = np.random.default_rng(0).permutation(len(local))
        assert (remote.signals(rows) == local.signals(rows)).all()
        assert remote.records.equals(local.records)
        assert remote.fingerprint == local.fingerprint
        assert remote.parts == tuple(
            served.url(f"parts/{number}.h5") for number in range(N_PARTS)
        )


def test_requests_are_few(served: Server) -> None:
    row_bytes = 12 * 5000 * 2
    with ecgstore.open(served.url("all.h5")) as store:
        assert len(served.ranges) <= 2
        rows = np.random.default_rng(0).permutation(len(store))[:10]
        store.select(folds=range(8))
        before = len(served.ranges), served.n_bytes
        store.signals(rows)
        # One for each part says that it is the one that was collected.
        assert len(served.ranges) - before[0] <= len(rows) + N_PARTS
        assert served.n_bytes - before[1] <= 1.01 * len(rows) * row_bytes
        assert store.transfers.n_requests == len(served.ranges)
        assert store.transfers.n_bytes == served.n_bytes


@pytest.mark.parametrize("cache", ["default", None])
def test_loaders_yield_the_same_batches(
    folder: Path, served: Server, cache: str | None
) -> None:
    batches: list[list[pipes.Batch]] = []
    for place in (served.url("all.h5"), folder / "all.h5"):
        with ecgstore.open(place, cache=cache) as store:
            loader = pipes.loader(
                store, 8, shuffle="full", seed=3, fields=["signals", "features"]
            )
            batches.append([batch for _ in range(2) for batch in loader])
    for remote, local in zip(*batches, strict=True):
        assert remote.rows.equal(local.rows)
        assert remote.signals.equal(local.signals)
        np.testing.assert_array_equal(remote.features, local.features)


def test_windows_of_leads(folder: Path, served: Server) -> None:
    found = []
    for place in (served.url("all.h5"), folder / "all.h5"):
        with ecgstore.open(place) as store:
            loader = pipes.loader(store, 8, leads=["V2"], window=(1500, 3000))
            found.append(np.concatenate([batch.signals for batch in loader]))
    assert (found[0] == found[1]).all()


def test_stores_at_urls_are_opened_as_one(folder: Path, served: Server) -> None:
    urls = [served.url(f"parts/{number}.h5") for number in range(N_PARTS)]
    with ecgstore.open(urls) as remote, ecgstore.open(folder / "all.h5") as local:
        rows = np.arange(len(local))[::-2]
        assert (remote.signals(rows) == local.signals(rows)).all()
        assert remote.records.equals(local.records)
        assert remote.parts == tuple(urls)


def test_a_collection_is_fetched_with_its_parts(
    folder: Path, served: Server, tmp_path: Path
) -> None:
    out = tmp_path / "copy.h5"
    ecgstore.fetch(served.url("all.h5"), out, quiet=True)
    assert out.read_bytes() == (folder / "all.h5").read_bytes()
    for part in (folder / "parts").iterdir():
        copy = out.parent / "parts" / part.name
        assert copy.read_bytes() == part.read_bytes()
    assert not [*verify(out)]
    before = len(served.ranges)
    with ecgstore.open(served.url("all.h5")) as store:
        store.signals(np.arange(len(store)))
    assert len(served.ranges) - before <= 1  # it is in the cache


def test_verify_reads_all_parts(folder: Path, served: Server) -> None:
    assert not [*verify(served.url("all.h5"))]
    assert served.n_bytes >= sum(
        part.stat().st_size for part in (folder / "parts").iterdir()
    )


@pytest.mark.parametrize("change", ["missing", "other", "size"])
def test_a_part_that_is_another_one_is_named(
    folder: Path, tmp_path: Path, change: str
) -> None:
    own = tmp_path / "own"
    shutil.copytree(folder, own)
    part = own / "parts" / "1.h5"
    if change == "missing":
        part.unlink()
    elif change == "size":
        part.write_bytes(part.read_bytes() + b"\0")
    else:
        content = bytearray(part.read_bytes())
        with ecgstore.open(part) as store:
            begin = content.index(store.fingerprint.encode())
        content[begin] ^= 1
        part.write_bytes(content)
    server = Server(own)
    try:
        with ecgstore.open(server.url("all.h5")) as store:
            n = len(store) // N_PARTS
            store.signals([0])
            problem = "no such object" if change == "missing" else "another store"
            with pytest.raises(EcgStoreError, match=rf"parts/1.h5: part .*{problem}"):
                store.signals([n + 1])
            store.signals([len(store) - 1])
    finally:
        server.close()


@pytest.mark.parametrize(
    "part",
    [
        "https://host/other/a.h5",
        "https://host/ecg/.git/hooks/a.h5",
        "https://host/ecg/conftest.py",
        "https://host/ecg/../a.h5",
        "https://host/ecg/copy.h5",
    ],
)
def test_fetched_parts_are_stores_beside_the_collection(
    tmp_path: Path, part: str
) -> None:
    with pytest.raises(EcgStoreError, match=r"no store below|name of a part"):
        _copies(["https://host/ecg/all.h5", part], tmp_path / "copy.h5", True)
    assert not [*tmp_path.iterdir()]


def test_a_link_does_not_lead_fetched_parts_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "parts").symlink_to(tmp_path / "elsewhere")
    urls = ["https://host/ecg/all.h5", "https://host/ecg/parts/a.h5"]
    with pytest.raises(EcgStoreError, match="a link leads out"):
        _copies(urls, tmp_path / "out" / "all.h5", False)
