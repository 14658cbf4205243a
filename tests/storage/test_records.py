"""Records by name, and the tables of all records."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.errors import (
    EcgStoreError,
    RecordNotFoundError,
    SchemaError,
)
from ecgstore.sample import sample_folder

WriteRecord = Callable[..., Path]


def test_a_record_is_read_by_name(store: ecgstore.Store) -> None:
    for row, record_id in enumerate(store):
        assert store.row(record_id) == row
        assert record_id in store
    record = store[record_id]
    assert record.record_id == record_id
    padding = int(store.quality["pad_length"].iloc[record.row])
    assert record.signal.shape == (12, 5000 - padding)
    assert record.fiducials.shape == (12, len(record.r_peaks), 9)
    assert (np.diff(record.r_peaks) > 0).all()
    assert list(record.labels) == list(store.label_names)
    labels = dict(zip(store.label_names, store.labels(rows=[row])[0], strict=True))
    assert record.classes == [name for name, is_in in labels.items() if is_in]
    described = store.records.loc[record_id]
    assert (record.age, record.sex) == (described["age"], described["sex"])
    assert record.fold == described["fold"]
    assert ",".join(record.dx) == described["dx"]
    assert (store.leads, store.fs) == (ecgstore.LEADS, 500.0)
    assert list(record.features) == list(store.feature_names)


def test_an_unknown_record_gets_a_hint(store: ecgstore.Store) -> None:
    with pytest.raises(RecordNotFoundError, match="did you mean HR00001\\?"):
        store["hr00001"]
    with pytest.raises(RecordNotFoundError, match="did you mean HR0") as caught:
        store["HR0001"]
    assert isinstance(caught.value, LookupError)
    assert not str(caught.value).startswith("'")
    assert "HR0001" not in store


@pytest.mark.parametrize("row", [0, np.int64(3), slice(2), None])
def test_a_row_number_in_place_of_a_name_is_refused(
    store: ecgstore.Store, row: Any
) -> None:
    first = next(iter(store))
    message = rf"instead of a record's name; expected a str such as '{first}'.*signals"
    with pytest.raises(TypeError, match=message):
        store[row]
    with pytest.raises(TypeError, match=message):
        store.row(row)


def test_a_name_that_two_sources_share_needs_its_source(tmp_path: Path) -> None:
    folder = tmp_path / "both"
    for source in ("ptb-xl", "georgia"):
        (folder / source).mkdir(parents=True)
        for path in sample_folder().glob("ptb-xl/g1/HR00001.*"):
            shutil.copy(path, folder / source)
    config = ecgstore.Config(beats="none")
    out = tmp_path / "out.h5"
    ecgstore.build_store([folder], out, config, n_workers=1, quiet=True)
    with ecgstore.open(out) as store:
        assert list(store) == ["georgia/HR00001", "ptb-xl/HR00001"]
        assert [store[name].source for name in store] == ["georgia", "ptb-xl"]
        with pytest.raises(
            RecordNotFoundError, match="expected one of georgia/HR00001"
        ):
            store["HR00001"]


def test_a_record_in_quarantine_is_explained(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    folder = write_record("A0001").parent
    write_record("A0002", np.zeros((12, 100), np.int16))
    config = ecgstore.Config(beats="none")
    out = tmp_path / "o.h5"
    ecgstore.build_store([folder], out, config, n_workers=1, quiet=True)
    with ecgstore.open(out) as store:
        with pytest.raises(
            RecordNotFoundError, match=r"'A0002'; it was left out: .*100 samples"
        ):
            store["A0002"]
        with pytest.raises(RecordNotFoundError, match="did you mean A0001"):
            store["A0003"]
        assert "A0002" not in store


def test_a_damaged_record_is_refused(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        file["signals"][3, 5, 100] ^= 1
    with ecgstore.open(copy) as store:
        names = list(store)
        assert store[names[2]].row == 2
        with pytest.raises(SchemaError, match=f"row 3 .{names[3]}. is damaged"):
            store[names[3]]


def test_data_frames_are_indexed_by_record_id(store: ecgstore.Store) -> None:
    for frame in (store.features(), store.quality, store.records):
        assert frame.index.tolist() == list(store)
    assert store.features([4, 1]).index.tolist() == [list(store)[4], list(store)[1]]
    assert set(store.beats_statuses.values()) >= set(store.quality["beats_status"])


def test_marks_of_rows_equal_those_of_all(store: ecgstore.Store) -> None:
    rows = [5, 2]
    np.testing.assert_array_equal(store.fiducials(rows), store.fiducials()[rows])
    np.testing.assert_array_equal(store.r_peaks(rows), store.r_peaks()[rows])


def test_returned_arrays_are_copies(store: ecgstore.Store) -> None:
    for read in (store.labels, store.r_peaks, store.fiducials):
        for rows in (None, [2, 1]):
            array = read(rows=rows)
            expected = array.copy()
            array[...] = 7
            np.testing.assert_array_equal(read(rows=rows), expected)
    assert store.r_peaks().dtype == store.fiducials([1]).dtype == np.int64
    assert store.labels().dtype == np.int64
    assert store.labels(dtype=np.uint8).dtype == np.uint8
    with h5py.File(store.path) as file:
        np.testing.assert_array_equal(store.labels(), file["labels"][...])


def test_text_that_is_not_utf8_is_damage(copy: Path) -> None:
    with h5py.File(copy) as file:
        offset = file["records/dx"].id.get_offset()
    with copy.open("r+b") as raw:
        raw.seek(offset)
        raw.write(b"\xff")
    with (
        ecgstore.open(copy) as store,
        pytest.raises(EcgStoreError, match=r"copy\.h5: /records/dx is damaged"),
    ):
        len(store.records)
