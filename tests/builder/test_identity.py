"""One ECG is one record: copies, parts, and records that share a name."""

import filecmp
import itertools
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from ecgstore.builder import fill, one_file
from ecgstore.builder.entry import Entry, Status, ecg_key
from ecgstore.builder.journal import Journal
from ecgstore.builder.scan import Folders
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.reasons import Reason
from ecgstore.sources import open_record
from tests.builder.other_warnings import other_warnings

Build = Callable[..., Path]
StoppedBuild = Callable[..., None]
WriteRecord = Callable[..., Path]
FAST = Config(beats="none", select="all", min_duration_s=1.0, duration_s=2.0)


def noise(fs: float, seed: int) -> Any:
    return np.random.default_rng(seed).integers(-900, 900, (12, int(2 * fs)))


def stored(path: Path) -> list[str]:
    """Return the paths of the stored records below the source folder, sorted."""
    with ecgstore.open(path) as store:
        paths = [str(path).removeprefix("records/") for path in store.records["path"]]
    return sorted(paths)


def survey(folder: Path, config: Config = FAST) -> ecgstore.ScanReport:
    return ecgstore.survey([folder], config, n_workers=1, quiet=True)


@pytest.fixture
def write(write_record: WriteRecord) -> WriteRecord:
    """Return a function that writes a record of 2 s, with noise of its own."""

    def run(record_id: str, fs: float = 500, **options: Any) -> Path:
        adc = options.pop("adc", noise(fs, sum(record_id.encode())))
        return write_record(record_id, adc, fs=fs, **options)

    return run


@pytest.fixture
def both_rates(write: WriteRecord) -> Path:
    """Return a folder like that of PTB-XL, with three ECGs at two sampling rates."""
    for number, rate in itertools.product((841, 1612, 2132), (100, 500)):
        name = f"{number:05d}_{'lr' if rate == 100 else 'hr'}"
        header = write(name, rate, dx="", folder=f"records/records{rate}/00000")
    return header.parents[2]


def names(rate: str, *numbers: str) -> list[str]:
    folder = {"hr": "records500", "lr": "records100"}[rate]
    return [f"{folder}/00000/{number}_{rate}.hea" for number in numbers]


ALL = ("00841", "01612", "02132")


@pytest.mark.parametrize(
    ("fs", "rate"), [(90, "lr"), (100, "lr"), (101, "hr"), (500, "hr"), (1000, "hr")]
)
def test_the_rate_nearest_from_above_is_stored(
    both_rates: Path, tmp_path: Path, build: Build, fs: float, rate: str
) -> None:
    config = Config(
        beats="none", select="all", fs=fs, min_duration_s=1, duration_s=2, high_hz=20
    )
    assert stored(build(both_rates, tmp_path / "o.h5", config)) == names(rate, *ALL)
    report = survey(both_rates, config)
    assert (report.n_found, report.n_selected, report.n_copies) == (6, 3, 3)
    assert report.n_quarantined == 0
    assert report.to_json()["n_copies"] == 3


def test_a_damaged_file_is_replaced_by_its_copy(
    both_rates: Path, tmp_path: Path, build: Build
) -> None:
    damaged = both_rates / names("hr", "01612")[0]
    damaged.with_suffix(".mat").write_bytes(b"damaged")
    out = build(both_rates, tmp_path / "o.h5", FAST)
    expected = sorted([*names("hr", "00841", "02132"), *names("lr", "01612")])
    assert stored(out) == expected
    with ecgstore.open(out) as store:
        assert store.quarantine["record_id"].tolist() == ["01612_hr"]


def test_a_record_that_fails_late_is_replaced_by_its_copy(
    both_rates: Path,
    tmp_path: Path,
    build: Build,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(path: Any, *leads: Any, **options: Any) -> Any:
        if Path(path).stem == "00841_hr":
            raise ecgstore.RecordError(Reason.UNREADABLE_SIGNAL, "changed")
        return open_record(path, *leads, **options)

    monkeypatch.setattr(fill, "open_record", fails)
    out = build(both_rates, tmp_path / "o.h5", FAST)
    expected = sorted([*names("lr", "00841"), *names("hr", "01612", "02132")])
    assert stored(out) == expected


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_limit_counts_ecgs_and_takes_the_originals(
    both_rates: Path, tmp_path: Path, build: Build, limit: int
) -> None:
    config = Config(
        beats="none", select="all", min_duration_s=1, duration_s=2, limit=limit
    )
    out = build(both_rates, tmp_path / "o.h5", config)
    assert stored(out) == names("hr", *ALL[:limit])
    for path in [*both_rates.rglob("*_?r.*")]:
        path.rename(both_rates / path.name)  # so that copies follow each other
    assert survey(both_rates, config).n_selected == limit


def test_one_with_diagnoses_is_preferred_to_the_better_rate(
    both_rates: Path, tmp_path: Path, write: WriteRecord, build: Build
) -> None:
    write("HR00841", folder="records/training/ptb-xl/g1")
    write("HR02132", folder="records/training/ptb-xl/g1", dx="")
    config = Config(beats="none", select="all", fs=100, min_duration_s=1, duration_s=2)
    out = build(both_rates, tmp_path / "o.h5", config)
    expected = ["training/ptb-xl/g1/HR00841.hea", *names("lr", "01612", "02132")]
    assert stored(out) == sorted(expected)
    report = survey(both_rates, config)
    assert (report.n_selected, report.n_copies) == (3, 5)


def test_records_that_are_not_selected_do_not_compete(
    both_rates: Path, write: WriteRecord
) -> None:
    write("HR00841", folder="records/training/ptb-xl/g1")
    config = Config(beats="none", min_duration_s=1, duration_s=2)
    report = survey(both_rates, config)
    assert (report.n_selected, report.n_copies, report.n_not_selected) == (1, 0, 6)


def test_the_bytes_depend_neither_on_workers_nor_on_interruptions(
    both_rates: Path,
    tmp_path: Path,
    write: WriteRecord,
    build: Build,
    stopped_build: StoppedBuild,
) -> None:
    for folder in ("a", "b"):
        write("HR01612", folder=f"records/{folder}/ptb-xl")
        write("1", folder=f"records/{folder}", adc=noise(500, ord(folder)))
    one = build(both_rates, tmp_path / "one.h5", FAST)
    two = build(both_rates, tmp_path / "two.h5", FAST, n_workers=2)
    stopped = tmp_path / "stopped.h5"
    stopped_build(one_file, "plan", both_rates, stopped, FAST)
    build(both_rates, stopped, FAST)
    assert filecmp.cmp(one, two, shallow=False)
    assert filecmp.cmp(one, stopped, shallow=False)
    assert len(stored(one)) == 5


def made_up_entries() -> Iterator[Entry]:
    """Yield entries of every kind that the end of a scan tells apart."""
    for number, (record_id, fs, dx, sha256) in enumerate(
        itertools.product(
            ("HR00001", "00001_hr", "00001_lr", "HR00002", "x"),
            (50.0, 100.0, 500.0, 1000.0),
            ("", "1"),
            ("a", "b"),
        )
    ):
        for source in ("ptb-xl", "georgia", "hospital"):
            yield Entry(
                path=f"{source}/{number:03d}.hea",
                status=Status.SELECTED,
                source=source,
                record_id=record_id,
                fs=fs,
                dx=dx,
                sha256=sha256,
            )


@pytest.mark.parametrize("fs", [100.0, 250.0, 2000.0])
def test_the_selection_is_that_of_its_definition_in_any_order(fs: float) -> None:
    entries = list(made_up_entries())

    def rank(entry: Entry) -> tuple[bool, float, str]:
        distance = entry.fs - fs if entry.fs >= fs else 1e6 - entry.fs
        return not entry.dx, distance, entry.path

    best: dict[str, Entry] = {}
    for entry in entries:
        key = ecg_key(entry.source, entry.record_id, entry.sha256, entry.path)
        best[key] = min(entry, best.get(key, entry), key=rank)
    assert len(best) == 3 + 5 + 10
    expected = sorted(entry.path for entry in best.values())
    results = []
    with Journal(None) as journal:
        for seed in range(3):
            random.Random(seed).shuffle(entries)
            journal.begin_scan()
            if seed < 2:
                journal.add(entries)
            else:  # as a scan that is continued does
                journal.keep(entry.path for entry in entries)
            journal.end_scan(fs)
            selected = list(journal.entries(Status.SELECTED))
            assert sorted(entry.path for entry in selected) == expected
            names = [(entry.source, entry.record_id) for entry in selected]
            assert len(set(names)) == len(names)
            counts = [journal.count(status) for status in Status]
            results.append((names, counts))
            assert journal.count() == len(entries) == sum(counts)
        assert results[0] == results[1] == results[2]
        journal.begin_scan()
        journal.keep(entry.path for entry in entries)
        assert {journal.entry(entry.path) for entry in entries} == set(entries)


def test_equal_names_in_unknown_folders_are_two_records(
    tmp_path: Path, write: WriteRecord, build: Build
) -> None:
    write("1", folder="records/mine")
    write("1", folder="records/theirs", adc=noise(500, 7), dx="164889003")
    write("1", folder="records/twin")  # the signal of mine
    write("2", folder="records/mine")
    patients = tmp_path / "patients.csv"
    patients.write_text("record_id,patient_id\nrecords/theirs/1.hea,7\n2,8\n")
    out = build(tmp_path / "records", tmp_path / "o.h5", FAST, patients=patients)
    theirs = "records/theirs/1.hea"
    with ecgstore.open(out) as store:
        assert list(store) == ["2", "records/mine/1.hea", theirs]
        assert store.records["source"].tolist() == ["records"] * 3
        assert store[theirs].labels["AF"]
        assert store[f"records/{theirs}"].record_id == theirs
        assert store[theirs].patient_id == "7"
        assert store["2"].patient_id == "8"
        assert store.quarantine["path"].tolist() == ["records/twin/1.hea"]
        assert store.quarantine["reason"].tolist() == [Reason.DUPLICATE_RECORD_ID]


def test_data_sets_under_one_root_have_their_own_sources(
    tmp_path: Path, write: WriteRecord, build: Build
) -> None:
    write("1", folder="records/ludb")
    write("1", folder="records/code15", adc=noise(400, 1), fs=400)
    out = build(tmp_path / "records", tmp_path / "o.h5", FAST)
    with ecgstore.open(out) as store:
        assert list(store) == ["code15/1", "ludb/1"]
        assert set(store.records.index) == {"1"}


@pytest.mark.parametrize("suffixes", [(".hea", ".mat"), (".HEA", ".MAT")])
def test_segments_are_stored_as_their_record_only(
    tmp_path: Path, write: WriteRecord, build: Build, suffixes: tuple[str, str]
) -> None:
    segment = write("seg1", suffixes=suffixes)
    folder = segment.parent
    write("seg2", suffixes=suffixes)
    master = folder / f"whole{suffixes[0]}"
    master.write_text("whole/3 12 500 2010\nseg1 1000\n~ 10\nseg2 1000\n#Dx: 426783006")
    config = Config(beats="none", limit=2)
    for options in (config, Config(beats="none")):
        report = survey(folder, options)
        assert (report.n_found, report.n_selected, report.sources) == (
            1, 1, {"records": 1},
        )  # fmt: skip
    out = build(folder, tmp_path / "o.h5")
    assert stored(out) == [master.name]
    # A segment that is given itself is the record that is wanted.
    assert stored(build(segment, tmp_path / "s.h5", FAST)) == [segment.name]
    # Those of a record in quarantine stay parts of it.
    (folder / f"seg2{suffixes[1]}").unlink()
    with pytest.raises(EcgStoreError, match=r"none of 1 record .*1 missing_signal"):
        build(folder, tmp_path / "q.h5")


def test_suffixes_in_capitals_are_read_and_watched(
    tmp_path: Path, write: WriteRecord, build: Build, stopped_build: StoppedBuild
) -> None:
    header = write("A0001", suffixes=(".HEA", ".MAT"))
    out = tmp_path / "o.h5"
    stopped_build(one_file, "seal", header.parent, out, FAST)
    signal = header.with_suffix(".MAT")
    signal.write_bytes(signal.read_bytes() + b"x")
    with pytest.raises(EcgStoreError, match="wrong_signal_size"):
        build(header.parent, out, FAST)
    signal.write_bytes(signal.read_bytes()[:-1])
    other = tmp_path / "other.h5"
    build(header.parent, other, FAST)
    with ecgstore.open(other) as store:
        assert list(store) == ["A0001"]
        assert store.records["source"].tolist() == ["cpsc_2018"]


def test_folders_that_cannot_be_read_are_counted_and_the_rest_is_built(
    tmp_path: Path, write: WriteRecord, build: Build
) -> None:
    folder = write("A0001").parent
    for name in ("a", "b\x1b[31m", "c", "d"):
        (folder / name).symlink_to(name)
    report = ecgstore.build_store(
        [folder], tmp_path / "o.h5", FAST, n_workers=1, quiet=True
    )
    assert (report.n_found, report.n_selected) == (1, 1)
    assert report.n_unreadable_paths == 4
    [warning] = other_warnings(report)
    assert "(4): 'records/a' (" in warning
    assert "\x1b" not in warning
    assert "records/d" not in warning
    assert other_warnings(survey(folder)) == other_warnings(report)
    for path in folder.glob("A0001*"):
        path.unlink()
    with pytest.raises(EcgStoreError, match=r"no \.hea, .* files below.*records/a"):
        build(folder, tmp_path / "none.h5")


def test_headers_without_codes_are_told_from_other_classes(
    tmp_path: Path, write: WriteRecord, build: Build
) -> None:
    folder = write("A0001", dx="").parent
    with pytest.raises(EcgStoreError, match="no header has a diagnosis code"):
        build(folder, tmp_path / "o.h5")
    config = Config(beats="none", exclude_sources=("cpsc_2018",))
    with pytest.raises(EcgStoreError, match="all are of excluded sources"):
        build(folder, tmp_path / "o.h5", config)
    write("A0002", dx="270492004")
    with pytest.raises(EcgStoreError, match="choose other --classes"):
        build(folder, tmp_path / "o.h5")


def test_patients_of_records_that_a_limit_leaves_out_are_no_warning(
    few_records: Path, tmp_path: Path
) -> None:
    patients = tmp_path / "patients.csv"
    name = next(few_records.rglob("HR*.hea")).stem
    patients.write_text(f"record_id,patient_id\n{name},1\n")
    for options in ({"limit": 1}, {"exclude_sources": ["ptb-xl"]}):
        config = Config(beats="none", **options)
        report = ecgstore.survey(
            [few_records], config, patients=patients, n_workers=1, quiet=True
        )
        assert other_warnings(report) == []
    assert json.dumps(report.to_json())


def test_one_folder_is_given_as_it_is(tmp_path: Path) -> None:
    expected = Folders.of([tmp_path])
    assert Folders.of(tmp_path) == Folders.of(str(tmp_path)) == expected
