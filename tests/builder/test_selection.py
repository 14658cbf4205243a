"""Which records are stored, and the report that counts them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ecgstore
from ecgstore.config import Config, make_config
from ecgstore.reasons import Reason

Build = Callable[..., Path]
WriteRecord = Callable[..., Path]
FAST = Config(beats="none")


def test_any_code_of_the_class_set_selects(
    tmp_path: Path, write_record: WriteRecord, build: Build
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


@pytest.mark.parametrize("n_workers", [1, 2])
def test_limit_takes_the_first_records(
    few_records: Path, tmp_path: Path, n_workers: int, build: Build
) -> None:
    config = Config(beats="none", limit=3)
    out = build(few_records, tmp_path / "out.h5", config, n_workers=n_workers)
    everything = build(few_records, tmp_path / "all.h5")
    with ecgstore.open(out) as store, ecgstore.open(everything) as all_records:
        assert list(store) == list(all_records)[:3]


def test_first_record_of_a_name_stays(
    tmp_path: Path, write_record: WriteRecord, build: Build
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


def test_options_that_match_nothing_are_warnings(
    few_records: Path, tmp_path: Path
) -> None:
    patients = tmp_path / "patients.csv"
    patients.write_text("record_id,patient_id\nnobody,1\n")
    config = Config(beats="none", exclude_sources=("st_petersburg",))
    report = ecgstore.survey(
        [few_records], config, patients=patients, n_workers=1, quiet=True
    )
    assert "is it the right file?" in report.warnings[0]
    assert "ptb-xl" in report.warnings[1]
    assert "excluded st_petersburg" in report.warnings[2]
