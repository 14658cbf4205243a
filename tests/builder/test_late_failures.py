"""Records that pass the scan and fail afterwards, through a defect of ecgstore."""

import filecmp
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.builder import fill, one_file, pipeline, scan
from ecgstore.builder.journal import Journal
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, RecordError
from ecgstore.reasons import Reason
from ecgstore.sources import open_record
from ecgstore.storage.verify import verify

Build = Callable[..., Path]
StoppedBuild = Callable[..., None]
FAST = Config(beats="none")


def failing(victim: str, error: Exception) -> Callable[..., Any]:
    """Return a function that opens a record, but fails for one file."""

    def read(path: Path, *leads: Any, **options: Any) -> Any:
        if Path(path).name == victim:
            raise error
        return open_record(path, *leads, **options)

    return read


@pytest.fixture
def victim(few_records: Path, tmp_path: Path, build: Build) -> str:
    """Return the file name of the record in row 3 of a store, ``clean.h5``."""
    with ecgstore.open(build(few_records, tmp_path / "clean.h5")) as store:
        return Path(store.records["path"].iloc[3]).name


def test_record_that_fails_after_the_scan_is_quarantined(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build
) -> None:
    """A defect of ecgstore must not stop a build, nor shift the other rows."""
    clean = build(few_records, tmp_path / "clean.h5")
    with ecgstore.open(clean) as expected:
        victim = Path(expected.records["path"].iloc[2])
    original = open_record

    def failing(path: Path, *leads: Any, **options: Any) -> Any:
        if path.name == victim.name:
            raise ZeroDivisionError("a defect")
        return original(path, *leads, **options)

    monkeypatch.setattr(fill, "open_record", failing)
    out = build(few_records, tmp_path / "out.h5")
    with ecgstore.open(out) as store, ecgstore.open(clean) as expected:
        assert store.quarantine["reason"].tolist() == [Reason.UNEXPECTED_ERROR]
        assert "ZeroDivisionError in ecgstore.builder" in store.quarantine["detail"][0]
        assert victim.stem not in store
        for record_id in store:
            actual, stored = store[record_id], expected[record_id]
            np.testing.assert_array_equal(actual.signal, stored.signal)
            assert actual.labels == stored.labels


def test_defect_in_the_scan_quarantines_one_record(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    victim: str,
    build: Build,
) -> None:
    fail = failing(victim, ZeroDivisionError("oh"))
    monkeypatch.setattr(scan, "open_record", fail)
    out = build(few_records, tmp_path / "out.h5")
    with ecgstore.open(out) as store:
        assert store.quarantine["reason"].tolist() == [Reason.UNEXPECTED_ERROR]
        (detail,) = store.quarantine["detail"]
        assert detail.startswith("ZeroDivisionError in ecgstore.builder.scan, line ")
        assert Path(store.quarantine["path"].iloc[0]).name == victim
        assert Path(victim).stem not in store


def test_detail_of_a_late_failure_holds_no_absolute_path(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    message = f"{few_records / 'x' / 'y.mat'}: is\n  broken"
    error = RecordError(Reason.UNREADABLE_SIGNAL, message)
    monkeypatch.setattr(fill, "open_record", failing(victim, error))
    report = ecgstore.build_store(
        [few_records], tmp_path / "out.h5", FAST, n_workers=1, quiet=True
    )
    [entry] = report.left_out
    assert entry["detail"] == f"{Path('training/x/y.mat')}: is broken"
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert store.quarantine["detail"].tolist() == [entry["detail"]]
        assert Path(victim).stem in store.quarantine["record_id"].tolist()


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [(Journal, "quarantine", 0), (pipeline, "scan", 1), (one_file, "plan", 1)],
    ids=["before it is noted", "after it was noted", "before a new plan"],
)
@pytest.mark.parametrize("block_rows", [1, 4, 16])
def test_a_build_stopped_after_a_failure_continues_to_the_same_bytes(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    victim: str,
    owner: Any,
    name: str,
    calls: int,
    block_rows: int,
    build: Build,
    stopped_build: StoppedBuild,
) -> None:
    monkeypatch.setattr(fill, "BLOCK_ROWS", block_rows)
    monkeypatch.setattr(fill, "open_record", failing(victim, ZeroDivisionError("x")))
    direct = build(few_records, tmp_path / "direct.h5")
    out = tmp_path / "out.h5"
    stopped_build(owner, name, few_records, out, calls=calls)
    if name == "quarantine":
        with h5py.File(tmp_path / "out.h5.partial") as file:
            state = file["state"][...]
            assert Path(file["records/path"][3].decode()).name == victim
        assert state[3] == 0
        assert (state.sum() > 0) == (block_rows < len(state))
    build(few_records, out)
    assert filecmp.cmp(out, direct, shallow=False)
    with ecgstore.open(out) as store:
        assert store.quarantine["reason"].tolist() == [Reason.UNEXPECTED_ERROR]
        assert Path(victim).stem not in store
    assert list(verify(out)) == []


def test_record_that_failed_once_is_tried_again(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    victim: str,
    build: Build,
    stopped_build: StoppedBuild,
) -> None:
    monkeypatch.setattr(fill, "BLOCK_ROWS", 2)
    out = tmp_path / "out.h5"
    with monkeypatch.context() as patch:
        patch.setattr(fill, "open_record", failing(victim, ZeroDivisionError("x")))
        stopped_build(Journal, "quarantine", few_records, out)
    assert filecmp.cmp(build(few_records, out), tmp_path / "clean.h5", shallow=False)


def test_report_of_a_continued_build_counts_what_is_stored(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    victim: str,
    stopped_build: StoppedBuild,
) -> None:
    """Stop between the note of a failure and the new plan; then it fails no more."""
    out = tmp_path / "out.h5"
    with monkeypatch.context() as patch:
        patch.setattr(fill, "open_record", failing(victim, ZeroDivisionError("x")))
        stopped_build(pipeline, "scan", few_records, out, calls=1)
    report = ecgstore.build_store([few_records], out, FAST, n_workers=1, quiet=True)
    with ecgstore.open(out) as store:
        assert report.n_selected == len(store)
        assert report.n_quarantined == len(store.quarantine)


@pytest.mark.parametrize("module", [scan, fill])
def test_lack_of_memory_does_not_quarantine_the_record(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    victim: str,
    module: Any,
    build: Build,
) -> None:
    """The build ends with one line that names the record, and can be continued."""
    out = tmp_path / "out.h5"
    with monkeypatch.context() as patch:
        patch.setattr(module, "open_record", failing(victim, MemoryError()))
        with pytest.raises(EcgStoreError, match=f"{victim}: memory ran out"):
            build(few_records, out)
    assert not out.exists()
    assert filecmp.cmp(build(few_records, out), tmp_path / "clean.h5", shallow=False)
