"""What people get out of a store: exports, counts, warnings, hints, queries."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ecgstore
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, RecordNotFoundError
from ecgstore.export import export
from ecgstore.features import q_s_peaks
from ecgstore.record import MARKS
from ecgstore.storage import Store
from ecgstore.storage.summary import summarise

WriteRecord = Callable[..., Path]
FAST = Config(beats="none")


@pytest.fixture
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


def build(folder: Path, out: Path, config: Config = FAST, **options: Any) -> Any:
    options = {"n_workers": 1, "quiet": True, **options}
    return ecgstore.build_store([folder], out, config, **options)


# -- exports ----------------------------------------------------------------


def test_every_column_of_the_labels(store: Store, tmp_path: Path) -> None:
    [path] = export(store, tmp_path, ["labels"])
    table = pd.read_csv(path, dtype={"record_id": str})
    assert list(table) == ["record_id", "source", "fold", *store.label_names]
    assert table["record_id"].tolist() == store.records.index.tolist()
    assert table["source"].tolist() == store.records["source"].tolist()
    assert table["fold"].tolist() == store.records["fold"].tolist()
    assert table["fold"].nunique() > 5
    np.testing.assert_array_equal(table[[*store.label_names]], store.labels())


def test_every_column_of_the_features(store: Store, tmp_path: Path) -> None:
    [path] = export(store, tmp_path, ["features"])
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["record_id", "source", *store.feature_names]
    assert [row[0] for row in rows] == store.records.index.tolist()
    assert [row[1] for row in rows] == store.records["source"].tolist()
    values = np.array([[float(each or "nan") for each in row[2:]] for row in rows])
    np.testing.assert_array_equal(values.astype(np.float32), store.features())


def test_every_peak_is_the_stores(store: Store, tmp_path: Path) -> None:
    [path] = export(store, tmp_path, ["peaks"])
    content = json.loads(path.read_text())
    assert content["fs"] == 500
    found: Counter[str] = Counter()
    for row, exported in enumerate(content["records"]):
        record = store[exported["record_id"]]
        assert record.row == row
        assert exported["source"] == record.source
        assert exported["r_peaks"] == record.r_peaks.tolist()
        assert [*exported["leads"]] == [*ecgstore.LEADS]
        q_s = q_s_peaks(record.signal.astype(np.float64), record.fiducials)
        for number, lead in enumerate(ecgstore.LEADS):
            waves = {
                name: [-1 if each is None else each for each in values]
                for name, values in exported["leads"][lead].items()
            }
            marks = record.fiducials[number]
            assert waves == {
                "P": marks[:, MARKS.index("p_peak")].tolist(),
                "Q": q_s[number, :, 0].tolist(),
                "R": marks[:, MARKS.index("r_peak")].tolist(),
                "S": q_s[number, :, 1].tolist(),
                "T": marks[:, MARKS.index("t_peak")].tolist(),
            }
            for name, values in waves.items():
                found[name] += sum(value >= 0 for value in values)
            for q, r, s in zip(waves["Q"], waves["R"], waves["S"], strict=True):
                if min(q, r, s) >= 0:  # the tip of R stands above both
                    lead_mv = record.signal[number]
                    assert lead_mv[r] >= lead_mv[q] or s < r
    assert min(found[name] for name in "PQRST") > 100


# -- summary ----------------------------------------------------------------


def test_summary_counts_what_pandas_counts(store: Store, sample_store: Path) -> None:
    summary = summarise(sample_store)
    records, quality = store.records, store.quality
    labels = pd.DataFrame(store.labels(), columns=[*store.label_names])
    assert summary["path"] == str(sample_store)
    assert summary["size_bytes"] == sample_store.stat().st_size
    assert summary["n_records"] == len(records)
    assert summary["n_features"] == store.features().shape[1]
    assert summary["signals"] == {
        "shape": [len(records), 12, 5000],
        "dtype": "int16",
        "fs": 500.0,
    }
    assert summary["software"] == store.software
    assert summary["fingerprint"] == store.fingerprint
    assert summary["beats_engine"] == "ecgstore"
    assert summary["sources"] == records["source"].value_counts().to_dict()
    assert summary["classes"] == labels.sum().to_dict()
    by_fold = labels.groupby(records["fold"].to_numpy())
    assert summary["folds"] == {
        fold: {"records": len(group), "classes": group.sum().to_dict()}
        for fold, group in by_fold
    }
    assert summary["quarantine"] == store.quarantine["reason"].value_counts().to_dict()
    names = {value: name for name, value in store.beats_statuses.items()}
    status = quality["beats_status"].map(names).value_counts()
    assert summary["beats"] == status.to_dict()

    def flagged(column: str, least: float = 0) -> int:
        columns = [f"{column}_{lead}" for lead in ecgstore.LEADS]
        return int((quality[columns] > least).any(axis=1).sum())

    flags = {
        "a lead is flat": flagged("flat_fraction", 0.9999),
        "a lead is clipped": flagged("clipped_fraction"),
        "missing samples interpolated": flagged("missing_fraction"),
        "exceeds the range of int16": flagged("saturated_fraction"),
        "header checksum differs": flagged("checksum_differs"),
        "header first value differs": flagged("first_value_differs"),
        "shorter than stored, padded": int((quality["pad_length"] > 0).sum()),
    }
    assert summary["flags"] == {name: n for name, n in flags.items() if n}


def test_every_flag_is_counted(tmp_path: Path, write_record: WriteRecord) -> None:
    """A record or two per flag, and one without."""
    noise = np.random.default_rng(4).integers(-900, 900, (12, 5000))
    folder = write_record("A0001", noise).parent
    for number, (lead, samples, value) in enumerate(
        [(1, slice(None), 5), (11, slice(0, 900), 32767), (4, slice(50, 60), -32768)]
    ):
        changed = noise.copy()
        changed[lead, samples] = value
        write_record(f"A000{number + 2}", changed)
    pulse = noise.copy()
    pulse[3, 1000:1100] = 20_000
    write_record("A0005", pulse, gain="400/mV")
    write_record("A0006", noise[:, :4000])
    for record_id, field in (("A0007", 6), ("A0008", 5), ("A0009", 6)):
        header = write_record(record_id, noise)
        lines = header.read_text().splitlines()
        fields = lines[12].split()
        fields[field] = str(int(fields[field]) - 1)
        lines[12] = " ".join(fields)
        header.write_text("\n".join([*lines, ""]))
    build(folder, tmp_path / "o.h5")
    summary = summarise(tmp_path / "o.h5")
    assert summary["flags"] == {
        "a lead is flat": 1,
        "a lead is clipped": 2,  # A0005 is beyond 32.767 mV
        "missing samples interpolated": 1,
        "exceeds the range of int16": 1,
        "header checksum differs": 2,
        "header first value differs": 1,
        "shorter than stored, padded": 1,
    }
    assert summary["beats"] == {"not_computed": 9}
    assert summary["n_records"] == 9


# -- report of a build ------------------------------------------------------


def test_identical_signals_are_counted(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    noise = np.random.default_rng(2).integers(-900, 900, (12, 5000))
    folder = write_record("A0001", noise).parent
    write_record("A0002", noise)
    write_record("A0003")
    assert build(folder, tmp_path / "two.h5").n_identical == 2
    write_record("A0004", noise)
    write_record("A0005", noise, dx="270492004")  # not selected
    for record_id in ("A0006", "A0007"):
        write_record(record_id, noise + 1)
    assert build(folder, tmp_path / "five.h5").n_identical == 5
    assert ecgstore.survey([folder], FAST, n_workers=1, quiet=True).n_identical == 0
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
    [warning] = without.warnings
    assert "ptb-xl" in warning
    assert "--patients" in warning
    surveyed = ecgstore.survey([folder], FAST, n_workers=1, quiet=True)
    assert surveyed.warnings == without.warnings
    known = build(folder, tmp_path / "with.h5", patients=patients)
    assert known.warnings == []
    write_record("HR00001", folder="records/ptb-xl").unlink()
    write_record("HR00002", folder="records/ptb-xl").unlink()
    assert build(folder, tmp_path / "other.h5").warnings == []


def test_codes_of_records_that_cannot_be_used_count_too(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    """`unknown_codes` is about the records found: their headers are readable."""
    folder = write_record("A0001", dx="426783006,55555").parent
    write_record("A0002", np.zeros((12, 100), np.int16), dx="426783006,55555")
    surveyed = ecgstore.survey([folder], FAST, n_workers=1, quiet=True)
    assert surveyed.unknown_codes == {"55555": 2}
    report = build(folder, tmp_path / "o.h5")
    assert report.reasons == {"too_short": 1}
    assert report.unknown_codes == {"55555": 2}


def test_quarantine_has_the_name_of_the_header(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    """The name of the file stands in only where the header has none."""
    folder = write_record("A0001").parent
    header = write_record("A0002", np.zeros((12, 100), np.int16))
    header.rename(header.with_name("another.hea"))
    report = build(folder, tmp_path / "o.h5")
    assert report.reasons == {"too_short": 1}
    with ecgstore.open(tmp_path / "o.h5") as store:
        assert store.quarantine["record_id"].tolist() == ["A0002"]


# -- asking for records -----------------------------------------------------


def test_record_that_was_left_out_is_explained(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    folder = write_record("A0001").parent
    write_record("A0002", np.zeros((12, 100), np.int16))
    build(folder, tmp_path / "o.h5")
    with ecgstore.open(tmp_path / "o.h5") as store:
        with pytest.raises(
            RecordNotFoundError, match=r"'A0002'; it was left out: .*100 samples"
        ):
            store["A0002"]
        with pytest.raises(RecordNotFoundError, match="did you mean A0001"):
            store["A0003"]
        assert "A0002" not in store


def test_query_over_features_records_and_quality(store: Store) -> None:
    features, records = store.features(), store.records
    for query, expected in (
        ("mean_hr > 80", features["mean_hr"] > 80),
        (
            "mean_hr <= 80 and age < 60",
            (features["mean_hr"] <= 80) & (records["age"] < 60),
        ),
        ("ksqi_V1 > 5", store.quality["ksqi_V1"] > 5),
    ):
        rows = store.select(query=query).rows
        assert 0 < len(rows) < len(store)
        assert rows.tolist() == np.flatnonzero(expected.to_numpy()).tolist()
    with pytest.raises(EcgStoreError, match="no_such_feature"):
        store.select(query="no_such_feature > 1")
