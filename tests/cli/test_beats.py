"""``ecgstore beats``: tables, JSON and annotations of records and stores."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgstore.beats.of_records import beats_of_record
from ecgstore.record import LEADS, MARKS, Mark
from ecgstore.sample import sample_folder
from ecgstore.storage import Store

Run = Callable[..., tuple[int, str, str]]
RECORD = sample_folder() / "ptb-xl" / "g1" / "HR00001.hea"


def test_the_table_has_a_row_per_beat_and_lead(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "beats.csv"
    run("beats", RECORD, "-o", out)
    table = pd.read_csv(out)
    expected = beats_of_record(RECORD).beats
    assert len(table) == 12 * len(expected.r_peaks)
    assert set(table["record_id"]) == {"HR00001"}
    assert table["lead"][:12].tolist() == list(LEADS)
    marks = table[list(MARKS)].fillna(-1).to_numpy(int).reshape(-1, 12, 9)
    marks = marks.transpose(1, 0, 2)
    np.testing.assert_array_equal(marks, expected.fiducials)
    beats = table["beat_sample"].to_numpy()[::12]
    np.testing.assert_array_equal(beats, expected.r_peaks)
    assert (table["fs"] == 500).all()


def test_without_a_file_the_table_is_printed(run: Run) -> None:
    code, printed, _ = run("beats", RECORD, "--leads", "v5,II", "--quiet")
    assert code == 0
    assert printed.startswith("record_id,source,fs,beat,beat_sample,lead,p_on,")
    assert [line.split(",")[5] for line in printed.splitlines()[1:3]] == ["V5", "II"]


def test_json_holds_the_marks_of_every_lead(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "beats.json"
    run("beats", RECORD, "-o", out, "--leads", "II")
    record = json.loads(out.read_text())["records"][0]
    beats = beats_of_record(RECORD, leads=["II"]).beats
    assert record["status"] == "ok"
    assert record["beats"] == beats.r_peaks.tolist()
    assert record["leads"]["II"]["r_peak"] == beats.fiducials[0, :, 4].tolist()
    assert (record["fs"], record["n_samples"]) == (500.0, 5000)
    absent = [mark for name in MARKS for mark in record["leads"]["II"][name]]
    assert absent.count(None) == (beats.fiducials == -1).sum()


def test_wfdb_reads_the_annotations(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "HR00001.atr"
    run("beats", RECORD, "-o", out)
    annotation = wfdb.rdann(str(tmp_path / "HR00001"), "atr")
    marks = beats_of_record(RECORD).beats.fiducials
    assert annotation.fs == 500
    assert len(annotation.sample) == (marks >= 0).sum()
    assert (np.diff(annotation.sample) >= 0).all()
    symbols = np.array(annotation.symbol)
    for symbol, mark in (("p", Mark.P_PEAK), ("N", Mark.R_PEAK), ("t", Mark.T_PEAK)):
        for lead in range(12):
            chosen = (symbols == symbol) & (annotation.chan == lead)
            own = marks[lead, :, mark]
            np.testing.assert_array_equal(annotation.sample[chosen], own[own >= 0])
    lead_ii = symbols[annotation.chan == 1]
    assert "(p)(N)(t)" in "".join(lead_ii)
    onsets = np.isin(np.arange(9), [Mark.P_ON, Mark.QRS_ON, Mark.T_ON])
    assert (symbols == "(").sum() == (marks[..., onsets] >= 0).sum()


def test_annotations_of_others_are_not_replaced_by_accident(
    run: Run, tmp_path: Path
) -> None:
    """Databases have theirs beside each record, under the name one would choose."""
    name = f"{RECORD.stem}.atr"
    for out in (tmp_path / name, tmp_path):
        (tmp_path / name).write_bytes(b"by experts")
        code, _, errors = run("beats", RECORD, "-o", out)
        assert code == 1
        assert f"{name}: exists, and may hold the annotations" in errors
        assert (tmp_path / name).read_bytes() == b"by experts"
        assert run("beats", RECORD, "-o", out, "--overwrite")[0] == 0
        assert len(wfdb.rdann(str(tmp_path / RECORD.stem), "atr").sample) > 100


def test_a_folder_gets_a_file_per_record(run: Run, tmp_path: Path) -> None:
    run("beats", RECORD.parent, "-o", tmp_path / "new")
    names = {path.stem for path in RECORD.parent.glob("*.hea")}
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        f"{name}.atr" for name in names
    }


def test_records_of_a_store_are_chosen_by_name(
    run: Run, sample_store: Path, tmp_path: Path
) -> None:
    """Their marks are those that the build stored."""
    out = tmp_path / "beats.csv"
    run("beats", sample_store, "--record", "HR00001", "-o", out)
    table = pd.read_csv(out)
    assert set(table["record_id"]) == {"HR00001"}
    with Store(sample_store) as store:
        row = store.row("HR00001")
        stored = store.fiducials([row])[0]
    n_beats = len(table) // 12
    marks = table[list(MARKS)].fillna(-1).to_numpy(int).reshape(n_beats, 12, 9)
    np.testing.assert_array_equal(marks.transpose(1, 0, 2), stored[:, :n_beats])


def test_filtered_records_are_not_filtered_again(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "beats.json"
    run("beats", RECORD, "-o", out, "--no-filter")
    beats = json.loads(out.read_text())["records"][0]["beats"]
    assert beats == beats_of_record(RECORD, filter=False).beats.r_peaks.tolist()


def test_mistakes_are_named(run: Run, tmp_path: Path) -> None:
    for arguments, status, message in (
        ([RECORD, "--leads", "II,Q"], 1, "has no lead 'Q'; expected some of I,"),
        ([RECORD, "-o", "beats.txt"], 2, "expected .csv, .json or .atr"),
        ([RECORD.parent, "-o", tmp_path / "a.atr"], 1, "give a folder for one file"),
        ([RECORD, "--record", "HR00001"], 2, "of one store"),
        ([tmp_path / "no.h5"], 1, "no.h5"),
        ([tmp_path / "none"], 1, "none"),
    ):
        code, _, errors = run("beats", *arguments, "--quiet")
        assert code == status
        assert message in errors
        assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_records_that_cannot_be_used_do_not_stop_others(
    run: Run, tmp_path: Path
) -> None:
    broken, out = tmp_path / "broken.hea", tmp_path / "some.csv"
    broken.write_text("broken 12 500 5000\n")
    code, _, errors = run("beats", broken, RECORD, "-o", out, "--quiet")
    assert code == 1
    assert errors.startswith("ecgstore: ")
    assert "broken.hea" in errors
    assert set(pd.read_csv(out)["record_id"]) == {"HR00001"}


@pytest.mark.parametrize("leads", ["II", "aVR,V1"])
def test_a_long_gap_is_left_out(tmp_path: Path, leads: str) -> None:
    """A record with a long gap has beats before and behind it."""
    n = 5000
    signal = np.round(
        wfdb.rdrecord(str(RECORD.with_suffix(""))).p_signal[:n] * 1000
    ).astype(np.int16)
    signal[2000:2500] = -32768
    wfdb.wrsamp(
        "gap",
        500,
        ["uV"] * 12,
        list(LEADS),
        d_signal=signal,
        fmt=["16"] * 12,
        adc_gain=[1.0] * 12,
        baseline=[0] * 12,
        write_dir=str(tmp_path),
    )
    chosen = leads.split(",")
    beats = beats_of_record(tmp_path / "gap.hea", leads=chosen).beats
    whole = beats_of_record(RECORD, leads=chosen).beats
    inside = (beats.r_peaks >= 2000) & (beats.r_peaks < 2500)
    assert not inside.any()
    assert len(beats.r_peaks) >= len(whole.r_peaks) - 3


def holter(folder: Path, names: dict[str, str]) -> Path:
    """Write lead II under several names of channels, with their units."""
    lead_ii = wfdb.rdrecord(str(RECORD.with_suffix(""))).p_signal[:, 1]
    signal = np.repeat(np.round(lead_ii * 1000)[:, np.newaxis], len(names), axis=1)
    wfdb.wrsamp(
        "holter",
        500,
        [*names.values()],
        [*names],
        d_signal=signal.astype(np.int16),
        fmt=["16"] * len(names),
        adc_gain=[1000.0] * len(names),
        baseline=[0] * len(names),
        write_dir=str(folder),
    )
    return folder / "holter.hea"


def test_records_of_any_leads_keep_their_names(run: Run, tmp_path: Path) -> None:
    names = {"Resp": "mV", "ECG1": "mV", "ABP": "mmHg", "MLII": "mV"}
    record, out = holter(tmp_path, names), tmp_path / "beats.json"
    code, _, errors = run("beats", record, "-o", out, "--quiet")
    assert (code, errors) == (0, f"{record}: no ECG, left out: Resp, ABP [mmHg]\n")
    [found] = json.loads(out.read_text())["records"]
    assert [*found["leads"]] == ["ECG1", "MLII"]
    assert found["left_out"] == ["Resp", "ABP [mmHg]"]
    alone = beats_of_record(RECORD, leads=["II"]).beats
    assert np.abs(np.array(found["beats"]) - alone.r_peaks).max() <= 2
    run("beats", record, "-o", tmp_path / "holter.atr")
    channels = wfdb.rdann(str(tmp_path / "holter"), "atr").chan
    assert set(channels) == {1, 3}


def test_a_single_lead_is_enough(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "beats.csv"
    run("beats", holter(tmp_path, {"ECG": "mV"}), "-o", out)
    table = pd.read_csv(out)
    alone = beats_of_record(RECORD, leads=["II"]).beats
    assert set(table["lead"]) == {"ECG"}
    assert table["beat_sample"].tolist() == alone.r_peaks.tolist()


def test_leads_are_chosen_by_their_own_or_the_standard_names(
    run: Run, tmp_path: Path
) -> None:
    names = dict.fromkeys(("mlii", "Lead V5", "v5", "ECG 1"), "mV")
    record, file = holter(tmp_path, names), tmp_path / "names.toml"
    file.write_text('"ecg 1" = "II"')
    for wanted, mapping, expected in (
        ("MLII", None, ["mlii"]),
        ("V5", None, ["v5"]),
        ("ECG 1,lead v5", None, ["ECG 1", "Lead V5"]),
        ("ii, MLII", file, ["ECG 1", "mlii"]),
    ):
        words = ["--leads", wanted]
        if mapping is not None:
            words += ["--lead-names", str(mapping)]
        code, printed, _ = run("beats", record, "--quiet", *words)
        assert code == 0
        lines = printed.splitlines()[1 : 1 + len(expected)]
        assert [line.split(",")[5] for line in lines] == expected
    for wanted, message in (
        ("II", "has no lead 'II'; "),
        (
            "v5,V5",
            "leads are ['v5', 'V5']; v5 is there twice; expected some of mlii, Lead V5",
        ),
    ):
        code, _, errors = run("beats", record, "--quiet", "--leads", wanted)
        assert code == 1
        assert message in errors


def test_real_records_of_two_leads(shared_data: Path) -> None:
    """The first beats of a record of the QT Database are those of its annotators."""
    path = shared_data / "qtdb" / "sele0136.hea"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    beats = beats_of_record(path)
    assert (beats.leads, beats.channels, beats.fs) == (("D3", "V4"), (0, 1), 250)
    reference = wfdb.rdann(str(path.with_suffix("")), "atr")
    marked = reference.sample[np.isin(reference.symbol, ["N", "V", "A"])][2:-2]
    distance = np.abs(beats.beats.r_peaks[:, np.newaxis] - marked).min(axis=0)
    assert (distance <= 20).mean() > 0.99


def test_escapes_in_names_of_leads_are_visible_everywhere(
    run: Run, tmp_path: Path
) -> None:
    record = holter(tmp_path, {"A": "mV", "B": "mV"})
    text = (
        record.read_text().replace(" A\n", " V\x1b[31m1\n").replace(" B\n", " \x9bX\n")
    )
    record.write_text(text)
    _, printed, _ = run("beats", record, "--quiet")
    for suffix in (".csv", ".json"):
        out = tmp_path / f"beats{suffix}"
        assert run("beats", record, "-o", out, "--quiet")[0] == 0
        assert out.read_text().replace("\n", "").isprintable()
    assert printed.replace("\n", "").isprintable()
    assert {line.split(",")[5] for line in printed.splitlines()[1:]} == {
        r"V\x1b[31m1",
        r"\x9bX",
    }


def test_a_record_without_beats_is_named(run: Run, tmp_path: Path) -> None:
    wfdb.wrsamp(
        "short", 500, ["mV"], ["II"], np.zeros((10, 1)), fmt=["16"],
        write_dir=str(tmp_path),
    )  # fmt: skip
    record = tmp_path / "short.hea"
    code, printed, errors = run("beats", record, "--quiet")
    assert (code, printed.count("\n")) == (0, 1)
    assert errors.startswith(f"{record}: no beats were found in its 0.02 s")
