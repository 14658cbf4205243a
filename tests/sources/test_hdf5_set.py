"""Sets of ECGs in HDF5 files: the layout of CODE-15 %."""

import random
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
    write_set(tmp_path / "a.hdf5", np.zeros((3, 9, 11)), ids=None)
    with h5py.File(tmp_path / "b.hdf5", "w") as file:
        file["tracings"] = np.zeros((3, 9, 12), np.int16)  # of an unknown scale
    with h5py.File(tmp_path / "c.hdf5", "w") as file:
        file["tracings"] = h5py.ExternalLink(str(tmp_path / "other"), "/x")
    with h5py.File(tmp_path / "d.hdf5", "w") as file:
        outside = [(str(EXAMS), 0, 1 << 20)]
        file.create_dataset("tracings", (9, 99, 12), "f4", external=outside)
    assert [*find_headers(tmp_path)] == []
    with pytest.raises(EcgStoreError, match=r"store\.hdf5: is a store"):
        find_headers(tmp_path / "store.hdf5")


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
    for name in ("7", "9", "x", "9" * 400, "\u0667"):
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
