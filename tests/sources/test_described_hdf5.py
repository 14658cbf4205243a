"""ECGs in datasets of HDF5 files that a TOML file describes, as in SPH's set."""

from itertools import permutations
from pathlib import Path

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources import find_headers, open_record, read_header, read_record
from tests.sources.test_described_arrays import (
    N_RECORDS,
    N_SAMPLES,
    describe,
    signals,
)


@pytest.mark.parametrize("axes", [*permutations(("record", "lead", "sample"))])
def test_rows_of_a_dataset(tmp_path: Path, axes: tuple[str, ...]) -> None:
    order = [("record", "lead", "sample").index(axis) for axis in axes]
    with h5py.File(tmp_path / "all.hdf5", "w") as file:
        values = signals().transpose(order)
        file.create_dataset("waves/ecg", data=values, chunks=True, compression="gzip")
    path = describe(
        tmp_path / "a.toml", files="all.hdf5", axes=list(axes), dataset="waves/ecg"
    )
    found = [*find_headers(tmp_path)]
    assert found == [path / str(row) for row in range(N_RECORDS)]
    for row, record in enumerate(found):
        header, signal = open_record(record)
        assert (header.record_id, header.fs) == (str(row), 250.0)
        assert np.array_equal(signal.read(0, N_SAMPLES), signals()[row] / 200)


def test_a_file_for_each_record_as_in_sph(tmp_path: Path) -> None:
    """That set has files A00001.h5 of float16 in mV, and a table metadata.csv."""
    folder = tmp_path / "records"
    folder.mkdir()
    voltages = (signals() / 200).astype(np.float16)
    for row, signal in enumerate(voltages):
        with h5py.File(folder / f"A0000{row}.h5", "w") as file:
            file["ecg"] = signal
    describe(
        folder / "a.toml",
        files="*.h5",
        axes=["lead", "sample"],
        dataset="ecg",
        per_unit=1,
    )
    rows = "".join(f"A0000{row},22;23,{40 + row},M\n" for row in range(N_RECORDS))
    table = tmp_path / "metadata.csv"
    table.write_text(f"record_id,codes,age,sex\n{rows}")
    ecgstore.build_store(
        folder,
        tmp_path / "sph.h5",
        ecgstore.Config(select="all"),
        labels=table,
        n_workers=1,
    )
    with ecgstore.open(tmp_path / "sph.h5") as store:
        assert [*store] == [f"A0000{row}" for row in range(N_RECORDS)]
        assert store.records["age"].tolist() == [40, 41, 42, 43]
    record = read_record(folder / "a.toml" / "A00002.h5")
    np.testing.assert_array_equal(record.signal, voltages[2].astype(np.float64))


@pytest.mark.parametrize("kind", ["external", "soft", "group", "virtual", "absent"])
def test_only_datasets_of_the_file_itself_are_read(tmp_path: Path, kind: str) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["ecg"] = signals()
    with h5py.File(tmp_path / "all.h5", "w") as file:
        if kind == "external":
            file["waves"] = h5py.ExternalLink("other.h5", "/")
        elif kind == "soft":
            file["there"] = signals()
            file["waves/ecg"] = h5py.SoftLink("/there")
        elif kind == "group":
            file.create_group("waves/ecg")
        elif kind == "virtual":
            layout = h5py.VirtualLayout(signals().shape, "f8")
            layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "ecg", layout.shape)
            file.create_virtual_dataset("waves/ecg", layout)
    path = describe(tmp_path / "a.toml", files="all.h5", dataset="waves/ecg")
    with pytest.raises(RecordError, match="is no dataset in this file itself"):
        read_header(path)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (signals()[0], Reason.WRONG_SIGNAL_SIZE),
        (signals()[:0], Reason.WRONG_SIGNAL_SIZE),
        (signals() * 1j, Reason.UNREADABLE_SIGNAL),
    ],
)
def test_other_shapes_and_types_are_refused(
    tmp_path: Path, values: np.ndarray, reason: Reason
) -> None:
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file["ecg"] = values
    path = describe(tmp_path / "a.toml", files="all.h5", dataset="ecg")
    with pytest.raises(RecordError) as raised:
        read_header(path)
    assert raised.value.reason == reason
    assert [*find_headers(tmp_path)] == [path]  # which is in the quarantine


def test_a_row_of_any_size_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_dataset("ecg", (4, 12, 10**8), "f4", chunks=(1, 1, 1000))
    path = describe(tmp_path / "a.toml", files="all.h5", dataset="ecg")
    with pytest.raises(RecordError, match="expected at most 268435456 bytes"):
        read_header(path)


@pytest.mark.parametrize(
    ("files", "dataset"), [("a.h5", None), ("a.npy", "ecg"), ("a.h5", "")]
)
def test_hdf5_files_need_the_name_of_a_dataset(
    tmp_path: Path, files: str, dataset: str | None
) -> None:
    path = describe(tmp_path / "a.toml", files=files, dataset=dataset)
    with pytest.raises(RecordError, match="dataset"):
        read_header(path)
