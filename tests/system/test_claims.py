"""A file is claimed by one process at a time, with and without locks."""

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.system.claims import FileClaim

fcntl = pytest.importorskip("fcntl")


@pytest.fixture(params=[None, errno.ENOLCK, errno.ENOTSUP])
def locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file system have locks, or none in one of the ways this is said."""

    def fail(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    if request.param is not None:
        monkeypatch.setattr(fcntl, "flock", fail)


@pytest.mark.usefixtures("locks")
def test_a_file_is_claimed_once_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    for remove in (False, True, False):
        claim = FileClaim(path)
        with pytest.raises((BlockingIOError, EcgStoreError)):
            FileClaim(path)
        claim.release(remove=remove)
        assert path.exists() != remove
    assert [*tmp_path.iterdir()] == [path]


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", fail)


def left_by(machine: str, process: int) -> str:
    return json.dumps({"machine": machine, "process": process})


def test_without_locks_the_claim_of_a_killed_process_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch)
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    claim = tmp_path / "journal.lock"
    claim.write_text(left_by(socket.gethostname(), done.pid))
    FileClaim(tmp_path / "journal").release()
    assert not claim.exists()


@pytest.mark.parametrize(
    "content",
    [left_by("elsewhere", 7), left_by(socket.gethostname(), os.getpid()), "", "[]"],
    ids=["another machine", "this process", "empty", "no object"],
)
def test_without_locks_other_claims_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    without_locks(monkeypatch)
    claim = tmp_path / "journal.lock"
    claim.write_text(content)
    with pytest.raises(EcgStoreError, match=r"journal\.lock: claimed .* no locks"):
        FileClaim(tmp_path / "journal")
    assert claim.read_text() == content


def test_a_file_that_was_removed_before_it_is_locked_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two processes would lock two files of one name."""
    path = tmp_path / "journal"
    flock = fcntl.flock
    n_left = 2

    def late(*arguments: int) -> None:
        nonlocal n_left
        if n_left:
            path.unlink()
            n_left -= 1
        flock(*arguments)

    monkeypatch.setattr(fcntl, "flock", late)
    claim = FileClaim(path)
    with pytest.raises(BlockingIOError):
        FileClaim(path)
    claim.release()
