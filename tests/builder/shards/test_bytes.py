"""The law of shards: who builds them, where, how often and when changes no byte."""

import hashlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from ecgstore.builder.parts_folder import PartsFolder
from ecgstore.config import Config
from ecgstore.storage.verify import verify
from tests.builder.shards.unreliable import Died, Unreliable

Build = Callable[..., Path]

ROWS = 2


def sums(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def build_in(
    dozen_records: Path, tmp_path: Path, build: Build
) -> Callable[..., dict[str, str]]:
    """Return a function that builds shards in a new folder and returns all sums."""

    def run(name: str, **options: Any) -> dict[str, str]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        if "executor" in options:
            options["n_workers"] = None
        build(dozen_records, folder / "all.h5", shard_rows=ROWS, **options)
        return sums(folder)

    return run


def test_processes_and_executors_make_the_same_bytes(
    build_in: Callable[..., dict[str, str]],
) -> None:
    expected = build_in("one")
    assert len(expected) > 4  # the collection and its shards
    assert build_in("several", n_workers=3) == expected
    with ThreadPoolExecutor(3) as executor:
        assert build_in("threads", executor=executor) == expected
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        assert build_in("processes", executor=executor) == expected


@pytest.mark.parametrize("seed", range(4))
def test_deaths_and_repetitions_change_no_byte(
    build_in: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    expected = build_in("one")
    executor = Unreliable(seed)
    commit = PartsFolder.commit
    n_commits = 0

    def dying(self: PartsFolder, file: Path, name: str) -> None:
        nonlocal n_commits
        n_commits += 1
        if n_commits % 3 == 0:
            self.path.mkdir(exist_ok=True)
            (self.path / f".{name}.0123456789abcdef.partial").write_bytes(b"half")
            raise Died
        commit(self, file, name)

    monkeypatch.setattr(PartsFolder, "commit", dying)
    assert build_in("unreliable", executor=executor) == expected
    assert executor.n_deaths > 1


def test_a_dask_cluster_whose_workers_are_killed_makes_the_same_bytes(
    build_in: Callable[..., dict[str, str]],
) -> None:
    distributed = pytest.importorskip("distributed")
    expected = build_in("one")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=60,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        is_done = threading.Event()
        killed: list[int] = []

        def kill() -> None:
            while not is_done.wait(0.5) and len(killed) < 3:
                workers = [one for one in cluster.workers.values() if one.pid]
                if workers:
                    killed.append(workers[0].pid)
                    os.kill(killed[-1], signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            executor = client.get_executor(pure=False)
            assert build_in("dask", executor=executor) == expected
        finally:
            is_done.set()
            killer.join()
    assert killed


def test_shards_hold_the_rows_of_one_file(
    dozen_records: Path, tmp_path: Path, build: Build
) -> None:
    config = Config(select="all")  # with beats
    whole = build(dozen_records, tmp_path / "whole.h5", config)
    out = build(dozen_records, tmp_path / "all.h5", config, shard_rows=ROWS)
    assert [*verify(out)] == []
    with ecgstore.open(whole) as one, ecgstore.open(out) as many:
        assert len(many.parts) == -(-len(one) // ROWS)
        sizes = [len(ecgstore.open(part)) for part in many.parts]
        assert max(sizes) - min(sizes) <= 1
        assert (
            one.signals(range(len(one))).tobytes()
            == many.signals(range(len(many))).tobytes()
        )
        for name in one.tables:
            np.testing.assert_array_equal(one.table(name), many.table(name)[...], name)


def test_shards_copied_from_an_older_store_have_the_same_bytes(
    dozen_records: Path, tmp_path: Path, build: Build
) -> None:
    config = Config(select="all")
    older = build(dozen_records, tmp_path / "older.h5", config)
    for name, reuse in (("computed", None), ("copied", older)):
        (tmp_path / name).mkdir()
        report = ecgstore.build_store(
            dozen_records,
            tmp_path / name / "all.h5",
            config,
            shard_rows=ROWS,
            reuse=reuse,
            n_workers=1,
            quiet=True,
        )
        assert report.n_reused == (report.n_rows if reuse else 0)
    assert sums(tmp_path / "computed") == sums(tmp_path / "copied")
