"""Exports: every row carries its record's name, and nothing is lost."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import ecgstore
from ecgstore.errors import EcgStoreError
from ecgstore.export import EXPORTS, export
from ecgstore.record import Mark


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        assert "\r" not in file.read()
        file.seek(0)
        return list(csv.DictReader(file))


def test_tables_hold_what_the_store_holds(sample_store: Path, tmp_path: Path) -> None:
    with ecgstore.open(sample_store) as store:
        written = export(store, tmp_path / "tables", list(EXPORTS))
        assert [path.name for path in written] == [
            "labels.csv",
            "features.csv",
            "peaks.json",
        ]
        labels, features, peaks = written
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
        assert [each["record_id"] for each in content["records"]] == list(store)
        for exported in content["records"]:
            stored_record = store[exported["record_id"]]
            assert exported["source"] == stored_record.source
            assert exported["r_peaks"] == stored_record.r_peaks.tolist()
            for number, lead in enumerate(ecgstore.LEADS):
                waves = exported["leads"][lead]
                r_peaks = [-1 if each is None else each for each in waves["R"]]
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


def test_folder_that_cannot_be_made(sample_store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        ecgstore.open(sample_store) as store,
        pytest.raises(EcgStoreError, match="choose another folder"),
    ):
        export(store, tmp_path / "file" / "tables", ["labels"])
