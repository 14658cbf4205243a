"""Changed copies of a record share its fold and are reported."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

import ecgstore
from ecgstore.builder.report import ScanReport
from ecgstore.config import Config
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
        for names in report.same_ecg:
            assert folds[names].nunique() == 1
        assert folds.nunique() > 2


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
