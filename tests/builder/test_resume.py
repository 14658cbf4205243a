"""Stopped builds and mishaps: what continues, what is refused, what is kept."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest

import ecgstore
from ecgstore.builder import fill, pipeline, scan
from ecgstore.builder.journal import Entry, Journal, Status
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.reasons import Reason
from ecgstore.sources import read_record
from ecgstore.storage.verify import verify

WriteRecord = Callable[..., Path]
FAST = Config(beats="none")
LUDB = Path(__file__).resolve().parents[1] / "data" / "ludb"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(source: Path, out: Path, config: Config = FAST, **options: Any) -> Path:
    options = {"n_workers": 1, "quiet": True, **options}
    ecgstore.build_store([source], out, config, **options)
    return out


class Stop(BaseException):
    """As sudden as a kill: no handler of exceptions sees it coming."""


def stopped_build(
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    source: Path,
    out: Path,
    config: Config = FAST,
    **options: Any,
) -> None:
    """Begin a build that stops when it calls a function."""

    def stop(*_: object, **__: object) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stop)
        with pytest.raises(Stop):
            build(source, out, config, **options)
    assert not out.exists()


def change_first_sample(path: Path) -> None:
    """Change one sample of a file, and its time, but not its size."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    assert path.stat().st_size == before.st_size


# -- the final name ---------------------------------------------------------


def test_store_is_whole_before_it_has_its_name(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


# -- records that fail late -------------------------------------------------


def failing(victim: str, error: Exception) -> Callable[..., Any]:
    """Return a `read_record` that fails for one file."""

    def read(path: Path, **options: Any) -> Any:
        if Path(path).name == victim:
            raise error
        return read_record(path, **options)

    return read


@pytest.fixture
def victim(few_records: Path, tmp_path: Path) -> str:
    """Return the file name of the record in row 3."""
    with ecgstore.open(build(few_records, tmp_path / "clean.h5")) as store:
        return Path(store.records["path"].iloc[3]).name


@pytest.mark.parametrize("owner", [Journal, Path])
@pytest.mark.parametrize("block_rows", [1, 4, 16])
def test_stop_after_a_record_failed(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    victim: str,
    owner: Any,
    block_rows: int,
) -> None:
    monkeypatch.setattr(fill, "BLOCK_ROWS", block_rows)
    monkeypatch.setattr(fill, "read_record", failing(victim, ZeroDivisionError("x")))
    direct = build(few_records, tmp_path / "direct.h5")
    out = tmp_path / "out.h5"
    name = "quarantine" if owner is Journal else "unlink"
    stopped_build(monkeypatch, owner, name, few_records, out)
    if owner is Path:  # stopped before the plan was dropped
        with h5py.File(tmp_path / "out.h5.partial") as file:
            state = file["state"][...]
            assert Path(file["records/path"][3].decode()).name == victim
        assert state[3] == 0
        assert (state.sum() > 0) == (block_rows < len(state))
    build(few_records, out)
    assert sha256(out) == sha256(direct)
    with ecgstore.open(out) as store:
        assert store.quarantine["reason"].tolist() == [Reason.UNEXPECTED_ERROR]
        assert Path(victim).stem not in store
    assert list(verify(out)) == []


def test_record_that_failed_once_is_tried_again(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    monkeypatch.setattr(fill, "BLOCK_ROWS", 2)
    out = tmp_path / "out.h5"
    with monkeypatch.context() as patch:
        patch.setattr(fill, "read_record", failing(victim, ZeroDivisionError("x")))
        stopped_build(patch, Journal, "quarantine", few_records, out)
    assert sha256(build(few_records, out)) == sha256(tmp_path / "clean.h5")


def test_report_of_a_continued_build_counts_what_is_stored(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    """Stop between the note of a failure and the new plan; then it fails no more."""
    out = tmp_path / "out.h5"
    with monkeypatch.context() as patch:
        patch.setattr(fill, "read_record", failing(victim, ZeroDivisionError("x")))
        stopped_build(patch, Path, "unlink", few_records, out)
    report = ecgstore.build_store([few_records], out, FAST, n_workers=1, quiet=True)
    with ecgstore.open(out) as store:
        assert report.n_selected == len(store)
        assert report.n_quarantined == len(store.quarantine)


def test_detail_of_a_late_failure_holds_no_absolute_path(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    message = f"{few_records / 'x' / 'y.mat'}: is\n  broken"
    monkeypatch.setattr(fill, "read_record", failing(victim, OSError(message)))
    report = ecgstore.build_store(
        [few_records], tmp_path / "o.h5", FAST, n_workers=1, quiet=True
    )
    [entry] = report.left_out
    assert entry["detail"] == f"OSError: {Path('training/x/y.mat')}: is broken"
    with ecgstore.open(tmp_path / "o.h5") as store:
        assert store.quarantine["detail"].tolist() == [entry["detail"]]
        assert Path(victim).stem in store.quarantine["record_id"].tolist()


def test_defect_in_the_scan_quarantines_one_record(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    monkeypatch.setattr(scan, "read_record", failing(victim, ZeroDivisionError("oh")))
    out = build(few_records, tmp_path / "o.h5")
    with ecgstore.open(out) as store:
        assert store.quarantine["reason"].tolist() == [Reason.UNEXPECTED_ERROR]
        assert store.quarantine["detail"].tolist() == ["ZeroDivisionError: oh"]
        assert Path(store.quarantine["path"].iloc[0]).name == victim
        assert Path(victim).stem not in store


@pytest.mark.parametrize("module", [scan, fill])
def test_want_of_memory_is_no_fault_of_the_record(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    victim: str,
    module: Any,
) -> None:
    out = tmp_path / "o.h5"
    with monkeypatch.context() as patch:
        patch.setattr(module, "read_record", failing(victim, MemoryError()))
        with pytest.raises(MemoryError):
            build(few_records, out)
    assert not out.exists()
    assert sha256(build(few_records, out)) == sha256(tmp_path / "clean.h5")


def test_writes_that_stop_half_way_are_continued(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    original = os.pwrite
    sizes: list[int] = []

    def short(descriptor: int, data: Any, offset: int) -> int:
        sizes.append(min(len(data), 1000))
        return original(descriptor, data[:1000], offset)

    monkeypatch.setattr(os, "pwrite", short)
    out = build(few_records, tmp_path / "o.h5")
    assert max(sizes) == 1000
    assert sha256(out) == sha256(tmp_path / "clean.h5")


# -- what must be the same --------------------------------------------------


def test_other_patients_are_refused(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(iter(sorted(few_records.rglob("*.hea")))).stem
    ours, theirs = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    ours.write_text(f"record_id,patient_id\n{name},1\n")
    theirs.write_text(f"record_id,patient_id\n{name},2\n")
    out = tmp_path / "out.h5"
    stopped_build(monkeypatch, pipeline, "seal", few_records, out, patients=ours)
    for patients in (theirs, None):
        with pytest.raises(EcgStoreError, match="patients was "):
            build(few_records, out, patients=patients)
    build(few_records, out, patients=ours)
    with ecgstore.open(out) as store:
        assert store.records.loc[name, "patient_id"] == "1"


def test_other_software_is_refused(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    stopped_build(monkeypatch, pipeline, "seal", few_records, out)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "software", lambda: "ecgstore 99")
        with pytest.raises(
            EcgStoreError, match=r"software was .*now it is 'ecgstore 99'"
        ):
            build(few_records, out)
    build(few_records, out)


def test_second_record_of_a_name_returns_when_the_first_is_gone(
    tmp_path: Path, write_record: WriteRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_record("A0001", folder="records/a")
    write_record("A0001", folder="records/b")
    folder = first.parent.parent
    out = tmp_path / "out.h5"
    stopped_build(monkeypatch, pipeline, "plan", folder, out)
    first.unlink()
    build(folder, out)
    with ecgstore.open(out) as store:
        assert store.records["path"].tolist() == ["records/b/A0001.hea"]
        assert store.quarantine.empty


def test_twins_stay_twins_when_a_scan_is_repeated(
    tmp_path: Path, write_record: WriteRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_record("A0001", folder="records/a").parent.parent
    write_record("A0001", folder="records/b")
    direct = build(folder, tmp_path / "direct.h5")
    out = tmp_path / "out.h5"
    for _ in range(2):
        stopped_build(monkeypatch, pipeline, "plan", folder, out)
    assert sha256(build(folder, out)) == sha256(direct)


@pytest.fixture(params=["mat", "dat"])
def changeable(
    request: pytest.FixtureRequest, few_records: Path, tmp_path: Path
) -> tuple[Path, Path]:
    """Return a folder of records and one of their signal files."""
    folder = few_records
    if request.param == "dat":
        folder = tmp_path / "ludb"
        shutil.copytree(LUDB, folder)
    return folder, sorted(folder.rglob(f"*.{request.param}"))[1]


def test_changed_sample_is_scanned_again(
    changeable: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, signal = changeable
    config = Config(beats="none", select="all")
    before = build(folder, tmp_path / "before.h5", config)
    out = tmp_path / "out.h5"
    stopped_build(monkeypatch, pipeline, "plan", folder, out, config)
    change_first_sample(signal)
    build(folder, out, config)
    direct = build(folder, tmp_path / "direct.h5", config)
    assert sha256(out) == sha256(direct)
    with ecgstore.open(out) as store, ecgstore.open(before) as old:
        ours, theirs = store.records["sha256"], old.records["sha256"]
        assert ours[ours != theirs].index.tolist() == [signal.stem]


def test_changed_sample_ends_an_unfinished_build(
    changeable: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, signal = changeable
    config = Config(beats="none", select="all")
    out = tmp_path / "out.h5"
    stopped_build(monkeypatch, pipeline, "seal", folder, out, config)
    change_first_sample(signal)
    with pytest.raises(EcgStoreError, match=f"{signal.stem}.hea: changed since"):
        build(folder, out, config)


@pytest.mark.parametrize("task_size", [2, 16])
def test_limit_holds_over_a_stop(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task_size: int,
) -> None:
    monkeypatch.setattr(scan, "_TASK_SIZE", task_size)
    config = Config(beats="none", limit=3)
    direct = build(few_records, tmp_path / "direct.h5", config)
    out = tmp_path / "out.h5"
    stopped_build(monkeypatch, pipeline, "plan", few_records, out, config)
    build(few_records, out, config)
    assert sha256(out) == sha256(direct)
    with ecgstore.open(out) as store:
        assert len(store) == 3


# -- the journal ------------------------------------------------------------


def entry(path: str) -> Entry:
    return Entry(path=path, status=Status.SELECTED, source="ptb", record_id=path)


def test_failed_transaction_leaves_the_journal_as_it_was() -> None:
    def entries() -> Iterator[Entry]:
        yield entry("b")
        yield entry("c")
        raise Stop

    with Journal(None) as journal:
        journal.begin("who")
        journal.add([entry("a")])
        with pytest.raises(Stop):
            journal.add(entries())
        assert [each.path for each in journal.entries(Status.SELECTED)] == ["a"]
        journal.add([entry("d")])
        assert journal.count() == 2
        assert journal.identity == "who"


def test_what_a_journal_holds_outlives_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        journal.begin("who")
        journal.add([entry("a")])
    with Journal(path) as journal:
        assert journal.identity == "who"
        assert journal.entry("a") == entry("a")
        journal.begin("another")
        assert journal.count() == 0
        assert journal.identity == "another"
