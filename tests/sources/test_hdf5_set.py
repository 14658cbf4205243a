"""Sets of ECGs in HDF5 files: the layout of CODE-15 %."""

import random
import re
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.arrays import FloatArray
from ecgstore.config import Config
from ecgstore.diagnoses import class_set
from ecgstore.errors import EcgStoreError, RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS
from ecgstore.sources import (
    find_headers,
    given_headers,
    open_record,
    read_header,
    read_record,
)

EXAMS = Path(__file__).parents[1] / "data" / "code15" / "exams.csv"
IDS = [int(line.partition(",")[0]) for line in EXAMS.read_text().splitlines()[1:]]
N_SAMPLES = 1600
N_PADDED = 200


def signals() -> FloatArray:
    """Return an ECG-like signal for every exam, of shape (n, N_SAMPLES, 12) in mV."""
    noise = np.random.default_rng(2).normal(0, 0.3, (len(IDS), N_SAMPLES, len(LEADS)))
    noise[::2, :N_PADDED] = 0
    noise[::2, -N_PADDED:] = 0
    return noise.astype(np.float32)


def write_set(
    path: Path, tracings: Any = None, ids: Any = (*IDS, 0), **how: Any
) -> Path:
    """Write a set, with an empty row at its end as the original has."""
    if tracings is None:
        tracings = np.concatenate([signals(), np.zeros((1, N_SAMPLES, 12))], axis=0)
    with h5py.File(path, "w") as file:
        file.create_dataset("tracings", data=np.asarray(tracings, np.float32), **how)
        if ids is not None:
            file["exam_id"] = np.array(ids, np.int64)
    return path


@pytest.fixture
def exams(tmp_path: Path) -> Path:
    """Return the folder of a set."""
    folder = tmp_path / "code15"
    folder.mkdir()
    write_set(folder / "exams_part0.hdf5")
    return folder


def test_every_row_but_the_empty_one_is_a_record(exams: Path) -> None:
    file = exams / "exams_part0.hdf5"
    paths = [file / str(name) for name in IDS]
    assert [*find_headers(exams)] == paths
    assert given_headers(file) == paths
    assert given_headers(paths[3]) == [paths[3]]


def test_padding_is_no_signal(exams: Path) -> None:
    for row, path in enumerate(find_headers(exams)):
        header, signal = open_record(path)
        real = signals()[row].T.astype(float)
        if row % 2 == 0:
            real = real[:, N_PADDED:-N_PADDED]
        assert (header.record_id, header.fs) == (str(IDS[row]), 400.0)
        assert np.array_equal(signal.read(0, signal.n_samples), real)
        assert np.array_equal(signal.read(30, 40), real[:, 30:40])


def test_a_build_has_classes_and_patients(exams: Path, tmp_path: Path) -> None:
    options = Config(beats="none", classes=class_set("code15"))
    out = tmp_path / "out.h5"
    report = ecgstore.build_store(
        exams, out, options, labels=EXAMS, n_workers=1, quiet=True
    )
    assert (report.n_selected, report.n_quarantined) == (10, 0)
    assert report.same_ecg == []
    with ecgstore.open(out) as store:
        assert sorted(store) == sorted(map(str, IDS))
        assert store.records["patient_id"].nunique() == 10
        assert set(store.records["source"]) == {"code15"}
        assert store.records["age"].loc["438277"] == 46
        assert store["438277"].labels["1dAVb"]
        assert len(store.label_names) == 6


def test_rows_without_names_have_numbers(tmp_path: Path) -> None:
    path = write_set(tmp_path / "a.hdf5", signals()[:3], ids=None)
    assert [*find_headers(tmp_path)] == [path / "0", path / "1", path / "2"]


def test_other_hdf5_files_are_no_records(tmp_path: Path, sample_store: Path) -> None:
    (tmp_path / "store.hdf5").write_bytes(sample_store.read_bytes())
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["signals"] = np.zeros((3, 9, 12))
    assert [*find_headers(tmp_path)] == []
    with pytest.raises(EcgStoreError, match=r"store\.hdf5: is a store"):
        find_headers(tmp_path / "store.hdf5")


def refused(path: Path) -> RecordError:
    """Return the error of reading a set, which is found though it is refused."""
    assert [*find_headers(path.parent)] == [path]
    with pytest.raises(RecordError) as caught:
        read_header(path)
    with pytest.raises(RecordError) as of_record:
        read_record(path)
    assert str(of_record.value) == str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("tracings", "reason", "message"),
    [
        (np.zeros((3, 9, 11)), Reason.WRONG_SIGNAL_SIZE, r"\(3, 9, 11\); expected"),
        (np.zeros((0, 9, 12)), Reason.WRONG_SIGNAL_SIZE, "hold no record"),
        (np.zeros((3, 9, 12), np.int16), Reason.UNKNOWN_UNIT, "int16, of no unit"),
        (np.zeros((3, 9, 12), "S2"), Reason.UNREADABLE_SIGNAL, "expected numbers"),
        (h5py.ExternalLink("other", "/x"), Reason.UNREADABLE_SIGNAL, "no dataset in"),
        (h5py.SoftLink("/x"), Reason.UNREADABLE_SIGNAL, "no dataset in this file"),
    ],
)
def test_a_set_that_is_not_read_says_why(
    tmp_path: Path, tracings: Any, reason: Reason, message: str
) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["tracings"] = tracings
    error = refused(tmp_path / "a.hdf5")
    assert error.reason is reason
    assert re.search(message, str(error))


def test_data_in_another_file_are_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        outside = [(str(EXAMS), 0, 1 << 20)]
        file.create_dataset("tracings", (9, 99, 12), "f4", external=outside)
    assert "no dataset in this file" in str(refused(tmp_path / "a.hdf5"))


@pytest.mark.parametrize("name", ["tracings", "exam_id"])
def test_filters_that_are_not_read_are_named(tmp_path: Path, name: str) -> None:
    path = write_set(tmp_path / "a.hdf5", signals()[:3], ids=[7, 8, 9])
    with h5py.File(path, "a") as file:
        values = file[name][...].astype(np.int32)
        del file[name]
        file.create_dataset(name, data=values, scaleoffset=0)
        file["tracings"].attrs["unit"] = "uV"
    assert f"{name} is compressed by HDF5's filter 6" in str(refused(path))


def test_a_refused_set_is_in_quarantine(tmp_path: Path) -> None:
    folder = tmp_path / "sets"
    folder.mkdir()
    write_set(folder / "a.hdf5", signals()[:1], ids=None)
    write_set(folder / "b.hdf5", signals()[:1], ids=None)
    with h5py.File(folder / "b.hdf5", "a") as file:
        file["exam_id"] = [1.5]
    options = Config(beats="none", select="all")
    report = ecgstore.build_store(
        folder, tmp_path / "out.h5", options, n_workers=1, quiet=True
    )
    assert (report.n_selected, report.reasons) == (1, {"unreadable_header": 1})
    assert "1.5 in row 0" in report.left_out[0]["detail"]


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        (np.array([7.0, 8.0, 2.0**40, 0]), ["7", "8", str(2**40)]),
        (np.array([7, 8, 9, 0], ">u2"), ["7", "8", "9"]),
        (
            np.array([7, 2**63 + 5, -(2**63) % 2**64, 0], "u8"),
            ["7", str(2**63 + 5), str(2**63)],
        ),
        (
            ["a 1", "JS00002.mat", "\u00e9.hea", ""],
            ["a 1", "JS00002.mat", "\u00e9.hea"],
        ),
        (np.array([b"x1", b"y2", b"z.hdf5", b""]), ["x1", "y2", "z.hdf5"]),
    ],
)
def test_names_of_other_types(tmp_path: Path, ids: Any, names: list[str]) -> None:
    rows = np.concatenate([signals()[1:6:2], np.zeros((1, N_SAMPLES, 12))])
    path = write_set(tmp_path / "a.hdf5", rows, ids=None)
    with h5py.File(path, "a") as file:
        file["exam_id"] = ids
    found = [*find_headers(tmp_path)]
    assert found == [path / name for name in names]
    for row, record in enumerate(found):
        header, signal = open_record(record)
        assert header.record_id == names[row]
        assert np.array_equal(signal.read(0, 99), signals()[2 * row + 1, :99].T)
        assert header.files(record) == ["a.hdf5"]
    options = Config(beats="none", select="all")
    report = ecgstore.build_store(
        tmp_path, tmp_path / "out.h5", options, n_workers=1, quiet=True
    )
    assert (report.n_selected, report.n_quarantined) == (3, 0)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([7, 8], r"of the shape \(2,\); expected \(3,\)"),
        ([7.0, 8.5, 9.0], "8.5 in row 1; expected whole numbers"),
        ([7.0, np.nan, 9.0], "nan in row 1; expected whole numbers"),
        (["a", "", "c"], "b'' in row 1; expected"),
        (["a", "b/c", "c"], "row 1; expected"),
        (["a", "..", "c"], "row 1; expected"),
        (["a", "b\n", "c"], "row 1; expected"),
        ([b"a", b"\xff", b"c"], "row 1; expected"),
        (["a", "x" * 999, "c"], "row 1; expected"),
        (np.zeros(3, "S999"), "texts of 999 bytes"),
        (np.zeros(3, bool), "of type bool"),
        (h5py.SoftLink("/x"), "no dataset in this file"),
    ],
)
def test_names_that_no_record_can_have_are_refused(
    tmp_path: Path, ids: Any, message: str
) -> None:
    path = write_set(tmp_path / "a.hdf5", signals()[:3], ids=None)
    with h5py.File(path, "a") as file:
        file["exam_id"] = ids
    assert re.search(message, str(refused(path)))


@pytest.mark.parametrize(
    ("dtype", "attributes", "per_mv"),
    [
        (np.int16, {"unit": "uV"}, 1000),
        (np.int16, {"unit": "mV", "per_unit": 200}, 200),
        (np.uint16, {"units": np.bytes_(b"mV"), "per_unit": np.array([400.0])}, 400),
        (np.float32, {"unit": "\u00b5V"}, 1000),
        (np.float32, {"Unit": "uV"}, 1000),
        (np.int16, {"UNITS": np.array(["uV"], h5py.string_dtype())}, 1000),
        (np.float64, {}, 1),
    ],
)
def test_units_that_attributes_describe(
    tmp_path: Path, dtype: Any, attributes: dict[str, Any], per_mv: float
) -> None:
    values = np.random.default_rng(1).integers(1, 900, (2, 900, 12)).astype(dtype)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["tracings"] = values
        file["tracings"].attrs.update(attributes)
    for row, record in enumerate(find_headers(tmp_path)):
        expected = values[row].T.astype(float) / per_mv
        np.testing.assert_allclose(read_record(record).signal, expected)


@pytest.mark.parametrize(
    "attributes",
    [
        {"unit": "mmHg"},
        {"unit": [1.0, 2.0]},
        {"unit": "mV", "per_unit": 0},
        {"unit": "mV", "per_unit": np.inf},
        {"unit": "mV", "per_unit": "many"},
        {"unit": "mV", "scale_factor": 0.1},
    ],
)
def test_units_that_are_no_voltage_are_refused(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    path = write_set(tmp_path / "a.hdf5", signals()[:2], ids=None)
    with h5py.File(path, "a") as file:
        file["tracings"].attrs.update(attributes)
    assert refused(path).reason is Reason.UNKNOWN_UNIT


@pytest.mark.parametrize(
    ("shape", "how"),
    [
        ((1 << 40, 10, 12), {"chunks": (1, 10, 12)}),
        ((5000, 10, 12), {"chunks": (1, 10, 12)}),
        ((2, 1 << 25, 12), {"chunks": (1, 10, 12)}),
        ((2, 1 << 25, 12), {"chunks": (1, 1 << 25, 12), "compression": "gzip"}),
    ],
)
def test_claims_of_a_small_file_are_refused(
    tmp_path: Path, shape: tuple[int, ...], how: dict[str, Any]
) -> None:
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("tracings", shape, "f4", **how)
    assert [*find_headers(tmp_path)] == [path]
    for read in (read_header, read_record):
        with pytest.raises(RecordError) as caught:
            read(path)
        assert caught.value.reason is Reason.TOO_LARGE


def test_names_that_are_no_row_or_two_are_refused(tmp_path: Path) -> None:
    path = write_set(tmp_path / "a.hdf5", signals()[:3], ids=[7, 8, 7])
    assert [*find_headers(tmp_path)] == [path / "7", path / "8"]
    for name in ("7", "9", "x", "9" * 20, "9" * 400, "\u0667"):
        with pytest.raises(RecordError, match="have this name"):
            read_header(path / name)


def test_an_empty_row_between_others_is_refused(tmp_path: Path) -> None:
    rows = signals()[:3]
    rows[1] = 0
    path = write_set(tmp_path / "a.hdf5", rows, ids=[7, 0, 9])
    assert [*find_headers(tmp_path)] == [path / "7", path / "0", path / "9"]
    with pytest.raises(RecordError) as caught:
        read_record(path / "0")
    assert caught.value.reason is Reason.ALL_SAMPLES_MISSING


@pytest.mark.parametrize("how", [{}, {"chunks": (1, 160, 12), "compression": "gzip"}])
def test_damaged_sets_raise_record_errors(tmp_path: Path, how: dict[str, Any]) -> None:
    content = write_set(tmp_path / "a.hdf5", signals()[:2, :160], [5, 6], **how)
    good = content.read_bytes()
    for seed in range(40):
        rng = random.Random(seed)
        data = bytearray(good)
        if seed % 3 == 0:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.randint(0 if seed % 3 == 0 else 1, 10)):
            if data:  # mostly in the head, where the structure is
                end = len(data) if seed % 2 else min(len(data), 3000)
                data[rng.randrange(end)] = rng.randrange(256)
        content.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for path in (*find_headers(tmp_path), content / "5"):
                _read(path)


def _read(path: Path) -> None:
    """Read a record; an error must be one of ours."""
    try:
        read_header(path)
        assert read_record(path).signal.shape[0] == len(LEADS)
    except RecordError as error:
        if error.reason is Reason.UNEXPECTED_ERROR or error.__cause__ is not None:
            raise


@pytest.mark.parametrize(
    "attributes",
    [{"fs": 500}, {"FS": np.array([500.0])}, {"Sampling_Frequency": np.int16(500)}],
)
def test_the_rate_is_that_of_the_attribute(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    path = write_set(tmp_path / "a.hdf5", signals()[:2], ids=None)
    with h5py.File(path, "a") as file:
        file["tracings"].attrs.update(attributes)
    assert read_header(path / "0").fs == 500.0
    assert open_record(path / "1")[0].fs == 500.0


@pytest.mark.parametrize("fs", [0, np.nan, "fast", [1.0, 2.0]])
def test_rates_that_no_ecg_has_are_refused(tmp_path: Path, fs: Any) -> None:
    path = write_set(tmp_path / "a.hdf5", signals()[:2], ids=None)
    with h5py.File(path, "a") as file:
        file["tracings"].attrs["fs"] = fs
    assert refused(path).reason is Reason.BAD_SAMPLING_RATE


def test_an_infinite_sample_is_in_quarantine(tmp_path: Path) -> None:
    tracings = signals()
    tracings[1, 700, 4] = -np.inf
    folder = tmp_path / "set"
    folder.mkdir()
    write_set(folder / "a.hdf5", tracings, IDS)
    options = Config(beats="none", select="all")
    report = ecgstore.build_store(
        folder, tmp_path / "out.h5", options, n_workers=1, quiet=True
    )
    assert report.reasons == {"not_finite": 1}
    assert "lead aVL has an infinite sample" in report.left_out[0]["detail"]
