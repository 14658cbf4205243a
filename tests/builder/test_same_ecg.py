"""Changed copies of a record, and parts of it, share its fold and are reported."""

import json
import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.signal

import ecgstore
from ecgstore.builder.entry import Entry, Status
from ecgstore.builder.journal import Journal
from ecgstore.builder.report import ScanReport
from ecgstore.builder.shared_files import SharedFiles
from ecgstore.config import Config
from ecgstore.errors import SchemaError
from ecgstore.sources import read_record

WriteRecord = Callable[..., Path]
FAST = Config(beats="none", select="all")


def build(folder: Path, out: Path) -> ScanReport:
    return ecgstore.build_store([folder], out, FAST, n_workers=1, quiet=True)


def originals(folder: Path) -> list[Path]:
    headers = sorted(folder.rglob("*.hea"))
    return [headers[0], headers[-1]]


@pytest.fixture
def folder(few_records: Path, write_record: WriteRecord, tmp_path: Path) -> Path:
    """Return a folder with a dozen records, and changed copies of two of them."""
    copied = tmp_path / "records"
    for path, new in zip(originals(few_records), ("first", "second"), strict=True):
        signal = read_record(path).signal
        half = scipy.signal.resample_poly(signal, 1, 2, axis=1)
        write_record(f"{new}-250", np.rint(half * 500), fs=250, dx="164890007")
        write_record(f"{new}-later", np.rint(signal[:, 350:] * 1000))
    shutil.move(copied, few_records)
    return few_records


def test_copies_share_a_fold_and_are_reported(
    dozen_records: Path, folder: Path, tmp_path: Path
) -> None:
    one, other = (path.stem for path in originals(dozen_records))
    report = build(folder, tmp_path / "out.h5")
    assert report.n_selected == 16
    assert sorted(map(sorted, report.same_ecg)) == [
        sorted([one, "first-250", "first-later"]),
        sorted([other, "second-250", "second-later"]),
    ]
    with ecgstore.open(tmp_path / "out.h5") as store:
        folds = store.records["fold"]
        groups = pd.Series(store.groups(), folds.index)
        first = pd.Series(store.table("records/same_ecg"), folds.index)
        rows = pd.Series(np.arange(len(folds)), folds.index)
        for names in report.same_ecg:
            assert folds[names].nunique() == groups[names].nunique() == 1
            assert set(first[names]) == {rows[names].min()}
        assert folds.nunique() > 2
        assert groups.nunique() == 12
        others = folds.index.difference([*chain(*report.same_ecg)])
        assert first[others].equals(rows[others])


def test_other_folds_do_not_separate_copies(
    dozen_records: Path, folder: Path, tmp_path: Path
) -> None:
    one, other = (path.stem for path in originals(dozen_records))
    build(folder, tmp_path / "out.h5")
    table = tmp_path / "folds.csv"
    rows = [(one, 3), ("first-250", 4), ("first-later", 4), (other, 5)]
    lines = ["record_id,fold", *(f"{name},{fold}" for name, fold in rows)]
    table.write_text("\n".join(lines))
    ecgstore.label_store(tmp_path / "out.h5", table, folds_from="fold")
    with ecgstore.open(tmp_path / "out.h5") as store:
        folds = store.records["fold"]
        first = [one, "first-250", "first-later"]
        second = [other, "second-250", "second-later"]
        assert folds[first].nunique() == folds[second].nunique() == 1
        assert folds[one] == folds["first-250"]


def test_same_ecgs_that_are_no_rows_are_refused(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5", "r+") as file:
        file["records/same_ecg"][3] = 16
    with (
        ecgstore.open(tmp_path / "out.h5") as store,
        pytest.raises(SchemaError, match="names rows that do not exist"),
    ):
        store.groups()


def test_a_resumed_build_reports_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = build(folder, tmp_path / "whole.h5")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ecgstore.builder.one_file.seal", stop)
        with pytest.raises(KeyboardInterrupt):
            build(folder, tmp_path / "resumed.h5")
    assert build(folder, tmp_path / "resumed.h5") == expected
    whole, resumed = (tmp_path / name for name in ("whole.h5", "resumed.h5"))
    assert whole.read_bytes() == resumed.read_bytes()


def test_records_with_a_common_segment_share_a_fold(
    few_records: Path, write_record: WriteRecord, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    for name, n_samples in (("own1", 3500), ("common", 1500), ("own2", 3500)):
        adc = generator.integers(-900, 900, (12, n_samples)).astype(np.int16)
        write_record(name, adc, folder="training")
    write_segmented(few_records, "begins", ("common", 1500), ("own1", 3500))
    write_segmented(few_records, "ends", ("own2", 3500), ("common", 1500))
    report = build(few_records, tmp_path / "out.h5")
    assert report.n_selected == 14
    assert report.same_ecg == [["begins", "ends"]]
    with ecgstore.open(tmp_path / "out.h5") as store:
        folds = store.records["fold"]
        assert folds["begins"] == folds["ends"]
        groups = pd.Series(store.groups(), folds.index)
        assert groups["begins"] == groups["ends"]
        assert groups.nunique() == 13


def write_segmented(folder: Path, name: str, *segments: tuple[str, int]) -> None:
    """Write the header of a record that consists of segments."""
    n_samples = sum(length for _, length in segments)
    lines = [
        f"{name}/{len(segments)} 12 500 {n_samples}",
        *(f"{segment} {length}" for segment, length in segments),
        "",
    ]
    (folder / f"{name}.hea").write_text("\n".join(lines))


def linked(*files: list[str], same: list[int] | None = None) -> list[int]:
    entries = [
        Entry(
            path=f"a/{row}.hea",
            status=Status.SELECTED,
            source="",
            record_id=str(row),
            files=json.dumps([f"{row}.hea", *names]),
        )
        for row, names in enumerate(files)
    ]
    before = np.arange(len(files)) if same is None else np.array(same)
    shared = SharedFiles()
    shared.add(entries[:1])
    shared.add(entries[1:])
    return [*map(int, shared.link(before))]


def test_records_are_linked_by_common_signal_files() -> None:
    assert linked(["x.dat"], ["y.dat"], ["x.dat"]) == [0, 1, 0]
    assert linked(["x.mat"], ["x.MAT"]) == [0, 0]
    assert linked(["x.dat"], ["y.dat"], ["x.dat", "y.dat"]) == [0, 0, 0]


def test_records_are_linked_by_copies_of_records_with_common_files() -> None:
    assert linked(["x.dat"], ["y.dat"], ["y.dat"], same=[0, 0, 2]) == [0, 0, 0]
    assert linked(["w.dat"], ["x.dat"], ["y.dat"], same=[0, 1, 1]) == [0, 1, 1]


def test_layouts_and_missing_files_link_no_records() -> None:
    assert linked(["lay.hea", "~", "x.dat"], ["lay.hea", "~", "y.dat"]) == [0, 1]


def test_files_of_one_name_in_two_folders_link_no_records() -> None:
    entries = [
        Entry(path=path, status="", source="", record_id="", files='["x.dat"]')
        for path in ("a/1.hea", "b/1.hea", "1.hea")
    ]
    shared = SharedFiles()
    shared.add(entries)
    assert [*shared.link(np.arange(3))] == [0, 1, 2]


def test_a_store_is_planned_anew_if_a_record_gets_other_files() -> None:
    digests = set()
    for files in ('["1.hea", "x.dat"]', '["1.hea", "y.dat"]'):
        with Journal(None) as journal:
            journal.add(
                [
                    Entry(
                        path="1.hea",
                        status=Status.SELECTED,
                        source="",
                        record_id="1",
                        files=files,
                    )
                ]
            )
            digests.add(journal.digest())
    assert len(digests) == 2
