"""Build law: the same records and options give the same bytes."""

import filecmp
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ecgstore
from ecgstore.builder import blocks, fill, scan
from ecgstore.config import Config
from ecgstore.storage.format import integrity
from ecgstore.storage.verify import verify

Build = Callable[..., Path]
FAST = Config(beats="none")


@pytest.mark.slow
@pytest.mark.parametrize("n_workers", [2, 8])
def test_number_of_workers_does_not_change_a_byte(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_workers: int,
    build: Build,
) -> None:
    """With beats and features, and a few rows for each of the workers."""
    monkeypatch.setattr(fill, "BLOCK_ROWS", 1)
    alone = build(few_records, tmp_path / "alone.h5", Config())
    out = tmp_path / "together.h5"
    build(few_records, out, Config(), n_workers=n_workers)
    assert filecmp.cmp(alone, out, shallow=False)
    assert [*tmp_path.glob("*together*")] == [out]
    with ecgstore.open(out) as store:
        assert store.features().notna().any(axis=1).all()


@pytest.mark.parametrize(
    ("n_workers", "task_headers", "block_rows"), [(1, 1, 1), (2, 1, 2), (8, 2, 1)]
)
def test_size_of_tasks_does_not_change_a_byte(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    n_workers: int,
    task_headers: int,
    block_rows: int,
) -> None:
    config = Config(beats="none", select="all")
    broken = next(iter(sorted(few_records.rglob("*.mat"))))
    broken.write_bytes(broken.read_bytes()[:-1])  # for a row of the quarantine
    expected = build(few_records, tmp_path / "one.h5", config)
    monkeypatch.setattr(scan, "TASK_HEADERS", task_headers)
    monkeypatch.setattr(fill, "BLOCK_ROWS", block_rows)
    out = build(few_records, tmp_path / "other.h5", config, n_workers=n_workers)
    assert filecmp.cmp(out, expected, shallow=False)


def test_size_of_blocks_does_not_change_a_byte(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    config = Config(beats="none", select="all")
    for mat in sorted(few_records.rglob("*.mat"))[:4]:  # more than fit into a block
        mat.write_bytes(mat.read_bytes()[:-1])
    expected = build(few_records, tmp_path / "expected.h5", config)
    with ecgstore.open(expected) as store:
        assert len(store) > 6
        assert len(store.quarantine) == 4
    for module, name, size in (
        (blocks, "BLOCK_ENTRIES", 3),
        (integrity, "BLOCK_BYTES", 100),
    ):
        out = tmp_path / f"{name}.h5"
        with monkeypatch.context() as patch:
            patch.setattr(module, name, size)
            build(few_records, out, config)
            assert list(verify(out)) == []
        assert filecmp.cmp(out, expected, shallow=False)


def test_place_of_the_sources_does_not_change_a_byte(
    few_records: Path, tmp_path: Path, build: Build
) -> None:
    first = build(few_records, tmp_path / "first.h5")
    moved = tmp_path / "elsewhere" / "training"
    shutil.copytree(few_records, moved)
    second = build(moved, tmp_path / "second.h5")
    assert filecmp.cmp(second, first, shallow=False)


def test_without_pwrite_the_bytes_are_the_same(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    expected = build(few_records, tmp_path / "expected.h5")
    monkeypatch.delattr(os, "pwrite")
    out = build(few_records, tmp_path / "out.h5")
    assert filecmp.cmp(out, expected, shallow=False)


def test_partial_writes_of_the_system_are_completed(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    expected = build(few_records, tmp_path / "expected.h5")
    original = os.pwrite
    sizes: list[int] = []

    def short(descriptor: int, data: Any, offset: int) -> int:
        sizes.append(min(len(data), 1000))
        return original(descriptor, data[:1000], offset)

    monkeypatch.setattr(os, "pwrite", short)
    out = build(few_records, tmp_path / "out.h5")
    assert max(sizes) == 1000
    assert filecmp.cmp(out, expected, shallow=False)


def test_equal_options_give_equal_text() -> None:
    assert Config(fs=500, max_gap_s=0).to_json() == Config(max_gap_s=0.0).to_json()
    assert Config.from_json(FAST.to_json()) == FAST


def test_builds_leave_no_file_open(
    few_records: Path, tmp_path: Path, build: Build
) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not show open files")
    build(few_records, tmp_path / "first.h5")
    before = len(os.listdir("/proc/self/fd"))
    build(few_records, tmp_path / "second.h5")
    assert len(os.listdir("/proc/self/fd")) == before
