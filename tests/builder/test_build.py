"""The build: laws of rows and bytes, selection, atomicity, and what it refuses."""

import errno
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.signal

import ecgstore
from ecgstore.builder import fill, pipeline, scan
from ecgstore.builder.journal import Journal
from ecgstore.config import Config, make_config
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.reasons import Reason
from ecgstore.sample import sample_folder
from ecgstore.sources import read_record

WriteRecord = Callable[..., Path]
FAST = Config(beats="none")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(source: Path, out: Path, config: Config = FAST, **options: Any) -> Path:
    options = {"n_workers": 1, "quiet": True, **options}
    ecgstore.build_store([source], out, config, **options)
    return out


def leftovers(out: Path) -> list[str]:
    return [path.name for path in out.parent.iterdir() if out.name in path.name]


# -- build law --------------------------------------------------------------


@pytest.mark.parametrize("n_workers", [2, 4])
def test_number_of_workers_does_not_change_a_byte(
    few_records: Path, tmp_path: Path, n_workers: int
) -> None:
    alone = build(few_records, tmp_path / "alone.h5", Config())
    together = build(
        few_records, tmp_path / "together.h5", Config(), n_workers=n_workers
    )
    assert sha256(alone) == sha256(together)
    assert leftovers(together) == ["together.h5"]


def test_place_of_the_sources_does_not_change_a_byte(
    few_records: Path, tmp_path: Path
) -> None:
    first = build(few_records, tmp_path / "first.h5")
    moved = tmp_path / "elsewhere" / "training"
    shutil.copytree(few_records, moved)
    assert sha256(build(moved, tmp_path / "second.h5")) == sha256(first)


class Stop(BaseException):
    """As sudden as a kill: no handler of exceptions sees it coming."""


def stop_after(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, calls: int
) -> None:
    """Let a function work some times, then stop the build."""
    original = getattr(owner, name)
    left = [calls]

    def stopping(*arguments: Any, **options: Any) -> Any:
        if not left[0]:
            raise Stop
        left[0] -= 1
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, stopping)


def stopped_build(
    monkeypatch: pytest.MonkeyPatch,
    phase: str,
    source: Path,
    out: Path,
    config: Config = FAST,
    **options: Any,
) -> None:
    """Stop a build where a phase would begin."""
    with monkeypatch.context() as patch:
        stop_after(patch, pipeline, phase, 0)
        with pytest.raises(Stop):
            build(source, out, config, **options)


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        (scan, "read_record", 5),
        (pipeline, "plan", 0),
        (fill, "stored_form", 0),
        (fill, "stored_form", 21),
        (pipeline, "seal", 0),
        (ecgstore.builder.seal, "publish", 0),
    ],
)
def test_stopped_build_continues_to_the_same_bytes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    calls: int,
) -> None:
    whole = build(sample_folder(), tmp_path / "whole.h5")
    out = tmp_path / "stopped.h5"
    with monkeypatch.context() as patch:
        stop_after(patch, owner, name, calls)
        with pytest.raises(Stop):
            build(sample_folder(), out)
    assert not out.exists()
    build(sample_folder(), out)
    assert sha256(out) == sha256(whole)
    assert leftovers(out) == ["stopped.h5"]


def test_continued_build_does_not_repeat_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    with monkeypatch.context() as patch:
        stop_after(patch, fill, "stored_form", fill.BLOCK_ROWS + 3)
        with pytest.raises(Stop):
            build(sample_folder(), out)
    read: list[str] = []
    original = read_record

    def counting(path: Path, **options: Any) -> Any:
        read.append(path.name)
        return original(path, **options)

    monkeypatch.setattr(fill, "read_record", counting)
    monkeypatch.setattr(scan, "read_record", counting)
    build(sample_folder(), out)
    with ecgstore.open(out) as store:
        assert len(read) == len(store) - fill.BLOCK_ROWS


def test_data_are_on_the_disk_before_they_count(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watch the system calls: data, sync, state; sync, rename, sync of the folder."""
    calls: list[str] = []
    out = tmp_path / "out.h5"
    state_offsets: set[int] = set()

    def watch(name: str, describe: Callable[..., str]) -> None:
        original = getattr(os, name)

        def watched(*arguments: Any) -> Any:
            calls.append(describe(*arguments))
            return original(*arguments)

        monkeypatch.setattr(os, name, watched)

    def describe_write(descriptor: int, data: Any, offset: int) -> str:
        return "state" if offset in state_offsets else "data"

    original_init = fill.Filler.__init__

    def init(self: fill.Filler, partial: Path, base: Path) -> None:
        original_init(self, partial, base)
        with h5py.File(partial) as file:
            begin = file["state"].id.get_offset()
            state_offsets.update(range(begin, begin + len(file["state"])))

    monkeypatch.setattr(fill.Filler, "__init__", init)
    watch("pwrite", describe_write)
    watch("fdatasync", lambda descriptor: "datasync")
    watch(
        "fsync",
        lambda descriptor: (
            "sync " + Path(f"/proc/self/fd/{descriptor}").readlink().name
        ),
    )
    watch("replace", lambda source, target: f"rename {Path(target).name}")
    build(few_records, out)
    for place, call in enumerate(calls):
        if call == "state":
            assert calls[place - 1] == "datasync"
    assert "state" in calls
    partial = "out.h5.partial"
    planned = calls.index(f"rename {partial}")
    assert calls[planned - 1] == f"sync {partial}.planning"
    assert calls[-3:] == [f"sync {partial}", "rename out.h5", f"sync {tmp_path.name}"]


def test_options_of_an_unfinished_build_cannot_change(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    stopped_build(monkeypatch, "seal", few_records, out)
    with pytest.raises(EcgStoreError, match=r"options\.low_hz was 0\.5, now it is 1"):
        build(few_records, out, Config(beats="none", low_hz=1.0))
    other = tmp_path / "other"
    shutil.copytree(few_records, other)
    with pytest.raises(EcgStoreError, match="sources was "):
        build(other, out)
    build(few_records, out)


def test_files_of_an_unfinished_build_cannot_change(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ecgstore.open(build(few_records, tmp_path / "before.h5")) as store:
        header = few_records.parent / store.records["path"].iloc[0]
    out = tmp_path / "out.h5"
    stopped_build(monkeypatch, "seal", few_records, out)
    signal = header.with_suffix(".mat")
    signal.write_bytes(signal.read_bytes()[:-24])
    with pytest.raises(EcgStoreError, match="changed since the unfinished build"):
        build(few_records, out)
    (tmp_path / "out.h5.partial").unlink()
    report = ecgstore.build_store([few_records], out, FAST, n_workers=1, quiet=True)
    assert report.reasons == {"truncated_signal_file": 1}


def test_changed_and_removed_files_are_scanned_again(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    stopped_build(monkeypatch, "plan", few_records, out)
    first, second, *_ = sorted(few_records.rglob("*.hea"))
    first.unlink()
    second.write_text("nonsense")
    build(few_records, out)
    with ecgstore.open(out) as store:
        assert first.stem not in store
        assert second.stem not in store
        assert store.quarantine["reason"].tolist() == [Reason.UNREADABLE_HEADER]


def test_files_are_those_that_the_header_names(
    tmp_path: Path, write_record: WriteRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = write_record("A0001")
    other = header.with_name("elsewhere.mat")
    header.with_suffix(".mat").rename(other)
    header.write_text(header.read_text().replace("A0001.mat", "elsewhere.mat"))
    out = tmp_path / "out.h5"
    stopped_build(monkeypatch, "seal", header.parent, out)
    other.write_bytes(other.read_bytes()[:-1] + b"\x07")
    with pytest.raises(EcgStoreError, match="changed since the unfinished build"):
        build(header.parent, out)


def test_options_may_change_before_anything_is_written(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    stopped_build(
        monkeypatch, "plan", few_records, out, Config(beats="none", select="all")
    )
    build(few_records, out)
    assert sha256(out) == sha256(build(few_records, tmp_path / "clean.h5"))


def test_builds_leave_no_file_open(few_records: Path, tmp_path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not show open files")
    build(few_records, tmp_path / "first.h5")
    before = len(os.listdir("/proc/self/fd"))
    build(few_records, tmp_path / "second.h5")
    assert len(os.listdir("/proc/self/fd")) == before


def test_equal_options_give_equal_text() -> None:
    assert Config(fs=500, max_gap_s=0).to_json() == Config(max_gap_s=0.0).to_json()
    assert Config.from_json(FAST.to_json()) == FAST


def test_two_builds_of_one_store_do_not_mix(few_records: Path, tmp_path: Path) -> None:
    with (
        Journal(tmp_path / "out.h5.partial.scan"),
        pytest.raises(EcgStoreError, match="another build"),
    ):
        build(few_records, tmp_path / "out.h5")


def test_damaged_journal_is_named(few_records: Path, tmp_path: Path) -> None:
    (tmp_path / "out.h5.partial.scan").write_bytes(b"no database " * 100)
    with pytest.raises(EcgStoreError, match="damaged"):
        build(few_records, tmp_path / "out.h5")


def test_partial_without_journal_is_named(few_records: Path, tmp_path: Path) -> None:
    (tmp_path / "out.h5.partial").write_bytes(b"")
    with pytest.raises(EcgStoreError, match="journal"):
        build(few_records, tmp_path / "out.h5")


def test_existing_store_stays_until_the_new_one_is_complete(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = build(few_records, tmp_path / "out.h5")
    before = sha256(out)
    with pytest.raises(EcgStoreError, match="--overwrite"):
        build(few_records, out)
    other = Config(beats="none", high_hz=30.0)
    stopped_build(monkeypatch, "seal", few_records, out, other, overwrite=True)
    assert sha256(out) == before
    build(few_records, out, other, overwrite=True)
    assert sha256(out) != before


def test_full_disk_is_one_message_and_the_build_continues(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"

    def full(*arguments: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(EcgStoreError, match="disk is full"):
            build(few_records, out)
    build(few_records, out)


def test_damaged_partial_is_named(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.h5"
    stopped_build(monkeypatch, "seal", few_records, out)
    (tmp_path / "out.h5.partial").write_bytes(b"junk")
    with pytest.raises(EcgStoreError, match=r"delete .* to start again"):
        build(few_records, out)


def test_full_disk_of_the_journal_is_one_message(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Journal, "add", full)
    with pytest.raises(EcgStoreError, match="disk is full"):
        build(few_records, tmp_path / "out.h5")


def test_partial_file_is_no_store(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_build(monkeypatch, "seal", few_records, tmp_path / "out.h5")
    with pytest.raises(SchemaError, match="unfinished build"):
        ecgstore.open(tmp_path / "out.h5.partial")


def test_options_that_match_nothing_are_said(few_records: Path, tmp_path: Path) -> None:
    patients = tmp_path / "patients.csv"
    patients.write_text("record_id,patient_id\nnobody,1\n")
    config = Config(beats="none", exclude_sources=("st_petersburg",))
    report = ecgstore.survey(
        [few_records], config, patients=patients, n_workers=1, quiet=True
    )
    assert "is it the right CSV file?" in report.warnings[0]
    assert "ptb-xl" in report.warnings[1]
    assert "excluded st_petersburg" in report.warnings[2]


def test_too_small_a_disk_is_noticed_before_the_work(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(EcgStoreError, match=r"needs .* MB"):
        build(few_records, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5.partial").exists()


def test_without_pwrite_the_bytes_are_the_same(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = build(few_records, tmp_path / "expected.h5")
    monkeypatch.delattr(os, "pwrite")
    assert sha256(build(few_records, tmp_path / "out.h5")) == sha256(expected)


# -- row law ----------------------------------------------------------------


def reference(path: Path, config: Config) -> Any:
    """Return a record's stored counts by scipy alone; all gains here are 1000."""
    fs = float(path.read_text().split()[2])
    signal = scipy.io.loadmat(path.with_suffix(".mat"))["val"] / 1000
    signal = signal[:, : round((config.duration_s + config.margin_s) * fs)]
    if fs != config.fs:
        signal = scipy.signal.resample_poly(
            signal, round(config.fs), round(fs), axis=1, padtype="line"
        )
    sections = scipy.signal.butter(
        config.filter_order,
        (config.low_hz, config.high_hz),
        "bandpass",
        fs=config.fs,
        output="sos",
    )
    n_pad = min(round(config.fs / config.low_hz), signal.shape[1] - 1)
    signal = scipy.signal.sosfiltfilt(sections, signal, padtype="even", padlen=n_pad)
    padded = np.zeros((12, config.n_samples))
    n_real = min(config.n_samples, signal.shape[1])
    padded[:, :n_real] = signal[:, :n_real]
    return padded * 1000, n_real


def test_every_row_belongs_to_its_record(sample_store: Path) -> None:
    """Compute every row again with other libraries; read it through h5py alone."""
    config = Config()
    with h5py.File(sample_store) as file:
        n_records = len(file["signals"])
        assert n_records > 30
        for row in range(n_records):
            path = sample_folder().parent / file["records/path"][row].decode()
            expected, n_real = reference(path, config)
            counts = file["signals"][row].astype(float)
            resampled = file["records/fs_original"][row] != 500
            # Another resampling filter differs by some uV around steep QRS slopes.
            assert np.abs(counts - expected).max() <= (25 if resampled else 0.51)
            assert file["quality/pad_length"][row] == 5000 - n_real
            header = path.read_text()
            [dx] = [line.split(":")[1] for line in header.splitlines() if "Dx:" in line]
            codes = [code.strip() for code in dx.split(",")]
            assert file["records/dx"][row].decode().split(",") == codes
            assert file["records/record_id"][row].decode() == path.stem
            class_codes = file["labels"].attrs["codes"]
            assert file["labels"][row].tolist() == [
                int(bool(set(codes) & set(each.decode().split(","))))
                for each in class_codes
            ]


def test_features_can_be_computed_again_from_the_store(sample_store: Path) -> None:
    from ecgstore.beats import find_beats
    from ecgstore.features import compute

    with ecgstore.open(sample_store) as store:
        for record_id in [*store][::9]:
            record = store[record_id]
            signal = record.signal.astype(np.float64)
            beats = find_beats(signal, 500.0, max_beats=store.config.max_beats)
            np.testing.assert_array_equal(beats.r_peaks, record.r_peaks)
            np.testing.assert_array_equal(beats.fiducials, record.fiducials)
            np.testing.assert_array_equal(
                compute(signal, beats, 500.0, "neurokit"), [*record.features.values()]
            )


def test_rows_are_sorted_by_source_and_name(sample_store: Path) -> None:
    with ecgstore.open(sample_store) as store:
        keys = [*zip(store.records["source"], store.records.index, strict=True)]
    assert keys == sorted(keys)


def test_no_patient_and_no_signal_is_in_two_folds(sample_store: Path) -> None:
    with ecgstore.open(sample_store) as store:
        records = store.records
        known = records[records["patient_id"] != ""]
        assert known["patient_id"].duplicated().any()
        assert (known.groupby("patient_id")["fold"].nunique() == 1).all()
        assert records["sha256"].duplicated().any()
        assert (records.groupby("sha256")["fold"].nunique() == 1).all()
        assert (records[records["source"] == "ptb"]["fold"].nunique()) == 1


# -- selecting --------------------------------------------------------------


def test_any_code_of_the_class_set_selects(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    folder = write_record("A0001", dx="270492004,426783006").parent
    write_record("A0002", dx="426783006,270492004")
    write_record("A0003", dx="270492004")
    write_record("A0004", dx="999999,164889003,164889003")

    def stored(select: str) -> list[str]:
        config = make_config(options={"beats": "none", "select": select})
        build(folder, tmp_path / "out.h5", config, overwrite=True)
        with ecgstore.open(tmp_path / "out.h5") as store:
            return list(store)

    assert stored("any") == ["A0001", "A0002", "A0004"]
    assert stored("first") == ["A0002"]
    assert stored("all") == ["A0001", "A0002", "A0003", "A0004"]
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert store.labels().sum(axis=1).tolist() == [1, 1, 0, 1]
        assert store.records["dx"].tolist()[3] == "999999,164889003"


def test_report_counts_everything(tmp_path: Path, write_record: WriteRecord) -> None:
    folder = write_record("A0001").parent
    write_record("A0002", dx="270492004,123,123")
    write_record("A0003", np.zeros((12, 100), np.int16))
    write_record("Q0001")
    config = Config(beats="none", exclude_sources=("cpsc_2018_extra",))
    report = ecgstore.build_store(
        [folder], tmp_path / "out.h5", config, n_workers=1, quiet=True
    )
    assert report.n_found == 4
    assert report.n_selected == 1
    assert report.n_not_selected == 2
    assert report.reasons == {"too_short": 1}
    assert report.unknown_codes == {"123": 1}
    [left_out] = report.left_out
    assert left_out["path"] == "records/A0003.hea"
    assert report.sources == {"cpsc_2018": 1}
    assert report.classes["NSR"] == 1
    assert json.loads(json.dumps(report.to_json()))["n_found"] == 4


def test_survey_counts_what_a_build_selects(few_records: Path, tmp_path: Path) -> None:
    surveyed = ecgstore.survey([few_records], FAST, n_workers=1, quiet=True)
    built = ecgstore.build_store(
        [few_records], tmp_path / "out.h5", FAST, n_workers=1, quiet=True
    )
    assert surveyed.n_selected == built.n_selected
    assert surveyed.classes == built.classes
    assert surveyed.sources == built.sources


@pytest.mark.parametrize("n_workers", [1, 2])
def test_limit_takes_the_first_records(
    few_records: Path, tmp_path: Path, n_workers: int
) -> None:
    config = Config(beats="none", limit=3)
    out = build(few_records, tmp_path / "out.h5", config, n_workers=n_workers)
    everything = build(few_records, tmp_path / "all.h5")
    with ecgstore.open(out) as store, ecgstore.open(everything) as all_records:
        assert list(store) == list(all_records)[:3]


def test_first_record_of_a_name_stays(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    folder = write_record("A0001", folder="records/a").parent.parent
    write_record("A0001", folder="records/b")
    write_record("A0002", folder="records/b")
    out = build(folder, tmp_path / "out.h5")
    with ecgstore.open(out) as store:
        assert store.records["path"].tolist() == [
            "records/a/A0001.hea",
            "records/b/A0002.hea",
        ]
        assert store.quarantine["path"].tolist() == ["records/b/A0001.hea"]
        assert store.quarantine["reason"].tolist() == [Reason.DUPLICATE_RECORD_ID]
        assert "records/a/A0001.hea" in store.quarantine["detail"][0]


def test_record_that_fails_after_the_scan_is_quarantined(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours must not stop a build, nor shift the other rows."""
    clean = build(few_records, tmp_path / "clean.h5")
    with ecgstore.open(clean) as expected:
        victim = Path(expected.records["path"].iloc[2])
    original = read_record

    def failing(path: Path, **options: Any) -> Any:
        if path.name == victim.name:
            raise ZeroDivisionError("a defect")
        return original(path, **options)

    monkeypatch.setattr(fill, "read_record", failing)
    out = build(few_records, tmp_path / "out.h5")
    with ecgstore.open(out) as store, ecgstore.open(clean) as expected:
        assert store.quarantine["reason"].tolist() == [Reason.UNEXPECTED_ERROR]
        assert "ZeroDivisionError: a defect" in store.quarantine["detail"][0]
        assert victim.stem not in store
        for record_id in store:
            ours, theirs = store[record_id], expected[record_id]
            np.testing.assert_array_equal(ours.signal, theirs.signal)
            assert ours.labels == theirs.labels


def test_nothing_to_store_is_an_error_that_says_why(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EcgStoreError, match=r"no \.hea files"):
        build(tmp_path / "empty", tmp_path / "out.h5")
    folder = write_record("A0001", dx="270492004").parent
    with pytest.raises(EcgStoreError, match="1 are not selected"):
        build(folder, tmp_path / "out.h5")


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


def test_wrong_output_is_named(few_records: Path, tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match="no such folder"):
        build(few_records, tmp_path / "missing" / "out.h5")
    with pytest.raises(EcgStoreError, match="is a folder"):
        build(few_records, tmp_path)


def test_several_folders_of_one_name(tmp_path: Path, write_record: WriteRecord) -> None:
    first = write_record("A0001", folder="a/records").parent
    second = write_record("A0002", folder="b/records").parent
    out = tmp_path / "out.h5"
    ecgstore.build_store([second, first], out, FAST, n_workers=1, quiet=True)
    with ecgstore.open(out) as store:
        assert store.records["path"].tolist() == [
            "a/records/A0001.hea",
            "b/records/A0002.hea",
        ]


def test_float32_stores_millivolts(few_records: Path, tmp_path: Path) -> None:
    counts = build(few_records, tmp_path / "int16.h5")
    out = build(few_records, tmp_path / "f.h5", Config(beats="none", dtype="float32"))
    with ecgstore.open(out) as store, ecgstore.open(counts) as expected:
        rows = range(len(store))
        ours, theirs = store.signals([*rows]), expected.signals([*rows])
        assert np.abs(ours - theirs).max() <= 0.000501
        with pytest.raises(ValueError, match="no int16 counts"):
            store.signals([0], dtype="int16")


def test_saturation_is_flagged(tmp_path: Path, write_record: WriteRecord) -> None:
    pulse = np.random.default_rng(3).integers(-9, 9, (12, 5000))
    pulse[3, 1000:1100] += 20_000
    folder = write_record("A0001", pulse, gain="400/mV").parent
    out = build(folder, tmp_path / "out.h5")
    with ecgstore.open(out) as store:
        saturated = store.quality.filter(like="saturated_fraction").to_numpy()[0]
    assert saturated[3] > 0
    assert saturated.sum() == saturated[3]


def test_journal_is_an_ordinary_database(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_build(monkeypatch, "plan", few_records, tmp_path / "out.h5")
    connection = sqlite3.connect(tmp_path / "out.h5.partial.scan")
    (count,) = connection.execute("SELECT COUNT(*) FROM entries").fetchone()
    connection.close()
    assert count == len(list(few_records.rglob("*.hea")))
