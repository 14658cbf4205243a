"""Streaming beside other libraries, at toy size, over a link on this machine."""

import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.common.server_process import served
from bench.loading import registry
from bench.loading.remote_peers import _mixing

RunBench = Callable[..., dict[str, Any]]

N_ROWS = 130

REPOSITORY = Path(__file__).resolve().parents[2]

on_linux = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="reads /proc"
)


@pytest.mark.slow
@on_linux
def test_streamers_are_compared(
    run_bench: RunBench,
    dozen_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = {
        name: peer
        for name, peer in registry.STREAMING_PEERS.items()
        if (registry.ENVIRONMENTS / peer.environment / "installed").exists()
    }
    monkeypatch.setattr("bench.loading.remote_peers.STREAMING_PEERS", installed)
    report = run_bench(
        *("loading.remote_peers", dozen_records, f"--rows={N_ROWS}", "--small=70"),
        *("--rounds=1", "--random=20", f"--scratch={tmp_path}"),
    )
    assert set(report["shuffled"]) == {*registry.STREAMERS, *installed}
    for row in report["shuffled"].values():
        assert 0 < row["of_link"]["median"] < 1.1
        assert row["x_useful_bytes"]["median"] > 0.9
    ours = report["shuffled"][registry.CACHED]
    assert ours["rows_seen"]["median"] == N_ROWS
    assert report["random"][registry.CACHED]["ecgstore_x"]["median"] == 1
    assert report["cached"]["cache_of_file"]["median"] > 0


def test_mixing_is_that_of_the_rows_that_came() -> None:
    rows = np.arange(6400)  # a batch of 64 lies in one or two of 64 groups of 100
    assert _mixing(rows.tolist(), 6400) < 0.1
    np.random.default_rng(0).shuffle(rows)
    assert _mixing(rows.tolist(), 6400) == pytest.approx(1, abs=0.01)
    assert _mixing(rows[:640].tolist(), 6400) == pytest.approx(1, abs=0.02)


def test_the_link_is_as_fast_as_it_says(tmp_path: Path) -> None:
    """Large and small answers share it."""
    path = tmp_path / "file"
    path.write_bytes(bytes(4_000_000))
    with served(path, 0.05, 10e6) as (url, counts):
        begin = time.perf_counter()
        with urllib.request.urlopen(url) as answer:
            assert len(answer.read()) == 4_000_000
        seconds = time.perf_counter() - begin
        assert counts() == (1, 4_000_000)
        request = urllib.request.Request(url, headers={"Range": "bytes=-10"})
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["Content-Range"] == ("bytes 3999990-3999999/4000000")
    assert 0.43 < seconds < 2


@pytest.mark.parametrize(
    "peers",
    [registry.STREAMING_PEERS, registry.ROW_READING_PEERS, registry.REMOTE_FILES],
)
def test_modules_of_peers_exist(peers: dict[str, registry.Peer]) -> None:
    for peer in peers.values():
        path = REPOSITORY.joinpath(*peer.module.split(".")).with_suffix(".py")
        assert f"class {peer.name}" in path.read_text(encoding="utf-8")
