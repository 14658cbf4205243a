"""Some records of a store as a store of their own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.cli import main
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage.label_file import label_file_path
from ecgstore.storage.verify import verify

Build = Callable[..., Path]
WriteRecord = Callable[..., Path]


def test_every_dataset_is_that_of_the_rows(sample_store: Path, tmp_path: Path) -> None:
    with ecgstore.open(sample_store) as store:
        selection = store.select(folds=[0, 3, 7], query="age > 40")
        assert 1 < len(selection) < len(store)
        ecgstore.write_subset(selection, tmp_path / "part.h5")
        assert list(verify(tmp_path / "part.h5")) == []
        with ecgstore.open(tmp_path / "part.h5", verify="first-touch") as part:
            assert part.software == store.software
            assert part.config == store.config
            for path in store.tables:
                is_renumbered = path == "records/same_ecg"
                if path.startswith("quarantine/"):
                    assert len(part.table(path)) == 0
                elif not is_renumbered:
                    expected = store.table(path)[selection.rows]
                    found = part.table(path)
                    assert np.array_equal(
                        found, expected, equal_nan=expected.dtype.kind == "f"
                    ), path
            rows = np.arange(len(part))
            assert np.array_equal(part.signals(rows), store.signals(selection))


def test_all_rows_are_the_same_store(
    tmp_path: Path, few_records: Path, build: Build
) -> None:
    built = build(few_records, tmp_path / "all.h5")
    with ecgstore.open(built) as store:
        assert len(store.quarantine) == 0
        ecgstore.write_subset(store.select(), tmp_path / "again.h5")
        with ecgstore.open(tmp_path / "again.h5") as again:
            assert again.fingerprint == store.fingerprint


def test_ecgs_that_are_the_same_stay_so(
    tmp_path: Path, write_record: WriteRecord, build: Build
) -> None:
    noise = np.random.default_rng(0).integers(-900, 900, (12, 5000))
    for name in ("A", "C", "D"):
        write_record(name, noise)
    folder = write_record("B").parent
    with ecgstore.open(build(folder, tmp_path / "all.h5")) as store:
        assert store.table("records/same_ecg").tolist() == [0, 1, 0, 0]
        ecgstore.write_subset(store.select(rows=[1, 2, 3]), tmp_path / "part.h5")
    with ecgstore.open(tmp_path / "part.h5") as part:
        assert part.table("records/same_ecg").tolist() == [0, 1, 1]


def test_labels_beside_the_store_become_its_own(
    tmp_path: Path, few_records: Path, build: Build
) -> None:
    built = build(few_records, tmp_path / "all.h5")
    table = tmp_path / "labels.csv"
    table.write_text("record_id,AF,site,ef\nHR00017,1,Ulm,5\n")
    ecgstore.label_store(
        built, table, classes="code15", columns=["site"], targets=["ef"]
    )
    with ecgstore.open(built) as store:
        ecgstore.write_subset(store.select(sources=["ptb-xl"]), tmp_path / "part.h5")
        with ecgstore.open(tmp_path / "part.h5") as part:
            records = store.records[store.records["source"] == "ptb-xl"]
            assert part.records.equals(records)
            assert part.label_names == store.label_names
            assert part["HR00017"].classes == ["AF"]
            assert part["HR00017"].targets == {"ef": 5}
    assert list(verify(tmp_path / "part.h5")) == []


def test_what_is_refused(tmp_path: Path, few_records: Path, build: Build) -> None:
    built = build(few_records, tmp_path / "all.h5")
    out = tmp_path / "part.h5"
    with ecgstore.open(built) as store:
        with pytest.raises(EcgStoreError, match="no record is selected"):
            ecgstore.write_subset(store.select(rows=[]), out)
        with pytest.raises(EcgStoreError, match="is one of the stores that are read"):
            ecgstore.write_subset(store.select(rows=[0]), built, overwrite=True)
        with pytest.raises(EcgStoreError, match="no such folder"):
            ecgstore.write_subset(store.select(rows=[0]), tmp_path / "no" / "x.h5")
        ecgstore.write_subset(store.select(rows=[0]), out)
        with pytest.raises(EcgStoreError, match="exists already"):
            ecgstore.write_subset(store.select(rows=[0]), out)
        ecgstore.write_subset(store.select(rows=[0, 1]), out, overwrite=True)
        ecgstore.label_store(out, classes="cinc2020")
        with pytest.raises(EcgStoreError, match=r"part\.labels\.h5: holds labels of"):
            ecgstore.write_subset(store.select(rows=[0]), out, overwrite=True)
        assert label_file_path(out).exists()
    damaged = tmp_path / "damaged.h5"
    shutil.copy(built, damaged)
    with h5py.File(damaged, "r+") as file:
        file["signals"][1, 3, 7] += 1
    with ecgstore.open(damaged) as store:
        with pytest.raises(SchemaError, match="row 1 is damaged"):
            ecgstore.write_subset(store.select(), tmp_path / "new.h5")
        assert not (tmp_path / "new.h5").exists()
        ecgstore.write_subset(store.select(rows=[0]), tmp_path / "new.h5")


def test_the_command(
    tmp_path: Path, sample_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "part.h5"
    arguments = ["--folds", "0-4", "--sources", "ptb-xl", "--query", "sex == 'male'"]
    with pytest.raises(SystemExit) as caught:
        main(["subset", str(sample_store), "-o", str(out), *arguments])
    assert not caught.value.code
    with ecgstore.open(out) as part, ecgstore.open(sample_store) as store:
        assert f"wrote {len(part)} of {len(store)} records" in capsys.readouterr().out
        assert set(part.records["fold"]) <= set(range(5))
        assert set(part.records["source"]) == {"ptb-xl"}
        assert set(part.records["sex"]) == {"male"}


@pytest.mark.parametrize("row", [0, 42, 43])
def test_every_signal_is_compared_with_its_checksum(
    sample_store: Path, tmp_path: Path, row: int
) -> None:
    damaged = Path(shutil.copy(sample_store, tmp_path / "damaged.h5"))
    with h5py.File(damaged, "r+") as file:
        file["signals"][row, 11, 4999] ^= 1
    with ecgstore.open(damaged) as store:
        for rows in (range(44), [row]):
            with pytest.raises(SchemaError, match=f"row {row} is damaged"):
                ecgstore.write_subset(store.select(rows=rows), tmp_path / "new.h5")
