"""Locks: one writer per folder, and file systems that have none."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.system.locks import only_writer, try_lock

fcntl = pytest.importorskip("fcntl")

LOCK_AND_WAIT = """
import sys
from pathlib import Path
from ecgstore.system.locks import only_writer
with only_writer(Path(sys.argv[1]), "training"):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_folder_has_one_writer_until_its_process_ends(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", LOCK_AND_WAIT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"locked\n"
        with (
            pytest.raises(EcgStoreError, match="another training is writing"),
            only_writer(tmp_path, "training"),
        ):
            raise AssertionError
        assert os.listdir(tmp_path) == []
    finally:
        other.kill()
        other.communicate()
    for _ in range(2):
        with only_writer(tmp_path, "training"):
            assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EBADF])
def test_without_locks_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert try_lock(0) is None
    with only_writer(tmp_path, "training"), only_writer(tmp_path, "training"):
        pass
