"""Locks: one writer per folder, and file systems that have none."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.locks import locked_file, only_writer, try_lock

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


def test_who_waited_for_a_file_has_the_lock_of_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("0", encoding="utf-8")

    def count() -> None:
        for _ in range(10):
            with locked_file(path, 30.0):
                number = int(path.read_text(encoding="utf-8"))
                time.sleep(0.001)
                with replace_file(path) as file:
                    file.write(str(number + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text(encoding="utf-8") == "40"


def test_waiting_for_a_file_ends(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(FileNotFoundError), locked_file(path, 0.01):
        raise AssertionError
    path.touch()
    with (
        locked_file(path, 0.01),
        pytest.raises(EcgStoreError, match="another process has locked this file"),
        locked_file(path, 0.01),
    ):
        raise AssertionError
