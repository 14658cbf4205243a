"""Resume law: a stopped build continues to the bytes of a build in one go."""

import filecmp
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ecgstore
from ecgstore.builder import file_destination, fill, one_file, pipeline, scan
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.reasons import Reason
from ecgstore.sample import sample_folder
from ecgstore.sources import open_record

Build = Callable[..., Path]
StoppedBuild = Callable[..., None]
WriteRecord = Callable[..., Path]
FAST = Config(beats="none")


LUDB = Path(__file__).resolve().parents[1] / "data" / "ludb"


def change_first_sample(path: Path) -> None:
    """Change one sample of a file, and its time, but not its size."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    assert path.stat().st_size == before.st_size


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of the bundled sample, built in one go."""
    out = tmp_path_factory.mktemp("whole") / "whole.h5"
    ecgstore.build_store([sample_folder()], out, FAST, n_workers=1, quiet=True)
    return out


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        (scan, "open_record", 5),
        (one_file, "plan", 0),
        (fill, "stored_form", 0),
        (fill, "stored_form", 21),
        (one_file, "seal", 0),
        (file_destination, "publish", 0),
    ],
)
def test_stopped_build_continues_to_the_same_bytes(
    tmp_path: Path,
    whole: Path,
    build: Build,
    stopped_build: StoppedBuild,
    owner: Any,
    name: str,
    calls: int,
) -> None:
    out = tmp_path / "stopped.h5"
    stopped_build(owner, name, sample_folder(), out, calls=calls)
    assert not out.exists()
    build(sample_folder(), out)
    assert filecmp.cmp(out, whole, shallow=False)
    assert [*tmp_path.iterdir()] == [out]


def test_continued_build_does_not_repeat_finished_rows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    stopped_build: StoppedBuild,
) -> None:
    out = tmp_path / "out.h5"
    n_records = fill.BLOCK_ROWS + 3
    stopped_build(fill, "stored_form", sample_folder(), out, calls=n_records)
    read: list[str] = []

    def counting(original: Callable[..., Any]) -> Callable[..., Any]:
        def count(path: Path, *leads: Any, **options: Any) -> Any:
            read.append(path.name)
            return original(path, *leads, **options)

        return count

    monkeypatch.setattr(fill, "open_record", counting(open_record))
    monkeypatch.setattr(scan, "open_record", counting(open_record))
    build(sample_folder(), out)
    with ecgstore.open(out) as store:
        assert len(read) == len(store) - fill.BLOCK_ROWS


@pytest.mark.parametrize("task_headers", [2, 16])
def test_limit_holds_over_a_stop(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task_headers: int,
    build: Build,
    stopped_build: StoppedBuild,
) -> None:
    monkeypatch.setattr(scan, "TASK_HEADERS", task_headers)
    config = Config(beats="none", limit=3)
    direct = build(few_records, tmp_path / "direct.h5", config)
    out = tmp_path / "out.h5"
    stopped_build(one_file, "plan", few_records, out, config)
    build(few_records, out, config)
    assert filecmp.cmp(out, direct, shallow=False)
    with ecgstore.open(out) as store:
        assert len(store) == 3


def test_changed_and_removed_files_are_scanned_again(
    few_records: Path, tmp_path: Path, build: Build, stopped_build: StoppedBuild
) -> None:
    out = tmp_path / "out.h5"
    stopped_build(one_file, "plan", few_records, out)
    first, second, *_ = sorted(few_records.rglob("*.hea"))
    first.unlink()
    second.write_text("nonsense")
    build(few_records, out)
    with ecgstore.open(out) as store:
        assert first.stem not in store
        assert second.stem not in store
        assert store.quarantine["reason"].tolist() == [Reason.UNREADABLE_HEADER]


def test_a_duplicate_is_stored_if_the_first_record_was_removed(
    tmp_path: Path, write_record: WriteRecord, build: Build, stopped_build: StoppedBuild
) -> None:
    first = write_record("A0001", folder="records/a")
    write_record("A0001", folder="records/b")
    folder = first.parent.parent
    out = tmp_path / "out.h5"
    stopped_build(one_file, "plan", folder, out)
    first.unlink()
    build(folder, out)
    with ecgstore.open(out) as store:
        assert store.records["path"].tolist() == ["records/b/A0001.hea"]
        assert store.quarantine.empty


def test_duplicates_stay_in_quarantine_when_a_scan_is_repeated(
    tmp_path: Path, write_record: WriteRecord, build: Build, stopped_build: StoppedBuild
) -> None:
    folder = write_record("A0001", folder="records/a").parent.parent
    write_record("A0001", folder="records/b")
    direct = build(folder, tmp_path / "direct.h5")
    out = tmp_path / "out.h5"
    for _ in range(2):
        stopped_build(one_file, "plan", folder, out)
    assert filecmp.cmp(build(folder, out), direct, shallow=False)


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


@pytest.mark.parametrize("phase", ["plan", "seal"])
def test_changed_sample_is_scanned_again(
    changeable: tuple[Path, Path],
    tmp_path: Path,
    build: Build,
    stopped_build: StoppedBuild,
    phase: str,
) -> None:
    folder, signal = changeable
    config = Config(beats="none", select="all")
    before = build(folder, tmp_path / "before.h5", config)
    out = tmp_path / "out.h5"
    stopped_build(one_file, phase, folder, out, config)
    change_first_sample(signal)
    build(folder, out, config)
    direct = build(folder, tmp_path / "direct.h5", config)
    assert filecmp.cmp(out, direct, shallow=False)
    with ecgstore.open(out) as store, ecgstore.open(before) as old:
        hashes, old_hashes = store.records["sha256"], old.records["sha256"]
        assert hashes[hashes != old_hashes].index.tolist() == [signal.stem]


def test_options_may_change_before_anything_is_written(
    few_records: Path, tmp_path: Path, build: Build, stopped_build: StoppedBuild
) -> None:
    out = tmp_path / "out.h5"
    stopped_build(
        one_file, "plan", few_records, out, Config(beats="none", select="all")
    )
    build(few_records, out)
    assert filecmp.cmp(out, build(few_records, tmp_path / "clean.h5"), shallow=False)


# -- what must be the same --------------------------------------------------


def test_options_of_an_unfinished_build_cannot_change(
    few_records: Path, tmp_path: Path, build: Build, stopped_build: StoppedBuild
) -> None:
    out = tmp_path / "out.h5"
    stopped_build(one_file, "seal", few_records, out)
    with pytest.raises(EcgStoreError, match=r"options\.low_hz was 0\.5, now it is 1"):
        build(few_records, out, Config(beats="none", low_hz=1.0))
    with pytest.raises(EcgStoreError, match=r"options\.leads was \['I', 'II', 'III'"):
        build(few_records, out, Config(beats="none", leads=("II",)))
    other = tmp_path / "other"
    shutil.copytree(few_records, other)
    with pytest.raises(EcgStoreError, match="sources was "):
        build(other, out)
    build(few_records, out)


def test_other_patients_are_refused(
    few_records: Path, tmp_path: Path, build: Build, stopped_build: StoppedBuild
) -> None:
    name = next(iter(sorted(few_records.rglob("*.hea")))).stem
    first, other = tmp_path / "first.csv", tmp_path / "other.csv"
    first.write_text(f"record_id,patient_id\n{name},1\n")
    other.write_text(f"record_id,patient_id\n{name},2\n")
    out = tmp_path / "out.h5"
    stopped_build(one_file, "seal", few_records, out, patients=first)
    for patients in (other, None):
        with pytest.raises(EcgStoreError, match="patients was "):
            build(few_records, out, patients=patients)
    build(few_records, out, patients=first)
    with ecgstore.open(out) as store:
        assert store.records.loc[name, "patient_id"] == "1"


def test_other_software_is_refused(
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    stopped_build: StoppedBuild,
) -> None:
    out = tmp_path / "out.h5"
    stopped_build(one_file, "seal", few_records, out)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "software", lambda: "ecgstore 99")
        with pytest.raises(
            EcgStoreError, match=r"software was .*now it is 'ecgstore 99'"
        ):
            build(few_records, out)
    build(few_records, out)


def test_changes_are_noticed_in_the_files_that_the_header_names(
    tmp_path: Path, write_record: WriteRecord, build: Build, stopped_build: StoppedBuild
) -> None:
    header = write_record("A0001")
    other = header.with_name("elsewhere.mat")
    header.with_suffix(".mat").rename(other)
    header.write_text(header.read_text().replace("A0001.mat", "elsewhere.mat"))
    out = tmp_path / "out.h5"
    stopped_build(one_file, "seal", header.parent, out)
    other.write_bytes(other.read_bytes()[:-1] + b"\x07")
    build(header.parent, out)
    direct = build(header.parent, tmp_path / "direct.h5")
    assert filecmp.cmp(out, direct, shallow=False)
