"""Changed copies of a record share its fold and are reported."""

import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.signal

import ecgstore
from ecgstore.builder.report import ScanReport
from ecgstore.config import Config
from ecgstore.errors import SchemaError
from ecgstore.sources import read_record

WriteRecord = Callable[..., Path]
FAST = Config(beats="none", select="all")


def build(folder: Path, out: Path) -> ScanReport:
    return ecgstore.build_store([folder], out, FAST, n_workers=1, quiet=True)


def originals(folder: Path) -> list[Path]:
    headers = sorted(folder.rglob("*.hea"))
    return [headers[0], headers[-1]]


@pytest.fixture
def folder(few_records: Path, write_record: WriteRecord, tmp_path: Path) -> Path:
    """Return a folder with a dozen records, and changed copies of two of them."""
    copied = tmp_path / "records"
    for path, new in zip(originals(few_records), ("first", "second"), strict=True):
        signal = read_record(path).signal
        half = scipy.signal.resample_poly(signal, 1, 2, axis=1)
        write_record(f"{new}-250", np.rint(half * 500), fs=250, dx="164890007")
        write_record(f"{new}-later", np.rint(signal[:, 350:] * 1000))
    shutil.move(copied, few_records)
    return few_records


def test_copies_share_a_fold_and_are_reported(
    dozen_records: Path, folder: Path, tmp_path: Path
) -> None:
    one, other = (path.stem for path in originals(dozen_records))
    report = build(folder, tmp_path / "out.h5")
    assert report.n_selected == 16
    assert sorted(map(sorted, report.same_ecg)) == [
        sorted([one, "first-250", "first-later"]),
        sorted([other, "second-250", "second-later"]),
    ]
    with ecgstore.open(tmp_path / "out.h5") as store:
        folds = store.records["fold"]
        groups = pd.Series(store.groups(), folds.index)
        first = pd.Series(store.table("records/same_ecg"), folds.index)
        rows = pd.Series(np.arange(len(folds)), folds.index)
        for names in report.same_ecg:
            assert folds[names].nunique() == groups[names].nunique() == 1
            assert set(first[names]) == {rows[names].min()}
        assert folds.nunique() > 2
        assert groups.nunique() == 12
        others = folds.index.difference([*chain(*report.same_ecg)])
        assert first[others].equals(rows[others])


def test_same_ecgs_that_are_no_rows_are_refused(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5", "r+") as file:
        file["records/same_ecg"][3] = 16
    with (
        ecgstore.open(tmp_path / "out.h5") as store,
        pytest.raises(SchemaError, match="names rows that do not exist"),
    ):
        store.groups()


def test_a_resumed_build_reports_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = build(folder, tmp_path / "whole.h5")

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ecgstore.builder.pipeline.seal", stop)
        with pytest.raises(KeyboardInterrupt):
            build(folder, tmp_path / "resumed.h5")
    assert build(folder, tmp_path / "resumed.h5") == expected
    whole, resumed = (tmp_path / name for name in ("whole.h5", "resumed.h5"))
    assert whole.read_bytes() == resumed.read_bytes()
