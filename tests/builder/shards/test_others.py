"""Shards beside what others do: files of the user, late workers, other machines."""

import os
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from ecgstore.builder import pipeline, plan, scan, seal
from ecgstore.builder.groups import Groups
from ecgstore.builder.journal import Journal
from ecgstore.builder.parts_folder import PartsFolder
from ecgstore.builder.patient_key import PatientKey, PatientKeyError
from ecgstore.builder.relabel import label_store
from ecgstore.builder.shards import machine, output, segments, worker
from ecgstore.builder.shards.machine import OnMachine
from ecgstore.builder.shards.planning import read_plan, write_plan
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.signals.signature import SIGNATURE
from ecgstore.storage.verify import verify
from ecgstore.system import executors
from tests.builder.shards.test_resume import contents

Build = Callable[..., Path]
StoppedBuild = Callable[..., None]
WriteRecord = Callable[..., Path]

ROWS = 2


def shards_of(out: Path) -> list[Path]:
    """Return the files in the folder of shards, sorted."""
    return sorted(out.with_name(out.name + ".parts").iterdir())


def test_files_of_the_user_stay(
    dozen_records: Path, tmp_path: Path, build: Build
) -> None:
    parts = tmp_path / "all.h5.parts"
    parts.mkdir()
    own = ["notes.txt", ".mine.partial", "00000-0123456789abcdef.h5"]
    for name in own:
        (parts / name).write_text("mine")
    out = build(dozen_records, tmp_path / "all.h5", shard_rows=ROWS)
    build(dozen_records, out, shard_rows=ROWS + 1, overwrite=True)
    assert {path.name for path in parts.iterdir()} > {*own}


def test_a_collection_that_was_renamed_keeps_its_shards(
    dozen_records: Path, tmp_path: Path, build: Build
) -> None:
    out = build(dozen_records, tmp_path / "all.h5", shard_rows=ROWS)
    renamed = out.rename(tmp_path / "old.h5")
    build(dozen_records, out, shard_rows=ROWS + 1)
    build(dozen_records, out, shard_rows=ROWS + 2, overwrite=True)
    assert [*verify(renamed)] == []
    assert [*verify(out)] == []
    n_parts = sum(len(ecgstore.open(one).parts) for one in (renamed, out))
    assert len(shards_of(out)) == n_parts  # those of the one between are removed


def test_one_file_in_place_of_a_collection_leaves_no_shard(
    dozen_records: Path, tmp_path: Path, build: Build
) -> None:
    out = build(dozen_records, tmp_path / "all.h5", shard_rows=ROWS)
    build(dozen_records, out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["all.h5"]


def test_places_that_will_not_do_are_refused_at_once(
    dozen_records: Path, tmp_path: Path, build: Build
) -> None:
    (tmp_path / "all.h5.parts").write_text("mine")
    with pytest.raises(EcgStoreError, match=r"all\.h5\.parts: is a file"):
        build(dozen_records, tmp_path / "all.h5", shard_rows=ROWS)
    with pytest.raises(EcgStoreError, match=r"a\\udcff\.h5\.parts: .*UTF-8"):
        build(dozen_records, tmp_path / os.fsdecode(b"a\xff.h5"), shard_rows=ROWS)
    with pytest.raises(TypeError, match="shard_rows is '8'"):
        build(dozen_records, tmp_path / "other.h5", shard_rows="8")
    assert [path.name for path in tmp_path.iterdir()] == ["all.h5.parts"]


def test_too_many_shards_for_the_system_are_refused_before_they_are_built(
    dozen_records: Path, tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, n_stores: int) -> None:
        raise EcgStoreError(f"{n_stores} are too many")

    monkeypatch.setattr(output, "allow_open_stores", refuse)
    with pytest.raises(EcgStoreError, match="5 are too many"):
        build(dozen_records, tmp_path / "all.h5", shard_rows=ROWS)
    assert not (tmp_path / "all.h5.parts").exists()


@pytest.mark.parametrize("n_bytes", [-1, 0, 5000])
def test_a_damaged_shard_is_built_again(
    dozen_records: Path, tmp_path: Path, build: Build, n_bytes: int
) -> None:
    out = build(dozen_records, tmp_path / "all.h5", shard_rows=ROWS)
    expected = contents(out)
    shard = shards_of(out)[1]
    if n_bytes < 0:
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 1
        shard.write_bytes(content)
    else:
        os.truncate(shard, n_bytes)
    others = [path for path in shards_of(out) if path != shard]
    times = [path.stat().st_mtime_ns for path in others]
    build(dozen_records, out, shard_rows=ROWS, overwrite=True)
    assert contents(out) == expected
    assert times == [path.stat().st_mtime_ns for path in others]


def test_new_labels_of_a_shard_change_no_collection(
    dozen_records: Path, tmp_path: Path, build: Build
) -> None:
    out = build(dozen_records, tmp_path / "all.h5", shard_rows=ROWS)
    expected = out.read_bytes()
    shard = shards_of(out)[0]
    with ecgstore.open(shard) as store:
        names = [*store.records.index]
    table = tmp_path / "labels.csv"
    table.write_text(
        "record_id,dx\n" + "".join(f"{name},164889003\n" for name in names)
    )
    label_store(shard, labels=table)
    build(dozen_records, out, shard_rows=ROWS, overwrite=True)
    assert out.read_bytes() == expected


def test_rows_of_common_signal_files_are_linked_across_shards(
    few_records: Path, tmp_path: Path, build: Build, write_record: WriteRecord
) -> None:
    generator = np.random.default_rng(0)
    for name, n_samples in (("own1", 3500), ("common", 1500), ("own2", 3500)):
        adc = generator.integers(-900, 900, (12, n_samples)).astype(np.int16)
        write_record(name, adc, folder="training")
    for name, parts in (("begins", ("common", "own1")), ("ends", ("own2", "common"))):
        lengths = {"common": 1500, "own1": 3500, "own2": 3500}
        lines = [f"{name}/2 12 500 5000", *(f"{one} {lengths[one]}" for one in parts)]
        (few_records / f"{name}.hea").write_text("\n".join([*lines, ""]))
    config = Config(beats="none", select="all")
    one = build(few_records, tmp_path / "one.h5", config)
    many = build(few_records, tmp_path / "many.h5", config, shard_rows=1)
    with ecgstore.open(one) as whole, ecgstore.open(many) as collection:
        groups = whole.groups()
        assert len({*groups.tolist()}) < len(groups)
        assert groups.tolist() == collection.groups().tolist()


def test_segments_of_other_settings_are_not_taken(
    few_records: Path,
    tmp_path: Path,
    build: Build,
    stopped_build: StoppedBuild,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "SEGMENT_HEADERS", 4)
    monkeypatch.setattr(scan, "_WRITE_S", 0.0)
    out = tmp_path / "all.h5"
    with ThreadPoolExecutor(1) as executor:
        options: dict[str, Any] = {"n_workers": None, "executor": executor}
        stopped_build(
            segments,
            "_taken",
            few_records,
            out,
            Config(beats="none", select="all", exclude_sources=("ptb-xl",)),
            calls=1,
            **options,
        )
        assert [*tmp_path.glob("all.h5.partial.tasks/segments-*/*")]
        build(few_records, out, Config(beats="none", select="all"), **options)
    assert not [*tmp_path.glob("all.h5.partial*")]
    with ecgstore.open(out) as store:
        assert len(store) == len([*few_records.rglob("*.hea")])


def test_a_segment_that_is_not_seen_loses_no_record(
    dozen_records: Path, tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PartsFolder, "commit", lambda *_: None)
    out = tmp_path / "all.h5"
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(EcgStoreError, match=r"\.segment: is not here"),
    ):
        build(dozen_records, out, n_workers=None, executor=executor)


def test_a_late_worker_commits_nothing_of_a_plan_that_is_gone(
    few_records: Path,
    tmp_path: Path,
    build: Build,
    stopped_build: StoppedBuild,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "all.h5"
    tasks: list[tuple[Any, Any]] = []
    build_shard = worker.ShardBuilder.__call__

    def noted(builder: Any, shard: Any) -> Any:
        tasks.append((pickle.dumps(builder), shard))
        return build_shard(builder, shard)

    with monkeypatch.context() as patch:
        patch.setattr(worker.ShardBuilder, "__call__", noted)
        stopped_build(worker, "seal", few_records, out, shard_rows=ROWS)
    builder, shard = pickle.loads(tasks[0][0]), tasks[0][1]
    min(few_records.rglob("*.hea")).unlink()
    stopped_build(output, "write_collection", few_records, out, shard_rows=ROWS)
    assert shard.name not in [
        one.name for one in read_plan(tmp_path / "all.h5.partial.shards").shards
    ]
    before = contents_of_shards(out)
    with pytest.raises(OSError, match="journal"):
        builder(shard)  # its first file has the place of another plan
    fill = worker.ShardBuilder._filled

    def replanned(self: Any, one: Any, partial: Path) -> Any:
        filled = fill(self, one, partial)
        shutil.rmtree(one.plan.parent)
        return filled

    shard = read_plan(tmp_path / "all.h5.partial.shards").shards[0]
    (out.with_name("all.h5.parts") / shard.name).unlink()
    monkeypatch.setattr(worker.ShardBuilder, "_filled", replanned)
    with pytest.raises(EcgStoreError, match="has ended"):
        builder(shard)
    assert contents_of_shards(out) == before - {shard.name}


def contents_of_shards(out: Path) -> set[str]:
    """Return the names in the folder of shards."""
    return {path.name for path in shards_of(out)}


def test_plans_that_are_half_removed_do_not_stop_a_build(
    dozen_records: Path, tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    rmtree = shutil.rmtree

    class Killed(BaseException):
        pass

    def killed(folder: Path, **options: Any) -> None:
        if (folder / "shards.json").exists():
            (folder / "shards.json").unlink()
            raise Killed
        rmtree(folder, **options)

    out = tmp_path / "all.h5"
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(Killed):
            build(dozen_records, out, shard_rows=ROWS)
    expected = contents(out)
    build(dozen_records, out, shard_rows=ROWS, overwrite=True)
    assert contents(out) == expected
    assert {path.name for path in tmp_path.iterdir()} == {"all.h5", "all.h5.parts"}


def test_a_worker_compiles_kernels_before_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, done = Config(beats="none"), []
    monkeypatch.setattr(
        machine, "compile_kernels", lambda one, *_, **__: done.append(one)
    )
    OnMachine.of(lambda: lambda _: done.append("made"), config, ())()(0)
    assert done == [config, "made"]


def test_a_shard_that_the_scratch_disk_has_changed_is_not_committed(
    dozen_records: Path, tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(partial: Path) -> None:
        seal.seal(partial)
        content = bytearray(partial.read_bytes())
        content[len(content) // 2] ^= 1
        partial.write_bytes(content)

    monkeypatch.setattr(worker, "seal", changing)
    with pytest.raises(EcgStoreError, match="is not what was written"):
        build(dozen_records, tmp_path / "all.h5", shard_rows=ROWS)
    assert not (tmp_path / "all.h5.parts").exists()


def test_segments_that_a_stopped_scan_left_are_not_scanned_again(
    dozen_records: Path,
    tmp_path: Path,
    build: Build,
    stopped_build: StoppedBuild,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "SEGMENT_HEADERS", 4)
    monkeypatch.setattr(scan, "_WRITE_S", 0.0)
    out = tmp_path / "all.h5"
    scanned: list[Any] = []
    scan_task = segments.SegmentScanner.__call__

    def noted(scanner: Any, task: Any) -> str:
        scanned.extend(task)
        return scan_task(scanner, task)

    with ThreadPoolExecutor(1) as executor:
        options: dict[str, Any] = {"n_workers": None, "executor": executor}
        stopped_build(segments, "_taken", dozen_records, out, calls=1, **options)
        executor.submit(int).result()  # a task that ran when the build was stopped
        left = [*tmp_path.glob("all.h5.partial.tasks/segments-*/*")]
        monkeypatch.setattr(segments.SegmentScanner, "__call__", noted)
        build(dozen_records, out, **options)
    n_headers = len([*dozen_records.rglob("*.hea")])
    assert len(scanned) == max(0, n_headers - 4 * (1 + len(left)))


def test_a_folder_without_its_mount_is_refused(tmp_path: Path) -> None:
    folder, empty = tmp_path / "training", tmp_path / "empty"
    folder.mkdir()
    empty.mkdir()
    (folder / "A0001.hea").touch()
    made = OnMachine.of(lambda: print, Config(beats="none"), (folder, empty))
    made()
    (folder / "A0001.hea").unlink()  # what a worker sees where nothing is mounted
    with pytest.raises(EcgStoreError, match=r"training: is empty; .*mount it"):
        made()
    folder.rmdir()
    with pytest.raises(EcgStoreError, match=r"training: is not there; .*mount it"):
        made()


def test_workers_have_the_key_of_the_machine_that_began(tmp_path: Path) -> None:
    key = PatientKey(tmp_path / "patient.key")
    of_workers = key.pinned()
    assert of_workers("123") == key("123")
    assert of_workers.identity() == key.identity()
    key.path.unlink()
    with pytest.raises(PatientKeyError, match=r"patient\.key: is not there"):
        of_workers("123")
    assert not key.path.exists()
    key("123")  # on a machine that has made its own
    with pytest.raises(PatientKeyError, match="is another key"):
        of_workers("123")
    assert replace(key, keeps_numbers=True).pinned()("123") == "123"


def test_an_executor_gets_a_key_that_is_pinned(
    dozen_records: Path, tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "patient.key"
    taken: list[PatientKey | None] = []

    def noted(*arguments: Any, **options: Any) -> None:
        taken.append(options["patient_key"])
        scan.scan(*arguments, **options)

    monkeypatch.setattr(pipeline, "scan", noted)
    with ThreadPoolExecutor(1) as executor:
        build(
            dozen_records,
            tmp_path / "all.h5",
            patient_key=key,
            n_workers=None,
            executor=executor,
        )
    assert taken == [PatientKey(key).pinned()]


def test_a_late_worker_leaves_no_segment_of_a_scan_that_has_ended(
    dozen_records: Path,
    tmp_path: Path,
    build: Build,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scanners: list[Any] = []
    scan_task = segments.SegmentScanner.__call__

    def noted(scanner: Any, task: Any) -> str:
        scanners.append((scanner, task))
        return scan_task(scanner, task)

    monkeypatch.setattr(segments.SegmentScanner, "__call__", noted)
    with ThreadPoolExecutor(1) as executor:
        build(dozen_records, tmp_path / "all.h5", n_workers=None, executor=executor)
    before = {*tmp_path.iterdir()}
    scanner, task = scanners[0]
    with pytest.raises(EcgStoreError, match="has ended"):
        scanner(task)
    assert {*tmp_path.iterdir()} == before


@pytest.mark.parametrize("changed", ["options", "tables", "software"])
def test_shards_of_another_build_are_not_taken_for_those_of_this(
    dozen_records: Path,
    tmp_path: Path,
    build: Build,
    monkeypatch: pytest.MonkeyPatch,
    changed: str,
) -> None:
    """The name of a shard depends on all that its bytes do."""
    table = tmp_path / "ages.csv"
    names = [path.stem for path in dozen_records.rglob("*.hea")]
    config = Config(beats="none", select="all")

    def build_in(folder: str, age: int, config: Config) -> Path:
        lines = ["record_id,age", *(f"{name},{age}" for name in names), ""]
        table.write_text("\n".join(lines))
        out = tmp_path / folder / "all.h5"
        out.parent.mkdir(exist_ok=True)
        options = {"shard_rows": ROWS, "overwrite": True, "labels": table}
        return build(dozen_records, out, config, **options)

    before = build_in("over", 40, config)
    old = {path.name for path in shards_of(before)}
    age = 40
    if changed == "options":
        config = replace(config, fs=250)
    elif changed == "tables":
        age = 41
    else:
        software = plan.software() + ", of tomorrow 1"
        for module in (output, plan):
            monkeypatch.setattr(module, "software", lambda: software)
    over = build_in("over", age, config)
    assert not old & {path.name for path in shards_of(over)}
    assert contents(over) == contents(build_in("anew", age, config))


def test_the_groups_of_some_rows_are_as_if_there_were_no_more() -> None:
    same = np.array([0, 1, 0, 3, 1, 1, 3])
    rows = np.arange(len(same))
    groups = Groups(rows.astype(np.int8), same, rows * 10)
    part = groups.part(slice(2, 7), slice(1, 3))
    assert part.same.tolist() == [0, 1, 2, 2, 1]
    assert part.folds.tolist() == [2, 3, 4, 5, 6]
    assert part.signatures.tolist() == [10, 20]
    swapped = Groups(groups.folds, np.array([0, 1, 1, 0]), groups.signatures)
    assert swapped.part(slice(2, 4), slice(0, 0)).same.tolist() == [0, 1]


class Lost(Executor):
    """Takes one task, never does it, and is gone then, as a client without Dask."""

    def __init__(self) -> None:
        self.is_lost = False

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        """Return a future that is never done."""
        if self.is_lost:
            raise RuntimeError("Client is closed")
        self.is_lost = True
        return Future()


def test_a_lost_executor_is_noticed_while_its_tasks_are_waited_for(
    dozen_records: Path, tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "_SECONDS_BETWEEN_LOOKS", 0.0)
    with pytest.raises(EcgStoreError, match=r"Client is closed.*scheduler is gone"):
        build(dozen_records, tmp_path / "all.h5", n_workers=None, executor=Lost())


def test_names_of_shards_depend_on_rows_folds_and_links(
    dozen_records: Path, tmp_path: Path, stopped_build: StoppedBuild
) -> None:
    out = tmp_path / "all.h5"
    stopped_build(output, "write_collection", dozen_records, out, shard_rows=ROWS)
    whole = read_plan(tmp_path / "all.h5.partial.shards")
    n_rows = len(whole.same)
    signatures = np.zeros(n_rows, SIGNATURE)
    other_same = whole.same.copy()
    other_same[1] = 0
    names: list[list[str]] = []
    with Journal(tmp_path / "all.h5.partial.scan") as journal:
        for folds, same, identity in (
            (whole.folds, whole.same, "some"),
            (whole.folds, whole.same, "some"),
            (whole.folds, whole.same, "others"),
            (9 - whole.folds, whole.same, "some"),
            (whole.folds, other_same, "some"),
        ):
            folder = tmp_path / f"plan{len(names)}"
            groups = Groups(folds, same, signatures)
            write_plan(journal, folder, groups, ROWS, identity)
            names.append([one.name for one in read_plan(folder).shards])
        journal.quarantine(next(journal.found()).path, "some", "reason")
        groups = Groups(whole.folds, whole.same, signatures)
        write_plan(journal, tmp_path / "last", groups, ROWS, "some")
        names.append([one.name for one in read_plan(tmp_path / "last").shards])
    assert names[0] == names[1]
    first = [one[0] for one in names[1:]]
    assert len({*first}) == len(first)
    assert names[4][1:] == names[0][1:]  # and on no other rows
