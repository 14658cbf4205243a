"""The records of LUDB that the tests use are complete and unchanged."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgstore.record import LEADS

LUDB = Path(__file__).parent / "ludb"
RECORDS = ("1", "101", "119")


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_complete(name: str) -> None:
    record = wfdb.rdrecord(str(LUDB / name), physical=False)
    assert [lead.lower() for lead in LEADS] == record.sig_name
    assert (record.fs, record.d_signal.shape) == (500, (5000, 12))
    assert len(set(record.adc_gain)) > 1
    assert any(baseline != 0 for baseline in record.baseline)
    sums = record.d_signal.astype(np.int64).sum(axis=0)
    assert np.all((sums - record.checksum) % 65536 == 0)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("lead", [lead.lower() for lead in LEADS])
def test_marks_are_complete(name: str, lead: str) -> None:
    marks = wfdb.rdann(str(LUDB / name), lead)
    assert np.all(np.diff(marks.sample) > 0)
    symbols = Counter(marks.symbol)
    assert symbols.keys() <= {"(", ")", "N", "p", "t"}
    assert symbols["N"] >= 4
    assert symbols["t"] >= 4
    assert (symbols["p"] == 0) == (name == "101")  # atrial fibrillation: no P waves


def test_files_are_unchanged(shared_data: Path) -> None:
    files = sorted(path for path in LUDB.iterdir() if path.name != "LICENSE.md")
    assert len(files) == len(RECORDS) * 14
    for path in files:
        original = shared_data / "ludb" / "data" / path.name
        assert path.read_bytes() == original.read_bytes(), path.name


def test_the_licence_is_named() -> None:
    text = (LUDB / "LICENSE.md").read_text(encoding="utf-8")
    assert "https://opendatacommons.org/licenses/by/1-0/" in text
    assert "10.1109/ACCESS.2020.3029211" in text
