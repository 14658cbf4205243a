"""Full disks, damaged files and wrong paths: one message that says what to do."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ecgstore
from ecgstore.builder import one_file
from ecgstore.builder.entry import Entry
from ecgstore.builder.journal import Journal
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from tests.full_disk import full_disk

Build = Callable[..., Path]
StoppedBuild = Callable[..., None]
WriteRecord = Callable[..., Path]
FAST = Config(beats="none")


def test_full_disk_is_one_message_and_the_build_continues(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    out = tmp_path / "out.h5"

    def full(*arguments: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(EcgStoreError, match="disk is full"):
            build(few_records, out)
    build(few_records, out)


def test_full_disk_of_the_journal_is_one_message(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Journal, "add", full)
    with pytest.raises(EcgStoreError, match="disk is full"):
        build(few_records, tmp_path / "out.h5")


def test_a_disk_that_fills_up_within_a_transaction_is_one_message(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    def fill_up(journal: Journal, entries: Iterable[Entry]) -> None:
        journal._connection.execute("PRAGMA max_page_count = 1")  # as on a full disk
        long = [replace(entry, detail="x" * 100_000) for entry in entries]
        add(journal, long)

    add = Journal.add
    monkeypatch.setattr(Journal, "add", fill_up)
    with pytest.raises(EcgStoreError, match="disk is full"):
        build(few_records, tmp_path / "out.h5")
    monkeypatch.undo()
    build(few_records, tmp_path / "out.h5")


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
@pytest.mark.parametrize("room", [1_000, 18_000, 30_000])
def test_a_limit_of_size_is_one_message_and_the_build_continues(
    few_records: Path, tmp_path: Path, room: int, build: Build
) -> None:
    with full_disk(room), pytest.raises(EcgStoreError, match="room"):
        build(few_records, tmp_path / "out.h5")
    build(few_records, tmp_path / "out.h5")


def test_too_small_a_disk_is_reported_before_any_work(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(EcgStoreError, match=r"needs .* MB"):
        build(few_records, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5.partial").exists()


def test_damaged_partial_is_named(
    few_records: Path, tmp_path: Path, build: Build, stopped_build: StoppedBuild
) -> None:
    out = tmp_path / "out.h5"
    stopped_build(one_file, "seal", few_records, out)
    (tmp_path / "out.h5.partial").write_bytes(b"junk")
    with pytest.raises(EcgStoreError, match=r"delete .* to start again"):
        build(few_records, out)


def test_damaged_journal_is_named(
    few_records: Path, tmp_path: Path, build: Build
) -> None:
    (tmp_path / "out.h5.partial.scan").write_bytes(b"no database " * 100)
    with pytest.raises(EcgStoreError, match="damaged"):
        build(few_records, tmp_path / "out.h5")


def test_partial_without_journal_is_named(
    few_records: Path, tmp_path: Path, build: Build
) -> None:
    (tmp_path / "out.h5.partial").write_bytes(b"")
    with pytest.raises(EcgStoreError, match="journal"):
        build(few_records, tmp_path / "out.h5")


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "no source folder"),
        (["missing"], "no such folder"),
        (["records", "records"], "overlap"),
        ([".", "records"], "overlap"),
    ],
)
def test_wrong_sources_are_named(
    tmp_path: Path, write_record: WriteRecord, sources: list[str], message: str
) -> None:
    write_record("A0001")
    with pytest.raises(EcgStoreError, match=message):
        ecgstore.build_store(
            [tmp_path / source for source in sources], tmp_path / "out.h5", FAST
        )


def test_wrong_output_is_named(few_records: Path, tmp_path: Path, build: Build) -> None:
    with pytest.raises(EcgStoreError, match="no such folder"):
        build(few_records, tmp_path / "missing" / "out.h5")
    with pytest.raises(EcgStoreError, match="is a folder"):
        build(few_records, tmp_path)


def test_nothing_to_store_is_an_error_that_says_why(
    tmp_path: Path, write_record: WriteRecord, build: Build
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EcgStoreError, match=r"no \.hea, .* files below"):
        build(tmp_path / "empty", tmp_path / "out.h5")
    folder = write_record("A0001", dx="270492004").parent
    with pytest.raises(EcgStoreError, match="1 not selected"):
        build(folder, tmp_path / "out.h5")
