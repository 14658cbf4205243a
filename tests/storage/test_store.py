"""Reading a store: rows, selections, kernels, errors, and other readers."""

import multiprocessing
import pickle
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyfive
import pytest

import ecgstore
from ecgstore.diagnoses import class_set
from ecgstore.errors import (
    EcgStoreError,
    RecordNotFoundError,
    SchemaError,
    StoreClosedError,
)
from ecgstore.sample import sample_folder
from ecgstore.storage.format.schema import row_specs


@pytest.fixture
def store(sample_store: Path) -> Iterator[ecgstore.Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


# -- signals ----------------------------------------------------------------


def test_signals_are_those_of_the_file(store: ecgstore.Store) -> None:
    rows = [3, 0, 3, len(store) - 1]
    with h5py.File(store.path) as file:
        expected = np.stack([file["signals"][row] for row in rows])
    counts = store.signals(rows, dtype="int16")
    np.testing.assert_array_equal(counts, expected)
    mv = store.signals(rows)
    assert mv.dtype == np.float32
    np.testing.assert_array_equal(mv, expected.astype("f4") * np.float32(0.001))


def test_signals_go_where_they_are_asked_to(store: ecgstore.Store) -> None:
    out = np.empty((2, 12, 5000), np.float32)
    assert store.signals(slice(0, 2), out=out) is out
    np.testing.assert_array_equal(out, store.signals([0, 1]))
    assert store.signals([]).shape == (0, 12, 5000)
    for wrong in (out[:1], out.astype("f8"), out.transpose(0, 2, 1)):
        with pytest.raises(ValueError, match="expected a C-contiguous array"):
            store.signals([0, 1], out=wrong)


@pytest.mark.parametrize("row", [-1, 10**6])
def test_row_outside_is_refused(store: ecgstore.Store, row: int) -> None:
    for read in (store.signals, store.fiducials, store.r_peaks, store.features):
        with pytest.raises(IndexError, match="rows go from 0 to"):
            read([row])


def test_selection_stands_for_its_rows(store: ecgstore.Store) -> None:
    some = store.select(folds=[1, 2])
    np.testing.assert_array_equal(store.signals(some), store.signals(some.rows))
    np.testing.assert_array_equal(store.labels(rows=some), store.labels(rows=some.rows))


def test_damaged_record_is_refused(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        file["signals"][3, 5, 100] ^= 1
    with ecgstore.open(copy) as store:
        names = list(store)
        assert store[names[2]].row == 2
        with pytest.raises(SchemaError, match=f"row 3 .{names[3]}. is damaged"):
            store[names[3]]


@pytest.mark.parametrize("rows", [[0.5], [True, False], [[1]], ["A0001"]])
def test_what_is_no_row_is_refused(store: ecgstore.Store, rows: Any) -> None:
    with pytest.raises(TypeError, match="rows must be a 1-D integer array"):
        store.signals(rows)


def test_closed_store_says_so(sample_store: Path) -> None:
    store = ecgstore.open(sample_store)
    store.close()
    store.close()
    with pytest.raises(StoreClosedError, match="open it again"):
        store.signals([0])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_a_store(store: ecgstore.Store, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    rows = [[row] for row in range(8)]
    # Not a function of this module: `pytest` alone does not put the root on the path
    # that a new interpreter gets, and there "tests" means nothing.
    read = ecgstore.Store.signals
    # Not a Pool: one whose worker died waits for ever for what it would have returned.
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, context) as pool:
        found = [*pool.map(read, [store] * len(rows), rows, timeout=120)]
    for row, signals in zip(rows, found, strict=True):
        np.testing.assert_array_equal(signals, store.signals(row))


def test_threads_share_a_store(store: ecgstore.Store) -> None:
    expected = store.signals([*range(len(store))])
    wrong: list[int] = []

    def read(seed: int) -> None:
        for row in np.random.default_rng(seed).integers(0, len(store), 50).tolist():
            found = store.signals([row])[0]
            wrong.extend([] if np.array_equal(found, expected[row]) else [row])

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_pickled_store_opens_the_same_file(store: ecgstore.Store) -> None:
    with pickle.loads(pickle.dumps(store)) as copy:
        assert copy.fingerprint == store.fingerprint
        np.testing.assert_array_equal(copy.signals([1]), store.signals([1]))


# -- records ----------------------------------------------------------------


def test_record_by_name(store: ecgstore.Store) -> None:
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
    assert list(record.features) == list(store.feature_names)


def test_unknown_record_gets_a_hint(store: ecgstore.Store) -> None:
    with pytest.raises(RecordNotFoundError, match="did you mean HR00001\\?"):
        store["hr00001"]
    with pytest.raises(RecordNotFoundError, match="did you mean HR0") as caught:
        store["HR0001"]
    assert isinstance(caught.value, LookupError)
    assert not str(caught.value).startswith("'")
    assert "HR0001" not in store


@pytest.mark.parametrize("row", [0, np.int64(3), slice(2), None])
def test_row_instead_of_a_name_is_told_where_to_go(
    store: ecgstore.Store, row: Any
) -> None:
    first = next(iter(store))
    message = rf"instead of a record's name; expected a str such as '{first}'.*signals"
    with pytest.raises(TypeError, match=message):
        store[row]
    with pytest.raises(TypeError, match=message):
        store.row(row)


def test_name_that_two_sources_share(tmp_path: Path) -> None:
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


def test_labels_take_a_file(store: ecgstore.Store, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[classes]\nAF = ["164889003"]\n')
    af = store.labels()[:, store.label_names.index("AF")]
    assert store.labels(path)[:, 0].tolist() == af.tolist()


def test_every_kind_of_label(store: ecgstore.Store) -> None:
    assert store.labels().shape == (len(store), 7)
    np.testing.assert_array_equal(store.labels("hybrid7"), store.labels())
    relabelled = store.labels("cinc2020")
    chosen = class_set("cinc2020")
    for row, dx in enumerate(store.records["dx"]):
        codes = set(dx.split(","))
        expected = [bool(codes & set(each.codes)) for each in chosen.classes]
        assert relabelled[row].tolist() == expected
    np.testing.assert_array_equal(store.labels(rows=[2, 0]), store.labels()[[2, 0]])
    np.testing.assert_array_equal(store.labels(chosen, rows=[2, 0]), relabelled[[2, 0]])


def test_features_and_quality_have_the_records_names(store: ecgstore.Store) -> None:
    for frame in (store.features(), store.quality, store.records):
        assert frame.index.tolist() == list(store)
    assert store.features([4, 1]).index.tolist() == [list(store)[4], list(store)[1]]
    assert set(store.beats_statuses.values()) >= set(store.quality["beats_status"])


def test_marks_of_some_rows_are_those_of_all(store: ecgstore.Store) -> None:
    rows = [5, 2]
    np.testing.assert_array_equal(store.fiducials(rows), store.fiducials()[rows])
    np.testing.assert_array_equal(store.r_peaks(rows), store.r_peaks()[rows])


# -- selecting --------------------------------------------------------------


def test_conditions_are_joined_by_and(store: ecgstore.Store) -> None:
    records, labels = store.records, store.labels()
    af = store.label_names.index("AF")
    everything = store.select()
    assert everything.rows.tolist() == [*range(len(store))]
    some = store.select(
        folds=range(8), sources=["ptb-xl", "georgia"], classes=["AF", "NSR"]
    )
    nsr = store.label_names.index("NSR")
    expected = [
        row
        for row in range(len(store))
        if records["fold"].iloc[row] < 8
        and records["source"].iloc[row] in ("ptb-xl", "georgia")
        and (labels[row, af] or labels[row, nsr])
    ]
    assert some.rows.tolist() == expected
    assert 0 < len(some) < len(store)
    assert some.store is store


def test_folds_share_nothing_and_lack_nothing(store: ecgstore.Store) -> None:
    parts = [store.select(folds=[fold]).rows for fold in range(10)]
    assert sorted(np.concatenate(parts).tolist()) == [*range(len(store))]


def test_query_sees_all_columns(store: ecgstore.Store) -> None:
    rows = store.select(query="age < 60 and sex == 'male' and pad_length == 0").rows
    records = store.records
    expected = (
        (records["age"] < 60)
        & (records["sex"] == "male")
        & (store.quality["pad_length"] == 0)
    )
    assert rows.tolist() == np.flatnonzero(expected).tolist()
    assert store.select(query="record_id == 'HR00001'").rows.tolist() == [
        store.row("HR00001")
    ]


def test_select_among_rows(store: ecgstore.Store) -> None:
    assert store.select(rows=[9, 3, 9]).rows.tolist() == [3, 9]
    assert store.select(rows=slice(40, None)).rows.tolist() == [*range(40, len(store))]
    fold = store.select(folds=[1])
    assert store.select(rows=fold, folds=[2]).rows.size == 0
    with pytest.raises(IndexError, match="no row 99; rows go from 0 to 43"):
        store.select(rows=[99])


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([1.0, 2.0], TypeError),
        ([[1, 2]], TypeError),
        ([2, 1], ValueError),
        ([1, 1], ValueError),
        ([-1, 1], IndexError),
        ([1, 44], IndexError),
    ],
)
def test_selection_of_wrong_rows(
    store: ecgstore.Store, rows: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"rows must be|rows go from 0 to 43"):
        ecgstore.Selection(store, np.array(rows))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": [10]}, "no fold 10; expected one of 0, 1"),
        ({"sources": ["mit-bih"]}, "no source 'mit-bih'; expected one of cpsc_2018"),
        ({"classes": ["XYZ"]}, "no class 'XYZ'; expected one of NSR"),
        ({"query": "ages < 3"}, "query 'ages < 3' failed"),
        ({"query": "age + 1"}, "is not a condition"),
        ({"query": "import os"}, "failed"),
    ],
)
def test_wrong_selection_says_what_is_there(
    store: ecgstore.Store, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(EcgStoreError, match=message.replace("+", r"\+")):
        store.select(**options)


def test_one_name_in_place_of_a_list_is_refused(store: ecgstore.Store) -> None:
    with pytest.raises(TypeError, match=r"expected a list: \['AF'\]"):
        store.select(classes="AF")


# -- files that are no stores -----------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match="no such file"):
        ecgstore.open(tmp_path / "missing.h5")


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match="a folder"):
        ecgstore.open(tmp_path)


def test_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "text.h5"
    path.write_text("not HDF5")
    with pytest.raises(SchemaError, match="not a readable HDF5 file"):
        ecgstore.open(path)
    with h5py.File(path, "w") as file:
        file["signals"] = [1]
    with pytest.raises(SchemaError, match="not an ecgstore file"):
        ecgstore.open(path)


@pytest.fixture
def copy(sample_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sample_store, tmp_path / "copy.h5"))


def test_other_version_of_the_format(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(SchemaError, match="format version 99"):
        ecgstore.open(copy)


def test_every_missing_dataset_is_named(copy: Path) -> None:
    with ecgstore.open(copy) as store:
        paths = [
            spec.path
            for spec in row_specs(
                store.config,
                1,
                dict.fromkeys(ecgstore.storage.format.schema.RECORD_TEXTS, 1),
                features=[("a", "1")],
                beats_status={},
            )
        ]
    for path in paths:
        with h5py.File(copy, "r+") as file:
            file.move(path, "elsewhere")
        with pytest.raises(SchemaError, match=f"/{path} is missing"):
            ecgstore.open(copy)
        with h5py.File(copy, "r+") as file:
            file.move("elsewhere", path)
    ecgstore.open(copy).close()


def test_wrong_shape_is_named(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        del file["labels"]
        file["labels"] = np.zeros((3, 7), "u1")
    with pytest.raises(SchemaError, match=r"/labels is uint8 of shape \(3, 7\)"):
        ecgstore.open(copy)


def test_compressed_signals_are_refused(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        signals, attributes = file["signals"][:], dict(file["signals"].attrs)
        del file["signals"]
        file.create_dataset(
            "signals", data=signals, chunks=(1, 12, 5000), compression="gzip"
        )
        file["signals"].attrs.update(attributes)
    with pytest.raises(SchemaError, match="h5repack"):
        ecgstore.open(copy)


def test_moved_chunks_are_found(copy: Path, sample_store: Path) -> None:
    """Tools such as h5repack write chunks wherever they like."""
    with h5py.File(copy, "r+") as file:
        signals, attributes = file["signals"][:], dict(file["signals"].attrs)
        del file["signals"]
        created = file.create_dataset(
            "signals", signals.shape, signals.dtype, chunks=(1, 12, 5000)
        )
        for row in reversed(range(len(signals))):
            created[row] = signals[row]
        created.attrs.update(attributes)
    with ecgstore.open(copy) as moved, ecgstore.open(sample_store) as store:
        rows = [*range(len(store))]
        np.testing.assert_array_equal(moved.signals(rows), store.signals(rows))


# -- other readers ----------------------------------------------------------


def test_a_reader_without_libhdf5_reads_everything(sample_store: Path) -> None:
    with pyfive.File(sample_store) as theirs, h5py.File(sample_store) as ours:
        for path in (
            "signals",
            "labels",
            "features",
            "fiducials",
            "r_peaks",
            "folds",
            "checksums",
            "quality/ksqi",
            "records/record_id",
            "records/age",
            "records/dx",
        ):
            expected, found = ours[path][:], theirs[path][:]
            if expected.dtype.kind == "f":
                np.testing.assert_array_equal(found, expected)
            else:
                assert found.tolist() == expected.tolist()
        assert theirs["signals"].attrs["scale_factor"] == 0.001
        assert bytes(theirs.attrs["format"]) == b"ecgstore"


def test_format_keeps_its_promises(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        chunks: list[Any] = []
        file["signals"].id.chunk_iter(chunks.append)
        assert all(chunk.byte_offset % 4096 == 0 for chunk in chunks)
        assert file["signals"].id.get_create_plist().get_nfilters() == 0
        for name in ("labels", "features", "fiducials", "records/dx"):
            assert file[name].chunks is None
            assert h5py.h5g.get_objinfo(file[name].id).mtime == 0  # no timestamps
        assert (file["state"][:] == 1).all()
        assert str(sample_folder()) not in file["records/path"][0].decode()
