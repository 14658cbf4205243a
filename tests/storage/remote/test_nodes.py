"""Several processes that train together fetch no row twice, and count what they do."""

from pathlib import Path

import pytest

import ecgstore
from bench.common.range_server import Server
from ecgstore import pipes

ROW_BYTES = 12 * 5000 * 2
N_RANKS = 2
N_EPOCHS = 3


def bytes_of_epochs(
    url: str, server: Server, caches: list[Path]
) -> tuple[list[int], int]:
    """Train with two ranks; return the bytes of each epoch, and the number of rows."""
    stores = [ecgstore.open(url, cache=cache) for cache in caches]
    loaders = [
        pipes.loader(store, 4, shuffle=True, seed=1, rank=rank, world_size=N_RANKS)
        for rank, store in enumerate(stores)
    ]
    n_bytes = []
    for _ in range(N_EPOCHS):
        before = server.n_bytes
        rows = []
        for batches in zip(*loaders, strict=True):
            rows += [row for batch in batches for row in batch.rows.tolist()]
        assert sorted(rows) == [*range(len(stores[0]))]
        n_bytes.append(server.n_bytes - before)
    n_rows = len(stores[0])
    for loader, store in zip(loaders, stores, strict=True):
        statistics = loader.statistics
        assert statistics.n_records * ROW_BYTES == statistics.n_read_bytes
        assert statistics.n_records == N_EPOCHS * n_rows // N_RANKS
        assert statistics.transfers.n_bytes <= store.transfers.n_bytes
        loader.close()
        store.close()
    return n_bytes, n_rows


def test_processes_of_a_node_share_what_they_fetch(
    url: str, server: Server, tmp_path: Path
) -> None:
    n_bytes, n_rows = bytes_of_epochs(url, server, [tmp_path / "node"] * N_RANKS)
    # Columns are small; ranks ask at the same time for the same row at the most once.
    assert n_bytes[0] <= 1.05 * n_rows * ROW_BYTES
    assert n_bytes[1] + n_bytes[2] <= 0.2 * n_rows * ROW_BYTES


def test_each_node_fetches_a_row_once(url: str, server: Server, tmp_path: Path) -> None:
    caches = [tmp_path / "a", tmp_path / "b"]
    n_bytes, n_rows = bytes_of_epochs(url, server, caches)
    assert n_bytes[0] <= 1.05 * n_rows * ROW_BYTES
    assert sum(n_bytes) <= 2.05 * n_rows * ROW_BYTES


def test_statistics_tell_what_came_from_the_cache(url: str) -> None:
    with ecgstore.open(url) as store:
        loader = pipes.loader(store, 4, leads=["II"], window=(0, 1000))
        assert loader.statistics.hits == 1
        for _ in loader:
            pass
        first = loader.statistics
        assert first.n_read_bytes == len(store) * 2000
        assert 0 <= first.hits <= 0.5
        assert first.transfers.n_requests >= 10
        assert first.wait_s > 0
        assert first.n_batches == len(loader)
        for _ in loader:
            pass
        second = loader.statistics
        assert second.transfers == first.transfers
        assert second.hits > first.hits


def test_a_file_transfers_nothing(sample_store: Path) -> None:
    with ecgstore.open(sample_store) as store:
        loader = pipes.loader(store, 4)
        next(iter(loader))
        assert loader.statistics.transfers == store.transfers
        assert store.transfers.n_requests == 0
        assert loader.statistics.hits == pytest.approx(1)
