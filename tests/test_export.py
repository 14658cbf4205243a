"""Exports: every row has its record_id, and every value is written."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ecgstore
from ecgstore.errors import EcgStoreError
from ecgstore.export import EXPORTS, export
from ecgstore.features import q_s_peaks
from ecgstore.record import MARKS, Mark
from ecgstore.storage import Store


@pytest.fixture
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        assert "\r" not in file.read()
        file.seek(0)
        return list(csv.DictReader(file))


def test_tables_hold_what_the_store_holds(sample_store: Path, tmp_path: Path) -> None:
    with ecgstore.open(sample_store) as store:
        written = export(store, tmp_path / "tables", list(EXPORTS))
        assert [path.name for path in written] == [
            "records.csv",
            "labels.csv",
            "features.csv",
            "peaks.json",
        ]
        _, labels, features, peaks = written
        for row, record in zip(rows_of(labels), store, strict=True):
            assert row["record_id"] == record
            stored = store.labels(rows=[store.row(record)])[0]
            assert [row[name] for name in store.label_names] == [*map(str, stored)]
        for row, record in zip(rows_of(features), store, strict=True):
            assert row["record_id"] == record
            values = [float(row[name] or "nan") for name in store.feature_names]
            expected = store.features([store.row(record)]).to_numpy()[0]
            np.testing.assert_array_equal(np.array(values, np.float32), expected)
        content = json.loads(peaks.read_text())
        assert content["fs"] == 500
        assert [record["record_id"] for record in content["records"]] == list(store)
        for exported in content["records"]:
            stored_record = store[exported["record_id"]]
            assert exported["source"] == stored_record.source
            assert exported["r_peaks"] == stored_record.r_peaks.tolist()
            for number, lead in enumerate(ecgstore.LEADS):
                waves = exported["leads"][lead]
                r_peaks = [-1 if peak is None else peak for peak in waves["R"]]
                marks = stored_record.fiducials[number]
                assert r_peaks == marks[:, Mark.R_PEAK].tolist()
                begin, end = marks[:, Mark.QRS_ON], marks[:, Mark.QRS_OFF]
                for beat, (q, s) in enumerate(zip(waves["Q"], waves["S"], strict=True)):
                    assert q is None or begin[beat] <= q <= end[beat]
                    assert s is None or begin[beat] <= s <= end[beat]
                    assert q is None or s is None or q < s


def test_half_written_table_never_has_its_name(
    sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ecgstore.open(sample_store) as store:
        monkeypatch.setattr(
            type(store), "r_peaks", lambda *_: (_ for _ in ()).throw(ValueError("stop"))
        )
        with pytest.raises(ValueError, match="stop"):
            export(store, tmp_path, ["peaks"])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error(
    sample_store: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with (
        ecgstore.open(sample_store) as store,
        pytest.raises(EcgStoreError, match="choose another folder"),
    ):
        export(store, tmp_path / "file" / "tables", "labels")


def test_size_of_blocks_does_not_change_exports(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = export(store, tmp_path / "whole", [*EXPORTS])
    # Blocks that put a padded record where the next block has another one.
    padded = np.flatnonzero(store.quality["pad_length"])
    for size in (5, int(padded[0]) + 1):
        monkeypatch.setattr("ecgstore.export.BLOCK_ROWS", size)
        pieces = export(store, tmp_path / f"{size}", [*EXPORTS])
        for one, other in zip(whole, pieces, strict=True):
            assert one.read_bytes() == other.read_bytes()


def test_exported_records_have_every_column(store: Store, tmp_path: Path) -> None:
    [path] = export(store, tmp_path, ["records"])
    table = pd.read_csv(
        path, dtype={"record_id": str, "patient_id": str, "dx": str}
    ).set_index("record_id")
    assert [*table] == [*store.records, "group"]
    for name, column in store.records.items():
        read = table[name] if column.dtype.kind in "bif" else table[name].fillna("")
        np.testing.assert_array_equal(read, column, str(name))
    assert table["age"].notna().sum() > 40
    assert table["group"].tolist() == store.groups().tolist()


def test_files_that_exist_are_replaced_only_on_request(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text("mine")
    message = r"labels\.csv: exists already; choose another folder, or .*--overwrite"
    with pytest.raises(EcgStoreError, match=message):
        export(store, tmp_path, ["records", "labels"])
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]
    assert (tmp_path / "labels.csv").read_text() == "mine"
    export(store, tmp_path, ["records", "labels"], overwrite=True)
    assert rows_of(tmp_path / "labels.csv")


def test_exported_labels_have_every_column(store: Store, tmp_path: Path) -> None:
    [path] = export(store, tmp_path, ["labels"])
    table = pd.read_csv(path, dtype={"record_id": str})
    assert list(table) == ["record_id", "source", "fold", *store.label_names]
    assert table["record_id"].tolist() == store.records.index.tolist()
    assert table["source"].tolist() == store.records["source"].tolist()
    assert table["fold"].tolist() == store.records["fold"].tolist()
    assert table["fold"].nunique() > 5
    np.testing.assert_array_equal(table[[*store.label_names]], store.labels())


def test_exported_features_have_every_column(store: Store, tmp_path: Path) -> None:
    [path] = export(store, tmp_path, ["features"])
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["record_id", "source", *store.feature_names]
    assert [row[0] for row in rows] == store.records.index.tolist()
    assert [row[1] for row in rows] == store.records["source"].tolist()
    values = np.array([[float(cell or "nan") for cell in row[2:]] for row in rows])
    np.testing.assert_array_equal(values.astype(np.float32), store.features())


def test_exported_r_peaks_are_those_of_the_store(store: Store, tmp_path: Path) -> None:
    [path] = export(store, tmp_path, ["peaks"])
    content = json.loads(path.read_text())
    assert content["fs"] == 500
    n_peaks: Counter[str] = Counter()
    for row, exported in enumerate(content["records"]):
        record = store[exported["record_id"]]
        assert record.row == row
        assert exported["source"] == record.source
        assert exported["r_peaks"] == record.r_peaks.tolist()
        assert [*exported["leads"]] == [*ecgstore.LEADS]
        q_s = q_s_peaks(record.signal.astype(np.float64), record.fiducials)
        for number, lead in enumerate(ecgstore.LEADS):
            waves = {
                name: [-1 if sample is None else sample for sample in values]
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
                n_peaks[name] += sum(value >= 0 for value in values)
            for q, r, s in zip(waves["Q"], waves["R"], waves["S"], strict=True):
                if min(q, r, s) >= 0:  # R is above both
                    lead_mv = record.signal[number]
                    assert lead_mv[r] >= lead_mv[q] or s < r
    assert min(n_peaks[name] for name in "PQRST") > 100
