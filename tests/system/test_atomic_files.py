"""Atomic files: what is never replaced, and what stays after a failure."""

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.system import atomic_files
from ecgstore.system.atomic_files import check_writable, replace_file
from tests.full_disk import full_disk


def write(path: Path) -> None:
    with replace_file(path) as file:
        file.write("new")


@pytest.mark.parametrize("use", [write, check_writable])
def test_a_folder_or_a_device_is_not_replaced(
    use: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(EcgStoreError, match="cannot be written"):
            use(tmp_path / name)
    assert (tmp_path / "folder").is_dir()
    assert (tmp_path / "pipe").is_fifo()
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("name", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "disk full"), KeyboardInterrupt()])
def test_the_older_file_stays_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException, tmp_path: Path
) -> None:
    def fail(*_: Any) -> None:
        raise error

    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, name, fail)
    with pytest.raises((EcgStoreError, KeyboardInterrupt)):
        write(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def write_text(file: Any) -> None:
    for _ in range(500):
        file.write("a line of text\n")


def write_bytes(file: Any) -> None:
    file.write(bytes(5000))


def write_hdf5(file: Any) -> None:
    with h5py.File(file, "w") as opened:
        for number in range(20):
            opened[f"n{number}"] = np.ones(100)
            opened.attrs[f"a{number}"] = "x" * 50


def write_and_hide(file: Any) -> None:
    with suppress(OSError):
        file.write(bytes(50_000))  # more than is buffered


def write_and_rename(file: Any) -> None:
    try:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a", bytes(5000))
    except OSError as error:
        raise RuntimeError("writer failed") from error


@pytest.mark.parametrize(
    ("mode", "content"),
    [
        ("w", write_text),
        ("wb", write_bytes),
        ("wb", write_hdf5),
        ("wb", write_and_hide),
        ("wb", write_and_rename),
    ],
)
@pytest.mark.parametrize("room", [0, 1000, 3000])
def test_a_full_disk_is_an_error_whatever_a_library_makes_of_it(
    tmp_path: Path, mode: str, content: Callable[[Any], None], room: int
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with (
        full_disk(room),
        pytest.raises(EcgStoreError, match=r"file: cannot be written .* has room"),
        replace_file(path, mode) as file,
    ):
        content(file)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]
    with replace_file(path, mode) as file:
        content(file)
    assert path.stat().st_size > 3000


def test_errors_of_the_content_are_not_errors_of_the_file(tmp_path: Path) -> None:
    for error in (OSError(5, "Input/output error"), RuntimeError("no memory")):
        with (  # noqa: PT012 (the content of the file)
            pytest.raises(type(error)),
            replace_file(tmp_path / "a") as file,
        ):
            file.write("x")
            raise error
    assert os.listdir(tmp_path) == []


def test_a_link_stays_and_leads_to_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    link.symlink_to(target)
    for before in (None, "old"):
        if before is not None:
            target.write_text(before)
        write(link)
        assert link.is_symlink()
        assert target.read_text() == "new"
        assert os.listdir(target.parent) == ["target"]
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(EcgStoreError, match="not a file"):
        write(loop)
    assert loop.is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_permissions_are_those_of_the_older_file_or_usual_ones(tmp_path: Path) -> None:
    older, other, new = tmp_path / "older", tmp_path / "other", tmp_path / "new"
    older.write_text("old")
    for mode in (0o600, 0o664, 0o444):
        older.chmod(mode)
        write(older)
        assert older.stat().st_mode & 0o777 == mode
    other.touch()
    write(new)
    assert new.stat().st_mode == other.stat().st_mode


WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from ecgstore.system.atomic_files import replace_file
with replace_file(Path(sys.argv[1])) as file:
    file.write("half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_the_next_writer_removes_what_a_killed_one_left_but_not_what_is_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv"
    (tmp_path / ".a.csv.123.partial").touch()  # of another release
    others = [".a.csv.b.12.partial", ".b.csv.12.partial", ".a.csv.partial"]
    for name in others:
        (tmp_path / name).touch()
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_WAIT, str(path)], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    try:
        assert writer.stdout.readline() == b"writing\n"
        unfinished = set(os.listdir(tmp_path)) - {*others}
        assert len(unfinished) == 1
        write(path)
        assert set(os.listdir(tmp_path)) == {*others, *unfinished, "a.csv"}
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
    write(path)
    assert set(os.listdir(tmp_path)) == {*others, "a.csv"}


def test_without_locks_only_old_unfinished_files_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_files, "try_lock", lambda _: None)
    young, old = tmp_path / ".a.1.partial", tmp_path / ".a.2.partial"
    for path in (young, old):
        path.touch()
    os.utime(old, (0, time.time() - 90_000))
    write(tmp_path / "a")
    assert set(os.listdir(tmp_path)) == {young.name, "a"}


def test_characters_that_utf_8_does_not_have_are_escaped(tmp_path: Path) -> None:
    with replace_file(tmp_path / "a") as file:
        assert isinstance(file, io.TextIOWrapper)
        file.write("\udcff \u00e9\n")
    assert (tmp_path / "a").read_bytes() == "\\udcff \u00e9\n".encode()


def test_a_file_that_may_not_be_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with replace_file(path, replace=False) as file:
        file.write("old")
    with (
        pytest.raises(EcgStoreError, match="cannot be written") as error,
        replace_file(path, replace=False) as file,
    ):
        file.write("new")
    assert isinstance(error.value.__cause__, FileExistsError)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a"]
