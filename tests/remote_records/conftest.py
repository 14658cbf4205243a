"""Records on a server of this machine, and a cache of its own for each test."""

import shutil
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
def served(dozen_records: Path, tmp_path: Path) -> Path:
    """Return a folder of records with RECORDS files, as PhysioNet has them."""
    folder = Path(shutil.copytree(dozen_records, tmp_path / "served" / "training"))
    lists_records(folder)
    return folder


@pytest.fixture
def server(served: Path) -> Iterator[Server]:
    """Serve this folder as ``training``."""
    server = Server(served.parent)
    yield server
    server.close()


@pytest.fixture
def url(server: Server) -> str:
    """Return the URL of the folder."""
    return server.url("training")


def lists_records(folder: Path) -> None:
    """Write a RECORDS file into each folder with records, and one that names these."""
    names = []
    for below in sorted(path for path in folder.rglob("*") if path.is_dir()):
        records = sorted(path.stem for path in below.glob("*.hea"))
        if records:
            (below / "RECORDS").write_text("\n".join(records) + "\n")
            names.append(f"{below.relative_to(folder).as_posix()}/\n")
    (folder / "RECORDS").write_text("".join(names))
