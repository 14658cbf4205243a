"""Stores of version 1 become stores of the version that is written now."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.cli import main
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage.verify import verify

VERSION_1 = Path(__file__).parents[1] / "storage" / "data" / "version-1.h5"


def test_a_converted_store_reads_the_same(tmp_path: Path) -> None:
    new = tmp_path / "new.h5"
    ecgstore.convert_store(VERSION_1, new)
    assert list(verify(new)) == []
    with (
        ecgstore.open(VERSION_1) as old,
        ecgstore.open(new, verify="first-touch") as store,
        h5py.File(new) as file,
    ):
        assert file.attrs["format_version"] == 2
        assert store.config == old.config
        assert store.software == old.software
        assert store.fingerprint != old.fingerprint
        assert store.records.equals(old.records)
        assert store.quality.equals(old.quality)
        assert store.features().equals(old.features())
        assert store.quarantine.equals(old.quarantine)
        assert len(store.quarantine) == 1
        for path in old.tables:
            np.testing.assert_array_equal(store.table(path), old.table(path))
        np.testing.assert_array_equal(store.signals([2, 0]), old.signals([2, 0]))
        assert store.table("records/same_ecg").tolist() == [0, 1, 2]


def test_a_converted_store_of_today_is_the_same_file(
    sample_store: Path, tmp_path: Path
) -> None:
    ecgstore.convert_store(sample_store, tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == sample_store.read_bytes()


def test_the_command_converts_stores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new.h5"
    arguments = ["convert", str(VERSION_1), "-o", str(new)]
    for more, code, said in (
        ((), 0, "a store of format version 2"),
        ((), 1, "exists already"),
        (("--overwrite", "--model", "a.py:b"), 1, "leave it out"),
    ):
        with pytest.raises(SystemExit) as caught:
            main([*arguments, *more])
        assert (caught.value.code or 0) == code
        printed = capsys.readouterr()
        assert said in (printed.err if code else printed.out)


def test_a_store_is_not_converted_into_itself(tmp_path: Path) -> None:
    copy = Path(shutil.copy(VERSION_1, tmp_path / "old.h5"))
    with pytest.raises(EcgStoreError, match="is one of the stores that are read"):
        ecgstore.convert_store(copy, copy, overwrite=True)


def test_damaged_signals_are_not_converted(tmp_path: Path) -> None:
    copy = Path(shutil.copy(VERSION_1, tmp_path / "old.h5"))
    with h5py.File(copy, "r+") as file:
        file["signals"][1, 3, 50] += 1
    with pytest.raises(SchemaError, match="row 1 is damaged"):
        ecgstore.convert_store(copy, tmp_path / "new.h5")
    assert not (tmp_path / "new.h5").exists()
