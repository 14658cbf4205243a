"""Annotated databases: marks, annotated spans, patients, folds."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import wfdb

from ecgstore.arrays import FloatArray
from ecgstore.models.delineator.databases.annotated import annotation
from ecgstore.models.delineator.databases.cpsc2019 import read_cpsc2019
from ecgstore.models.delineator.databases.ludb import beats_of, read_ludb
from ecgstore.models.delineator.databases.qtdb import read_qtdb
from ecgstore.models.delineator.folds import assign_folds
from ecgstore.record import LEADS, Mark

LUDB = Path(__file__).resolve().parents[2] / "data" / "ludb"

BEAT = "(p)(N)t)"
PLACES = (0, 10, 20, 30, 40, 50, 100, 120)
"""The marks of a beat in samples at 250 Hz, from the onset of its P wave."""


def test_marks_need_no_onset_or_offset() -> None:
    marks = annotation("(p)Nt)(V", [1, 2, 3, 10, 20, 25, 40, 50], {}).marks()
    found = {mark: samples.tolist() for mark, samples in marks.items() if len(samples)}
    assert found == {
        Mark.P_ON: [1],
        Mark.P_PEAK: [2],
        Mark.P_OFF: [3],
        Mark.QRS_ON: [40],
        Mark.R_PEAK: [10, 50],
        Mark.T_PEAK: [20],
        Mark.T_OFF: [25],
    }


def test_ludb_is_annotated_from_the_first_to_the_last_mark_of_a_lead() -> None:
    records = read_ludb(LUDB)
    assert [record.record_id for record in records] == ["1", "101", "119"]
    assert [record.rhythm for record in records][1] == "Atrial fibrillation"
    for record in records:
        assert record.leads == LEADS
        assert record.signal.shape == (12, 5000)
        for lead in record.annotations:
            marks = np.concatenate([*lead.marks().values()])
            for span in lead.spans.values():
                assert span.tolist() == [[marks.min(), marks.max()]]
    beats = beats_of(records[0]).marks()[Mark.R_PEAK]
    of_ii = records[0].annotations[1].marks()[Mark.R_PEAK]
    np.testing.assert_allclose(beats, of_ii, atol=15)


def write_qtdb(folder: Path, name: str, symbols: str, samples: FloatArray) -> None:
    """Write a record of 15 min whose two leads hold the time in s, and its marks."""
    time_s = np.arange(225000) / 250
    wfdb.wrsamp(
        name,
        fs=250,
        units=["mV", "mV"],
        sig_name=["ECG1", "ECG2"],
        p_signal=np.stack([time_s, -time_s], axis=1),
        fmt=["16", "16"],
        comments=["Age: 47 Sex: M"],
        write_dir=str(folder),
    )
    wfdb.wrann(
        name,
        "qc",  # wfdb writes no digits into extensions
        samples.astype(np.int64),
        [*symbols],
        write_dir=str(folder),
    )
    (folder / f"{name}.qc").rename(folder / f"{name}.q1c")


def test_qtdb_is_cut_to_its_annotated_part(tmp_path: Path) -> None:
    first = 100000
    without_p = (*PLACES[3:],)
    samples = np.array([*PLACES, *(p + 250 for p in without_p)]) + first
    for name in ("sel100", "sele0104", "sele0107"):
        write_qtdb(tmp_path, name, BEAT + BEAT[3:], samples)
    records = read_qtdb(tmp_path)
    assert [record.patient for record in records[:1]] == ["sel100"]
    assert records[1].patient == records[2].patient != records[0].patient
    record = records[0]
    n_margin = 30 * 250
    assert record.signal.shape == (2, 2 * n_margin + 370 + 1)
    assert record.signal[0, 0] == pytest.approx((first - n_margin) / 250, abs=0.02)
    (marks,) = record.annotations
    assert (marks.samples == samples - first + n_margin).all()
    assert marks.marks()[Mark.R_PEAK].tolist() == [n_margin + 40, n_margin + 290]
    spans = {wave: (span - n_margin).tolist() for wave, span in marks.spans.items()}
    assert spans["QRS"] == spans["T"] == [[0, 120], [280, 370]]
    # The P wave of the second beat would lie between the T wave before it and its R,
    # at most 0.4 s before.
    assert spans["P"] == [[40 - 100, 40], [290 - 100, 290]]


def test_cpsc2019_does_not_count_the_ends_of_a_record(tmp_path: Path) -> None:
    for folder in ("data", "ref"):
        (tmp_path / folder).mkdir()
    scipy.io.savemat(tmp_path / "data" / "data_00007.mat", {"ecg": np.ones((5000, 1))})
    r_peaks = np.array([[900], [100], [1700]], np.uint16)
    scipy.io.savemat(tmp_path / "ref" / "R_00007.mat", {"R_peak": r_peaks})
    (record,) = read_cpsc2019(tmp_path)
    assert record.signal.shape == (1, 5000)
    (marks,) = record.annotations
    assert marks.marks()[Mark.R_PEAK].tolist() == [100, 900, 1700]
    assert marks.spans["QRS"].tolist() == [[250, 4750]]
    assert len(marks.spans["P"]) == 0


@pytest.mark.parametrize("read", [read_ludb, read_qtdb, read_cpsc2019])
def test_a_folder_without_records_is_named(read: object, tmp_path: Path) -> None:
    assert callable(read)
    with pytest.raises(SystemExit, match=r"has no record of .*; expected"):
        read(tmp_path)


def test_folds_keep_patients_together_and_are_equally_large() -> None:
    patients = {str(k): str(k // 2) for k in range(20)}
    folds = assign_folds(patients, 5)
    assert sorted(folds.values()) == sorted([*range(5)] * 4)
    for k in range(0, 20, 2):
        assert folds[str(k)] == folds[str(k + 1)]
    alone = assign_folds({name: name for name in patients}, 5)
    assert [*alone.values()] == [k % 5 for k in range(20)]
