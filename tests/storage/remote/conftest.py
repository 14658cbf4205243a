"""A server of the sample store, and a cache of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.common.range_server import Server
from ecgstore.storage.remote import attempts


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the cache; failures are repeated at once."""
    pytest.importorskip("obstore")
    folder = tmp_path / "cache"
    monkeypatch.setenv("ECGSTORE_CACHE", str(folder))
    monkeypatch.setattr(attempts, "FIRST_PAUSE_S", 0.001)
    return folder


@pytest.fixture
def server(sample_store: Path) -> Iterator[Server]:
    """Serve the folder of the sample store."""
    served = Server(sample_store.parent)
    yield served
    served.close()


@pytest.fixture
def url(server: Server, sample_store: Path) -> str:
    """Return the URL of the sample store."""
    return server.url(sample_store.name)
