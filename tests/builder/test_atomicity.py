"""A store has its name only when it is complete and on the disk."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

import ecgstore
from ecgstore.builder import pipeline
from ecgstore.builder.journal import Journal
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage.verify import verify

Build = Callable[..., Path]
StoppedBuild = Callable[..., None]


def test_store_is_whole_before_it_has_its_name(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    out = tmp_path / "out.h5"
    damages: list[list[object]] = []
    original = os.replace

    def watched(source: Path, target: Path) -> None:
        if Path(target) == out:
            damages.append(list(verify(source)))
        original(source, target)

    monkeypatch.setattr(os, "replace", watched)
    build(few_records, out)
    assert damages == [[]]


def test_data_are_on_the_disk_before_they_count(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    """Watch the system calls: data, sync, state; sync, rename, sync of the folder."""
    calls: list[str | int] = []  # for a write, its offset
    out = tmp_path / "out.h5"

    def watch(name: str, describe: Callable[..., str | int]) -> None:
        original = getattr(os, name)

        def watched(*arguments: Any) -> Any:
            calls.append(describe(*arguments))
            return original(*arguments)

        monkeypatch.setattr(os, name, watched)

    def file_name(descriptor: int) -> str:
        return Path(f"/proc/self/fd/{descriptor}").readlink().name

    watch("pwrite", lambda descriptor, data, offset: offset)
    watch("fdatasync", lambda descriptor: "datasync")
    watch("fsync", lambda descriptor: f"sync {file_name(descriptor)}")
    watch("replace", lambda source, target: f"rename {Path(target).name}")
    build(few_records, out)
    with h5py.File(out) as file:
        begin = file["state"].id.get_offset()
        state = range(begin, begin + len(file["state"]))
    writes_of_state = [place for place, call in enumerate(calls) if call in state]
    assert writes_of_state
    assert all(calls[place - 1] == "datasync" for place in writes_of_state)
    partial = "out.h5.partial"
    planned = calls.index(f"rename {partial}")
    assert calls[planned - 1] == f"sync {partial}.planning"
    assert calls[-3:] == [f"sync {partial}", "rename out.h5", f"sync {tmp_path.name}"]


def test_existing_store_stays_until_the_new_one_is_complete(
    few_records: Path, tmp_path: Path, build: Build, stopped_build: StoppedBuild
) -> None:
    out = build(few_records, tmp_path / "out.h5")
    before = out.read_bytes()
    with pytest.raises(EcgStoreError, match="--overwrite"):
        build(few_records, out)
    other = Config(beats="none", high_hz=30.0)
    stopped_build(pipeline, "seal", few_records, out, other, overwrite=True)
    assert out.read_bytes() == before
    build(few_records, out, other, overwrite=True)
    assert out.read_bytes() != before


def test_partial_file_is_no_store(
    few_records: Path, tmp_path: Path, stopped_build: StoppedBuild
) -> None:
    stopped_build(pipeline, "seal", few_records, tmp_path / "out.h5")
    with pytest.raises(SchemaError, match="unfinished build"):
        ecgstore.open(tmp_path / "out.h5.partial")


def test_two_builds_of_one_store_do_not_mix(
    few_records: Path, tmp_path: Path, build: Build
) -> None:
    with (
        Journal(tmp_path / "out.h5.partial.scan"),
        pytest.raises(EcgStoreError, match="another build"),
    ):
        build(few_records, tmp_path / "out.h5")
