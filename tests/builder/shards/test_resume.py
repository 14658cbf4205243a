"""A build of shards that is stopped at any time goes on where it was."""

import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import ecgstore
from ecgstore.builder import damage, pipeline, scan
from ecgstore.builder.fill import Filler
from ecgstore.builder.journal import Journal
from ecgstore.builder.parts_folder import PartsFolder
from ecgstore.builder.shards import machine, output, planning, segments, worker
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from tests.full_disk import full_disk

Build = Callable[..., Path]
StoppedBuild = Callable[..., None]

ROWS = 2


def contents(out: Path) -> dict[str, bytes]:
    """Return the files of a collection by their names."""
    parts = out.with_name(out.name + ".parts")
    return {path.name: path.read_bytes() for path in (out, *parts.iterdir())}


@pytest.fixture
def expected(dozen_records: Path, tmp_path: Path, build: Build) -> dict[str, bytes]:
    folder = tmp_path / "expected"
    folder.mkdir()
    return contents(build(dozen_records, folder / "all.h5", shard_rows=ROWS))


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        (pipeline, "scan", 0),
        (Journal, "copy_numbered", 1),
        (output, "write_plan", 0),
        (worker, "plan", 1),
        (Filler, "__call__", 3),
        (worker, "seal", 0),
        (damage, "verify", 1),
        (PartsFolder, "commit", 0),
        (PartsFolder, "commit", 2),
        (output, "write_collection", 0),
        (PartsFolder, "remove_unfinished", 0),
    ],
)
def test_a_stopped_build_goes_on(
    dozen_records: Path,
    tmp_path: Path,
    build: Build,
    stopped_build: StoppedBuild,
    expected: dict[str, bytes],
    owner: Any,
    name: str,
    calls: int,
) -> None:
    out = tmp_path / "all.h5"
    stopped_build(owner, name, dozen_records, out, calls=calls, shard_rows=ROWS)
    is_complete = name == "remove_unfinished"
    assert out.exists() == is_complete
    build(dozen_records, out, shard_rows=ROWS, overwrite=is_complete)
    assert contents(out) == expected
    assert {path.name for path in tmp_path.iterdir()} == {
        "expected",
        "all.h5",
        "all.h5.parts",
    }


def test_a_build_on_an_executor_goes_on_in_processes(
    dozen_records: Path,
    tmp_path: Path,
    build: Build,
    stopped_build: StoppedBuild,
    expected: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "all.h5"
    monkeypatch.setattr(pipeline, "SEGMENT_HEADERS", 4)
    monkeypatch.setattr(scan, "_WRITE_S", 0.0)
    on_executor = {"n_workers": None, "shard_rows": ROWS}
    with ThreadPoolExecutor(1) as executor:
        stopped_build(
            segments,
            "_taken",
            dozen_records,
            out,
            calls=1,
            executor=executor,
            **on_executor,
        )
    assert [*tmp_path.glob("*.tasks/segments-*/*")]
    with ThreadPoolExecutor(1) as executor:
        stopped_build(
            output,
            "write_collection",
            dozen_records,
            out,
            executor=executor,
            **on_executor,
        )
    built = {path.name for path in (tmp_path / "all.h5.parts").iterdir()}
    times = [path.stat().st_mtime_ns for path in (tmp_path / "all.h5.parts").iterdir()]
    build(dozen_records, out, shard_rows=ROWS)
    assert contents(out) == expected
    assert not [*tmp_path.glob("all.h5.partial*")]
    assert built == expected.keys() - {"all.h5"}
    assert times == [
        path.stat().st_mtime_ns for path in (out.parent / "all.h5.parts").iterdir()
    ]


def test_a_changed_folder_is_planned_anew_and_old_shards_are_removed(
    few_records: Path, tmp_path: Path, build: Build, stopped_build: StoppedBuild
) -> None:
    out = tmp_path / "all.h5"
    stopped_build(output, "write_collection", few_records, out, shard_rows=ROWS)
    header = min(few_records.rglob("*.hea"))
    header.unlink()
    header.with_suffix(".mat").unlink()
    build(few_records, out, shard_rows=ROWS)
    folder = tmp_path / "new"
    folder.mkdir()
    anew = build(few_records, folder / "all.h5", shard_rows=ROWS)
    assert contents(out) == contents(anew)


def test_a_replaced_collection_leaves_no_shard(
    few_records: Path, tmp_path: Path, build: Build
) -> None:
    out = build(few_records, tmp_path / "all.h5", shard_rows=ROWS)
    before = contents(out)
    build(few_records, out, shard_rows=ROWS + 1, overwrite=True)
    assert not contents(out).keys() & before.keys() - {"all.h5"}
    assert ecgstore.open(out).parts


def test_another_kind_of_build_is_refused_while_one_is_unfinished(
    few_records: Path, tmp_path: Path, build: Build, stopped_build: StoppedBuild
) -> None:
    out = tmp_path / "all.h5"
    stopped_build(output, "write_collection", few_records, out, shard_rows=ROWS)
    for options in ({}, {"shard_rows": ROWS + 1}):
        with pytest.raises(EcgStoreError, match="shard_rows"):
            build(few_records, out, **options)
    other = tmp_path / "one.h5"
    stopped_build(pipeline, "_finish", few_records, other)
    with pytest.raises(EcgStoreError, match=r"one\.h5\.partial.*shard_rows"):
        build(few_records, other, shard_rows=ROWS)


def test_a_record_that_changes_during_the_build_is_read_again(
    few_records: Path,
    tmp_path: Path,
    build: Build,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    header = max(few_records.rglob("*.hea"))
    original = planning.write_plan

    def changing(*arguments: Any) -> None:
        original(*arguments)
        monkeypatch.setattr(output, "write_plan", original)
        text = header.read_text()
        header.write_text(text.replace("#Age: ", "#Age: 1"))

    monkeypatch.setattr(output, "write_plan", changing)
    out = build(few_records, tmp_path / "all.h5", shard_rows=ROWS)
    folder = tmp_path / "new"
    folder.mkdir()
    anew = build(few_records, folder / "all.h5", shard_rows=ROWS)
    assert contents(out) == contents(anew)


def test_quarantine_of_all_shards_is_that_of_one_file(
    few_records: Path, tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(beats="none", select="all")
    mats = sorted(few_records.rglob("*.mat"))
    for mat in mats[::3]:
        mat.write_bytes(mat.read_bytes()[:-1])
    fill_row = Filler._fill_row
    failed: list[str] = []

    def failing(self: Filler, position: int, *rest: Any) -> None:
        if not failed:
            failed.append("a record that passes the scan")
            raise ValueError
        fill_row(self, position, *rest)

    one = build(few_records, tmp_path / "one.h5", config)
    out = build(few_records, tmp_path / "all.h5", config, shard_rows=ROWS)
    with ecgstore.open(one) as whole, ecgstore.open(out) as many:
        assert len(whole.quarantine) == len(mats[::3])
        assert whole.quarantine.equals(many.quarantine)
    monkeypatch.setattr(Filler, "_fill_row", failing)
    out = build(few_records, tmp_path / "late.h5", config, shard_rows=ROWS)
    with ecgstore.open(out) as many:
        assert len(many.quarantine) == len(mats[::3]) + 1


def test_a_worker_says_what_it_lacks(
    few_records: Path, tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "all.h5"
    with ThreadPoolExecutor(1) as executor:
        options = {"n_workers": None, "executor": executor}
        with monkeypatch.context() as patch:
            versions = iter(["ecgstore 1", "ecgstore 2"])
            patch.setattr(machine, "software", lambda: next(versions))
            with pytest.raises(EcgStoreError, match=r"on worker .* has ecgstore 2"):
                build(few_records, out, **options)
        exists = Path.exists
        with monkeypatch.context() as patch:
            patch.setattr(
                Path, "exists", lambda self: self != few_records and exists(self)
            )
            with pytest.raises(EcgStoreError, match=r"training: is not th.*mount it"):
                build(few_records, out, **options)
        with monkeypatch.context() as patch:
            read_bytes = Path.read_bytes

            def missing(path: Path) -> bytes:
                if path.suffix == ".work":
                    raise FileNotFoundError(2, "none", str(path))
                return read_bytes(path)

            patch.setattr(Path, "read_bytes", missing)
            with pytest.raises(EcgStoreError, match="all workers see"):
                build(few_records, out, **options)
    with pytest.raises(EcgStoreError, match="executor does not finish its tasks"):
        build(few_records, out, **options)  # it is shut down
    assert not out.exists()


def test_full_disks_are_named(
    dozen_records: Path,
    tmp_path: Path,
    build: Build,
    expected: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "all.h5"
    shard = max(map(len, expected.values()))
    options: dict[str, Any] = {"shard_rows": ROWS, "scratch": tmp_path / "scratch"}
    with pytest.raises(EcgStoreError, match=r"scratch: cannot be written.*--scratch"):
        build(dozen_records, out, **options)
    options["scratch"].mkdir()
    with (
        full_disk(shard - 1000),
        pytest.raises(EcgStoreError, match=r"scratch/ecgstore-.*the disk is full"),
    ):
        build(dozen_records, out, **options)
    with monkeypatch.context() as patch:

        def commit(*_: object) -> None:
            raise OSError(errno.ENOSPC, "no room")

        patch.setattr(PartsFolder, "commit", commit)
        with pytest.raises(EcgStoreError, match=r"all\.h5\.parts: the disk is full"):
            build(dozen_records, out, **options)
    assert not [*options["scratch"].iterdir()]
    build(dozen_records, out, **options)
    assert contents(out) == expected
