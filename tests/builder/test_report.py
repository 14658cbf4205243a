"""The report of a build or a survey: counts and warnings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import ecgstore
from ecgstore.cli import cli
from ecgstore.config import Config
from tests.builder.other_warnings import other_warnings

WriteRecord = Callable[..., Path]
FAST = Config(beats="none")


def build(folder: Path, out: Path, config: Config = FAST, **options: Any) -> Any:
    options = {"n_workers": 1, "quiet": True, **options}
    return ecgstore.build_store([folder], out, config, **options)


def test_identical_signals_are_counted(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    noise = np.random.default_rng(2).integers(-900, 900, (12, 5000))
    folder = write_record("A0001", noise).parent
    write_record("A0002", noise)
    write_record("A0003")
    assert build(folder, tmp_path / "two.h5").same_ecg == [["A0001", "A0002"]]
    write_record("A0004", noise)
    write_record("A0005", noise, dx="270492004")  # not selected
    for record_id in ("A0006", "A0007"):
        write_record(record_id, noise[::-1])
    names = ["A0001", "A0002", "A0004"], ["A0006", "A0007"]
    assert sorted(build(folder, tmp_path / "five.h5").same_ecg) == [*map(list, names)]
    assert ecgstore.survey([folder], FAST, n_workers=1, quiet=True).same_ecg == []
    with ecgstore.open(tmp_path / "five.h5") as store:
        folds = store.records["fold"]
        assert folds[["A0001", "A0002", "A0004"]].nunique() == 1
        assert folds[["A0006", "A0007"]].nunique() == 1


def test_unknown_patients_of_ptb_xl_are_a_warning(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    folder = write_record("HR00001", folder="records/ptb-xl").parent.parent
    write_record("HR00002", folder="records/ptb-xl")
    write_record("A0001")
    patients = tmp_path / "patients.csv"
    patients.write_text("record_id,patient_id\nHR00001,1\nHR00002,2\n")
    without = build(folder, tmp_path / "without.h5")
    [warning] = other_warnings(without)
    assert "ptb-xl" in warning
    assert "--patients" in warning
    surveyed = ecgstore.survey([folder], FAST, n_workers=1, quiet=True)
    assert other_warnings(surveyed) == other_warnings(without)
    known = build(folder, tmp_path / "with.h5", patients=patients)
    assert other_warnings(known) == []
    write_record("HR00001", folder="records/ptb-xl").unlink()
    write_record("HR00002", folder="records/ptb-xl").unlink()
    assert other_warnings(build(folder, tmp_path / "other.h5")) == []


def test_unknown_codes_of_rejected_records_count(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    """`unknown_codes` counts all records with a readable header."""
    folder = write_record("A0001", dx="426783006,55555").parent
    write_record("A0002", np.zeros((12, 100), np.int16), dx="426783006,55555")
    surveyed = ecgstore.survey([folder], FAST, n_workers=1, quiet=True)
    assert surveyed.unknown_codes == {"55555": 2}
    report = build(folder, tmp_path / "o.h5")
    assert report.reasons == {"too_short": 1}
    assert report.unknown_codes == {"55555": 2}


def test_diagnoses_in_words_are_understood_or_counted(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    folder = write_record("A0001", dx="Normal;RBBB").parent
    write_record("A0002", dx="AF/foo")
    write_record("A0003", dx="bar, foo,AF,foo,AF?,-1")
    write_record("A0004", np.zeros((12, 100), np.int16), dx="AF,foo,AF?")
    write_record("A0005", dx="Unknown")
    surveyed = ecgstore.survey([folder], FAST, n_workers=1, quiet=True)
    assert surveyed.n_not_selected == 2
    report = build(folder, tmp_path / "o.h5")
    words = [("[texts in headers]", 3), ("AF?", 2), ("-1", 1)]  # by frequency
    assert list(report.unknown_words.items()) == words
    assert surveyed.unknown_words == report.unknown_words
    assert report.to_json()["unknown_words"] == dict(words)
    with ecgstore.open(tmp_path / "o.h5") as store:
        assert store.records["dx"].to_dict() == {
            "A0001": "426783006,59118001",
            "A0003": "164889003",
        }
        assert store.labels()[:, store.label_names.index("RBBB")].tolist() == [1, 0]


def test_the_number_of_different_unknown_words_is_bounded(
    tmp_path: Path, write_record: WriteRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgstore.builder.report._MOST_WORDS", 2)
    folder = write_record("A0001", dx="AF,AF?,-1").parent
    for number in range(2, 5):
        write_record(f"A000{number}", dx=f"AF,AF?,-{number},-5{number}")
    surveyed = ecgstore.survey([folder], FAST, n_workers=1, quiet=True)
    assert surveyed.unknown_words == {"AF?": 4, "[other words]": 3, "-1": 1}


def test_quarantine_uses_the_record_name_of_the_header(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    """The file name is used only if the header has no record name."""
    folder = write_record("A0001").parent
    header = write_record("A0002", np.zeros((12, 100), np.int16))
    header.rename(header.with_name("another.hea"))
    report = build(folder, tmp_path / "o.h5")
    assert report.reasons == {"too_short": 1}
    with ecgstore.open(tmp_path / "o.h5") as store:
        assert store.quarantine["record_id"].tolist() == ["A0002"]


def test_classes_without_a_record_are_a_warning(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    folder = write_record("A0001", dx="426783006").parent
    write_record("A0002", dx="164889003")
    report = build(folder, tmp_path / "o.h5")
    empty = [name for name, number in report.classes.items() if not number]
    assert 0 < len(empty) < len(report.classes)
    [warning] = report.warnings
    assert f"no record has class {', '.join(empty)}: " in warning


def test_records_without_a_known_patient_are_counted_by_source(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    for source, names in {"georgia": "E1 E2 E3", "ludb": "1 2", "ptb": "S1"}.items():
        for name in names.split():
            write_record(name, folder=f"records/{source}")
    table = tmp_path / "patients.csv"
    table.write_text("record_id,patient_id\nE2,7\nS1,8\n")
    command = ["build", str(tmp_path / "records"), "-o", str(tmp_path / "out.h5")]
    options = ["--beats", "none", "--patients", str(table), "--workers", "1"]
    done = CliRunner().invoke(cli, [*command, *options])
    line = "records without a known patient: 2 of 3 georgia, 2 of 2 ludb;"
    assert line in done.stdout


def test_a_path_is_printed_once(tmp_path: Path, write_record: WriteRecord) -> None:
    write_record("A1")
    folder = write_record("A2").parent
    (folder / "A2.hea").write_text("A2 12 fast 5000\n")
    out = tmp_path / "out.h5"
    command = ["build", str(folder), "-o", str(out), "--beats", "none"]
    done = CliRunner().invoke(cli, [*command, "--workers", "1"])
    [line] = [line for line in done.stdout.splitlines() if "left out" in line]
    assert line.count("A2.hea") == 1, line
    assert "found 2 records: 1 selected" in done.stdout
    (folder / "A1.mat").unlink()
    done = CliRunner().invoke(cli, [*command, "--workers", "1", "--overwrite"])
    assert "none of 2 records can be stored" in str(done.exception)
