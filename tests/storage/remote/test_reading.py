"""A store at a URL is the store: the same values, with few requests."""

import hashlib
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from bench.common.range_server import Server
from ecgstore import pipes
from ecgstore.pipes.reading.record_reader import RecordReader
from ecgstore.storage.review_file import Decision


def test_all_tables_are_those_of_the_file(url: str, sample_store: Path) -> None:
    with ecgstore.open(url) as remote, ecgstore.open(sample_store) as local:
        assert [*remote.tables] == [*local.tables]
        for name in local.tables:
            expected = local.table(name)
            found = remote.table(name)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found[:], expected, name)
        rows = np.arange(len(local))[::-1]
        assert (remote.signals(rows) == local.signals(rows)).all()
        assert remote.fingerprint == local.fingerprint
        assert remote.records.equals(local.records)
        assert remote.quarantine.equals(local.quarantine)
        assert remote.features().equals(local.features())


def test_requests_are_few(url: str, server: Server, sample_store: Path) -> None:
    row_bytes = 12 * 5000 * 2
    with ecgstore.open(url) as store:
        assert len(server.ranges) <= 2
        selection = store.select(folds=range(8), query="age > 30 and sex == 'male'")
        assert len(server.ranges) <= 4
        before = len(server.ranges), server.n_bytes
        rows = np.random.default_rng(0).permutation(selection.rows)[:10]
        store.signals(rows)
        assert len(server.ranges) - before[0] <= len(rows) + 1  # and the checksums
        assert server.n_bytes - before[1] <= 1.05 * len(rows) * row_bytes
        store.signals(rows)  # from the mirror
        assert len(server.ranges) - before[0] <= len(rows) + 1
        neighbours = np.setdiff1d(np.arange(len(store)), rows)
        before = len(server.ranges), server.n_bytes
        store.signals(neighbours)
        assert len(server.ranges) - before[0] <= len(rows) + 1
        # The first request has brought a part of a row.
        assert server.n_bytes - before[1] <= len(neighbours) * row_bytes


def test_windows_of_a_lead_ask_for_their_bytes(url: str, server: Server) -> None:
    with ecgstore.open(url) as store:
        loader = pipes.loader(store, 8, leads=["V2"], window=(2000, 3000), prefetch=0)
        next(iter(loader))
        before = len(server.ranges), server.n_bytes
        n = sum(len(batch) for batch in loader)
        assert len(server.ranges) - before[0] <= n
        assert server.n_bytes - before[1] <= 1.2 * n * 2000


@pytest.mark.parametrize("window", [None, (100, 2600), pipes.RandomCrop(777)])
@pytest.mark.parametrize("leads", [None, ["V6", "I"]])
def test_loaders_yield_the_same_batches(
    url: str, sample_store: Path, window: object, leads: list[str] | None
) -> None:
    digests = []
    for place in (url, sample_store):
        with ecgstore.open(place, verify="first-touch") as store:
            loader = pipes.loader(
                store.select(folds=range(9)),
                4,
                shuffle="full",
                seed=3,
                fields=["signals", "features", "labels", "age", "dx", "fiducials"],
                window=window,  # type: ignore[arg-type]
                leads=leads,
            )
            digest = hashlib.sha256()
            for _ in range(2):
                for batch in loader:
                    for name in ("signals", "features", "labels", "fiducials", "rows"):
                        digest.update(getattr(batch, name).numpy().tobytes())
            digests.append(digest.hexdigest())
    assert digests[0] == digests[1]


def test_a_loader_resumes_with_an_empty_cache(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ecgstore.open(url) as store:
        loader = pipes.loader(store, 4, shuffle=True, seed=1)
        batches = iter(loader)
        for _ in range(3):
            next(batches)
        state = loader.state_dict()
        expected = [batch.rows.tolist() for batch in batches]
        loader.close()
    monkeypatch.setenv("ECGSTORE_CACHE", str(tmp_path / "another machine"))
    with ecgstore.open(url) as store:
        loader = pipes.loader(store, 4, shuffle=True, seed=1)
        loader.load_state_dict(state)
        assert [batch.rows.tolist() for batch in loader] == expected
        assert len(expected) > 1


def test_what_is_in_the_cache_is_read_as_a_file_is(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer reads itself, and the next epoch is begun, but not over the line."""
    makers = list[str]()
    finish = RecordReader.finish

    def note(self: RecordReader, *arguments: Any) -> list[pipes.Batch]:
        makers.append(threading.current_thread().name)
        return finish(self, *arguments)

    monkeypatch.setattr(RecordReader, "finish", note)
    with ecgstore.open(url) as store:
        few = pipes.loader(store.select(rows=range(16)), 8, shuffle=True)
        list(few)
        assert makers == ["ecgstore-prefetch"] * 2
        store.signals(range(len(store)))
        makers.clear()
        loader = pipes.loader(store, 8, shuffle=True)
        n = sum(1 for _ in loader)
        assert "MainThread" in makers
        assert len(makers) == n + 1


def test_a_store_is_pickled_as_its_url(url: str) -> None:
    with ecgstore.open(url) as store:
        again = pickle.loads(pickle.dumps(store))
        assert again.url == url
        assert url in repr(again)
        assert (again.signals([3]) == store.signals([3])).all()
        again.close()


def test_a_fetched_store_is_the_file(
    url: str, server: Server, sample_store: Path, tmp_path: Path
) -> None:
    out = ecgstore.fetch(url, tmp_path / "copy.h5", quiet=True)
    assert out is not None
    assert out.read_bytes() == sample_store.read_bytes()
    n = len(server.ranges)
    with ecgstore.open(url) as store:
        store.signals(range(len(store)))
        store.features()
        store.records  # noqa: B018
    assert len(server.ranges) == n + 1  # the head, which says the version


def test_decisions_about_a_store_at_a_url_are_in_the_current_folder(
    url: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for folder in (here, elsewhere):
        folder.mkdir()
    monkeypatch.chdir(here)
    with ecgstore.open(f"{url}?key=/../x") as store:
        store.review.save(0, Decision("rejected"))
        assert store.review.path == Path("sample.review.csv")
    assert os.listdir(here) == ["sample.review.csv"]
    with ecgstore.open(url) as store:
        assert store.column("review")[0] == "rejected"
    monkeypatch.chdir(elsewhere)
    with ecgstore.open(url) as store:
        assert "review" not in store.columns
