"""Details of errors are ours: the same on every run, without temporary paths."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from ecgstore.errors import ConfigError, RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS
from ecgstore.sources import read_header, read_record
from ecgstore.sources.wfdb import frame_signal


def _write(
    folder: Path, storage: str, file_name: str = "r.dat", size: int = 600
) -> Path:
    """Write a record with one signal file; return its header."""
    lines = ["r 12 500 10"]
    lines += [f"{file_name} {storage} 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS]
    path = folder / "r.hea"
    path.write_text("\n".join(lines))
    (folder / "r.dat").write_bytes(bytes(size))
    return path


def _refused(path: Path) -> RecordError:
    """Return the error of a record that cannot be read."""
    with pytest.raises(RecordError) as caught:
        read_record(path)
    return caught.value


def test_an_unexpected_error_is_its_type_and_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path, "212")

    def fail(*_: object) -> None:
        with tempfile.NamedTemporaryFile() as file:
            raise LookupError(file.name)

    monkeypatch.setattr(frame_signal, "open_frames", fail)
    details = set()
    for _ in range(2):
        with pytest.raises(LookupError) as caught:
            read_record(path)
        error = RecordError.of(caught.value)
        assert error.reason is Reason.UNEXPECTED_ERROR
        details.add(error.detail)
    (detail,) = details
    assert detail.startswith("LookupError in ecgstore.sources.wfdb.frame_signal, line ")
    assert RecordError.of(ConfigError("fs: no number")).detail == "fs: no number"
    assert RecordError.of(ValueError("x")).detail == "ValueError in unknown code"


@pytest.mark.parametrize(
    "name", ["../r.dat", "/dev/zero", "..", ".", "a\\b.dat", "sub/r.dat"]
)
def test_a_signal_file_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    error = _refused(_write(tmp_path, "16", name))
    assert error.reason is Reason.UNREADABLE_HEADER
    assert f"{name!r} is no file beside the header" in error.detail


def test_files_that_cannot_be_opened_say_why(tmp_path: Path) -> None:
    (tmp_path / "loop.dat").symlink_to("loop.dat")
    (tmp_path / "zero.dat").symlink_to("/dev/zero")
    (tmp_path / "folder.dat").mkdir()
    os.mkfifo(tmp_path / "pipe.dat")
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(tmp_path)  # paths of sockets are short
        try:
            server.bind("socket.dat")
        finally:
            os.chdir(before)
    for storage in ("16", "212", "516"):
        for name, problem in {
            "loop.dat": "its links form a loop",
            "zero.dat": "not a regular file",
            "folder.dat": "not a regular file",
            "pipe.dat": "not a regular file",
            "socket.dat": "not a regular file",
            "none.dat": "no such file",
            "a\0b.dat": "no file can have this name",
            f"{'n' * 300}.dat": "the name is too long",
        }.items():
            error = _refused(_write(tmp_path, storage, name))
            assert error.reason is Reason.MISSING_SIGNAL_FILE
            assert error.detail.endswith(f"cannot read the file ({problem})")
    path = tmp_path / "loop.hea"
    path.symlink_to("loop.hea")
    with pytest.raises(RecordError, match="its links form a loop"):
        read_header(path)


@pytest.mark.parametrize("device", ["/dev/zero", "/proc/self/environ"])
def test_no_device_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    (tmp_path / "device.dat").symlink_to(device)
    header = tmp_path / "device.hea"
    header.symlink_to(device)
    record = _write(tmp_path, "16", "device.dat")
    opened: list[str] = []

    def noted(path: str, *arguments: int) -> int:
        opened.append(path)
        return os_open(path, *arguments)

    os_open = os.open
    monkeypatch.setattr(os, "open", noted)
    assert _refused(record).detail.endswith("(not a regular file)")
    assert {*opened} == {str(record)}
    with pytest.raises(RecordError, match="not a regular file"):
        read_header(header)
    assert {*opened} == {str(record)}


def test_a_folder_in_a_record_name_is_named(tmp_path: Path) -> None:
    path = tmp_path / "00001_medians.hea"
    name = "ge_median/00001_medians"
    lines = [f"{name} 12 500 5000", *(f"{name}.dat 16 1000/mV" for _ in LEADS)]
    path.write_text("\n".join(lines))
    error = _refused(path)
    assert error.reason is Reason.UNREADABLE_HEADER
    assert error.detail == (
        f"{path}, line 1: 'ge_median/00001_medians 12 500 5000'; expected a record "
        "name without a folder, because a record's files are beside its header: write "
        "'00001_medians' here, and the names of the signal files alike (a slash is for "
        "a number of segments)"
    )
