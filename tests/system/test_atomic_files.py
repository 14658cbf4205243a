"""Atomic files: what is never replaced, and what stays after a failure."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.system.atomic_files import check_writable, replace_file


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
