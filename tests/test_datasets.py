"""The commands of docs/datasets.md, on excerpts of the data sets that they name."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb

import ecgstore
from ecgstore.cli import main
from ecgstore.sample import sample_folder
from ecgstore.sources import read_record

DATA = Path(__file__).parent / "data"
PAGE = Path(__file__).parents[1] / "docs" / "datasets.md"

COMMANDS = {
    line.split()[2]: line
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("ecgstore build ")
}
"""By folder."""


def lay_out_challenge_2020(folder: Path) -> None:
    for name in ("georgia", "ptb-xl"):
        shutil.copytree(sample_folder() / name, folder / name)


def lay_out_ptb_xl(folder: Path) -> None:
    for record in ("00841_hr", "02132_hr", "00841_lr"):
        rate = "100" if record.endswith("lr") else "500"
        records = folder / f"records{rate}" / "00000"
        records.mkdir(parents=True, exist_ok=True)
        header = (DATA / "ptb-xl" / f"{record}.hea").read_text()
        original = [line for line in header.splitlines() if "Labels:" not in line]
        (records / f"{record}.hea").write_text("\n".join(original) + "\n")
        shutil.copy(DATA / "ptb-xl" / f"{record}.dat", records)
    (folder / "ptbxl_database.csv").write_text(
        "ecg_id,patient_id,age,sex,scp_codes,strat_fold\n"
        "841,7.0,50.0,1,\"{'NDT': 100.0, 'SR': 0.0}\",10\n"
        "2132,8.0,60.0,0,\"{'NORM': 80.0, 'SR': 0.0}\",1\n"
    )


def lay_out_challenge_2024(folder: Path) -> None:
    for path in (DATA / "ptb-xl").glob("*_hr.*"):
        shutil.copy(path, folder)


def lay_out_challenge_2025(folder: Path) -> None:
    shutil.copytree(DATA / "challenge2025", folder, dirs_exist_ok=True)


def lay_out_code15(folder: Path) -> None:
    shutil.copytree(DATA / "code15", folder, dirs_exist_ok=True)


def lay_out_mimic(folder: Path) -> None:
    """A record of the sample under the names and in the folders of MIMIC-IV-ECG."""
    record = read_record(sample_folder() / "ptb-xl" / "g1" / "HR00001.hea")
    inner = folder / "files" / "p1000" / "p10000032" / "s40689238"
    inner.mkdir(parents=True)
    wfdb.wrsamp(
        "40689238",
        fs=500,
        units=["mV"] * 12,
        sig_name=[
            "I",
            "II",
            "III",
            "aVR",
            "aVF",
            "aVL",
            *(f"V{k}" for k in range(1, 7)),
        ],
        p_signal=record.signal[[0, 1, 2, 3, 5, 4, *range(6, 12)]].T,
        fmt=["16"] * 12,
        write_dir=str(inner),
    )
    (folder / "record_list.csv").write_text(
        "subject_id,study_id,file_name,ecg_time,path\n"
        "10000032,40689238,40689238,2180-07-23 08:44:00,"
        "files/p1000/p10000032/s40689238/40689238\n"
    )


def lay_out_archive(folder: Path) -> None:
    for name in ("Example.scp", "Example.dcm"):
        shutil.copy(DATA / "foreign" / name, folder)


LAYOUTS: dict[str, tuple[Callable[[Path], None], int]] = {
    "challenge-2020/training": (lay_out_challenge_2020, 0),
    "ptb-xl": (lay_out_ptb_xl, 2),
    "challenge-2024": (lay_out_challenge_2024, 2),
    "challenge-2025": (lay_out_challenge_2025, 1),
    "code15": (lay_out_code15, 2),
    "mimic-iv-ecg": (lay_out_mimic, 1),
    "archive": (lay_out_archive, 2),
}
"""Function that writes an excerpt, and its number of ECGs; 0 for several."""


def test_every_command_has_an_excerpt() -> None:
    assert {*COMMANDS} == {*LAYOUTS}


@pytest.fixture
def built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], ecgstore.Store]:
    """Run the command of a data set on its excerpt; return the store."""

    def build(name: str) -> ecgstore.Store:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        (tmp_path / name).mkdir(parents=True)
        LAYOUTS[name][0](tmp_path / name)
        command = [*shlex.split(COMMANDS[name])[1:], "--workers", "1", "--quiet"]
        with pytest.raises(SystemExit) as ended:
            main([*command, "--beats", "none"])
        assert not ended.value.code
        return ecgstore.open(command[command.index("-o") + 1])

    return build


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_command_stores_all_records(
    built: Callable[[str], ecgstore.Store], name: str
) -> None:
    store = built(name)
    assert len(store.quarantine) == 0
    n_records = LAYOUTS[name][1]
    assert len(store) == n_records if n_records else len(store) > 1
    assert np.ptp(store.signals(range(len(store))), axis=2).min() > 0.01  # mV


def test_labels_patients_and_folds_of_ptb_xl(
    built: Callable[[str], ecgstore.Store],
) -> None:
    store = built("ptb-xl")
    labels = dict(zip(store.records.index, store.labels().tolist(), strict=True))
    assert labels == {"00841_hr": [0, 0, 1, 0, 0], "02132_hr": [1, 0, 0, 0, 0]}
    records = store.records.loc[["00841_hr", "02132_hr"]]
    assert records["patient_id"].tolist() == ["7", "8"]
    assert records["fold"].tolist() == [9, 0]


def test_labels_of_the_challenge_2024(built: Callable[[str], ecgstore.Store]) -> None:
    store = built("challenge-2024")
    labels = dict(zip(store.records.index, store.labels().tolist(), strict=True))
    assert labels["00841_hr"] == [0, 0, 1, 0, 1]  # STTC, HYP, PVC


def test_patients_of_mimic_iv_ecg(built: Callable[[str], ecgstore.Store]) -> None:
    store = built("mimic-iv-ecg")
    assert store.records["patient_id"].tolist() == ["10000032"]
