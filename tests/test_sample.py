"""The bundled records are complete, unchanged, and as their README describes them."""

import csv
import hashlib
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import wfdb

import ecgstore.sample
from ecgstore.arrays import IntArray
from ecgstore.diagnoses import class_set
from ecgstore.record import LEADS
from ecgstore.sample import patients_file, sample_folder

PACKAGE = Path(ecgstore.sample.__file__).parent


@dataclass(frozen=True)
class Header:
    """One record of the sample, as read by wfdb and as plain text."""

    path: Path
    text: str
    source: str
    fs: float
    n_samples: int
    leads: list[str]
    checksum: list[int]
    first_values: list[int]
    adc: IntArray  # (n_samples, 12)
    comments: dict[str, str]

    @property
    def record_id(self) -> str:
        return self.path.stem

    @property
    def seconds(self) -> float:
        return self.n_samples / self.fs

    @property
    def codes(self) -> list[str]:
        return self.comments["Dx"].split(",")

    @property
    def fields(self) -> list[str]:
        return self.text.splitlines()[1].split()


def read(path: Path, scratch: Path) -> Header:
    """Read one record with wfdb, which refuses record names that carry ``.mat``."""
    text = path.read_text()
    if text.startswith(f"{path.stem}.mat "):
        (scratch / path.name).write_text(text.replace(f"{path.stem}.mat", path.stem, 1))
        shutil.copy(path.with_suffix(".mat"), scratch)
        readable = scratch / path.stem
    else:
        readable = path.with_suffix("")
    header = wfdb.rdheader(str(readable))
    record = wfdb.rdrecord(str(readable), physical=False)
    pairs = [comment.split(":", 1) for comment in header.comments]
    comments = {name.strip(): value.strip() for name, value in pairs}
    return Header(
        path=path,
        text=text,
        source=path.parts[-3],
        fs=header.fs,
        n_samples=header.sig_len,
        leads=header.sig_name,
        checksum=header.checksum,
        first_values=header.init_value,
        adc=record.d_signal.astype(np.int64),
        comments=comments,
    )


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> list[Header]:
    """Return all records of the sample, by source and name."""
    scratch = tmp_path_factory.mktemp("readable")
    return [read(path, scratch) for path in sorted(sample_folder().rglob("*.hea"))]


def ids(headers: list[Header]) -> set[str]:
    return {header.record_id for header in headers}


def test_the_folder_is_laid_out_like_the_challenge(headers: list[Header]) -> None:
    assert sample_folder() == PACKAGE / "training"
    files = [path for path in sample_folder().rglob("*") if path.is_file()]
    assert len(files) == 2 * len(headers) == 96
    for path in files:
        source, group, name = path.relative_to(sample_folder()).parts
        assert group == "g1"
        assert source in {"cpsc_2018", "cpsc_2018_extra", "georgia", "ptb", "ptb-xl"}
        assert re.fullmatch(r"(A|Q|E|S|HR)\d{4,5}\.(hea|mat)", name)


def test_the_sample_is_small() -> None:
    files = [path for path in PACKAGE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files if path.suffix != ".pyc") < 8e6


def test_every_source_is_there(headers: list[Header]) -> None:
    assert Counter(header.source for header in headers) == {
        "cpsc_2018": 8,
        "cpsc_2018_extra": 9,
        "georgia": 11,
        "ptb": 2,
        "ptb-xl": 18,
    }


def test_every_header_agrees_with_its_signal(headers: list[Header]) -> None:
    for header in headers:
        assert tuple(header.leads) == LEADS
        assert header.adc.shape == (header.n_samples, 12), header.record_id
        assert header.first_values == header.adc[0].tolist(), header.record_id
        sums = header.adc.sum(axis=0)
        assert np.all((sums - header.checksum) % 65536 == 0), header.record_id


def test_every_mat_file_is_what_the_challenge_writes(headers: list[Header]) -> None:
    for header in headers:
        content = header.path.with_suffix(".mat").read_bytes()
        numbers = np.frombuffer(content[:20], dtype="<i4").tolist()
        assert numbers == [30, 12, header.n_samples, 0, 4], header.record_id
        assert content[20:24] == b"val\0"
        samples = np.frombuffer(content[24:], dtype="<i2").reshape(-1, 12)
        np.testing.assert_array_equal(samples, header.adc)


def test_no_sample_is_missing_or_flat(headers: list[Header]) -> None:
    for header in headers:
        assert header.adc.min() > -32768, header.record_id
        assert np.ptp(header.adc, axis=0).min() > 0, header.record_id


def test_both_header_dialects_and_all_variants_are_there(
    headers: list[Header],
) -> None:
    first_lines = {h.record_id: h.text.splitlines()[0].split() for h in headers}
    new = [h for h in headers if h.fields[1] == "16x1+24"]
    old = [h for h in headers if h.fields[1] == "16+24"]
    assert len(new) + len(old) == len(headers)
    assert len(new) >= 4
    assert len(old) >= 30
    assert all("\n# Dx: " in h.text for h in new)
    assert all("\n#Dx: " in h.text for h in old)
    assert {h.fields[2] for h in headers} == {
        "1000/mV",
        "1000/mv",
        "1000.0(0)/mV",
        "1000.0(0)/mv",
    }
    assert {h.source for h in new} == {"georgia", "ptb-xl"}
    assert {name for name, line in first_lines.items() if line[0] != name} == {
        "E00271",
        "E07521",
    }
    assert {line[0] for line in first_lines.values()} > {"E00271.mat", "E07521.mat"}
    assert {len(line) for line in first_lines.values()} == {4, 6}  # without, with date


def test_every_class_of_hybrid7_is_there(headers: list[Header]) -> None:
    classes = class_set("hybrid7")
    labels = classes.labels([header.codes for header in headers])
    counts = dict(zip(classes.names, labels.sum(axis=0).tolist(), strict=True))
    assert min(counts.values()) >= 3, counts
    per_record = labels.sum(axis=1)
    assert 3 <= np.sum(per_record == 0) <= 4
    assert np.sum(per_record > 1) >= 5
    assert per_record.max() == 4
    # Both codes of the one class that has two.
    codes = {code for header in headers for code in header.codes}
    assert {"59118001", "713427006"} <= codes


def test_every_class_is_in_two_sources_at_least(headers: list[Header]) -> None:
    classes = class_set("hybrid7")
    labels = classes.labels([header.codes for header in headers])
    sources = np.array([header.source for header in headers])
    for column, name in enumerate(classes.names):
        assert len(set(sources[labels[:, column] == 1])) >= 2, name


def test_lengths_and_rates_vary(headers: list[Header]) -> None:
    assert {h.fs for h in headers if h.source == "ptb"} == {1000.0}
    assert {h.fs for h in headers if h.source != "ptb"} == {500.0}
    assert {h.seconds for h in headers if h.source == "ptb"} == {20.0}
    uncut = [h.seconds for h in headers if "Note" not in h.comments]
    assert sum(seconds > 10 for seconds in uncut) >= 5
    assert [h.record_id for h in headers if h.seconds < 10] == ["A0010"]


def test_cut_records_say_so(headers: list[Header]) -> None:
    cut = {h.record_id: h.comments["Note"] for h in headers if "Note" in h.comments}
    assert cut == {
        "A0010": "cut to the first 7 s of 10 s for this sample",
        "S0001": "cut to the first 20 s of 38.4 s for this sample",
        "S0004": "cut to the first 20 s of 115.2 s for this sample",
    }
    for header in headers:
        if header.record_id in cut:
            assert f"first {header.seconds:g} s" in cut[header.record_id]


def test_two_signals_occur_twice(headers: list[Header]) -> None:
    same = defaultdict(set)
    for header in headers:
        same[hashlib.sha256(header.adc.tobytes()).hexdigest()].add(header.record_id)
    twins = {frozenset(names) for names in same.values() if len(names) > 1}
    assert twins == {
        frozenset({"HR00137", "HR00138"}),
        frozenset({"HR00145", "HR00463"}),
    }


def test_ages_vary_and_one_is_missing(headers: list[Header]) -> None:
    ages = np.array([float(header.comments["Age"]) for header in headers])
    assert np.sum(np.isnan(ages)) == 1
    assert np.nanmin(ages) < 10
    assert np.nanmax(ages) > 90
    assert {h.comments["Sex"] for h in headers} == {"Male", "Female"}


def test_some_signals_are_bad(headers: list[Header]) -> None:
    highest_mv = {h.record_id: np.abs(h.adc).max() / 1000 for h in headers}
    assert {name for name, mv in highest_mv.items() if mv > 10} == {"E00006", "Q0010"}


def read_patients() -> dict[str, str]:
    with patients_file().open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row.keys() == {"record_id", "patient_id"} for row in rows)
    patients = {row["record_id"]: row["patient_id"] for row in rows}
    assert len(patients) == len(rows)
    return patients


def test_the_patients_file_covers_ptb_xl(headers: list[Header]) -> None:
    assert patients_file() == PACKAGE / "patients.csv"
    patients = read_patients()
    ptb_xl = ids([header for header in headers if header.source == "ptb-xl"])
    assert ptb_xl - patients.keys() == {"HR03961", "HR06000"}
    assert patients.keys() <= ptb_xl
    assert list(patients) == sorted(patients)
    # Two different records of one patient, twice.
    assert patients["HR00017"] == patients["HR00026"]
    assert patients["HR00279"] == patients["HR00282"]
    # Identical signals: once of one patient, once of two.
    assert patients["HR00137"] == patients["HR00138"]
    assert patients["HR00145"] != patients["HR00463"]


def test_patients_are_those_of_ptb_xl(shared_data: Path) -> None:
    with (shared_data / "challenge-2020" / "ptbxl_database.csv").open() as file:
        table = {int(r["ecg_id"]): float(r["patient_id"]) for r in csv.DictReader(file)}
    for record_id, patient_id in read_patients().items():
        assert int(patient_id) == table[int(record_id.removeprefix("HR"))]


def test_records_are_the_challenges_bit_for_bit(
    shared_data: Path, headers: list[Header]
) -> None:
    training = shared_data / "challenge-2020" / "training"
    for header in headers:
        original = training / header.path.relative_to(sample_folder())
        signal = header.path.with_suffix(".mat").read_bytes()
        original_signal = original.with_suffix(".mat").read_bytes()
        if "Note" in header.comments:
            assert original_signal[24:].startswith(signal[24:])
            assert len(signal) < len(original_signal)
            kept = [line for line in header.text.splitlines() if "Note" not in line]
            assert kept[13:] == original.read_text().splitlines()[13:]
        else:
            assert signal == original_signal, header.record_id
            assert header.path.read_bytes() == original.read_bytes(), header.record_id


def test_the_readme_lists_every_record(headers: list[Header]) -> None:
    classes = class_set("hybrid7")
    listed = {}
    for line in (PACKAGE / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"[A-Z]+\d+", cells[0]):
            assert cells[0] not in listed
            listed[cells[0]] = cells[1:8]
    missing = "\N{EN DASH}"
    expected = {}
    for header in headers:
        labels = classes.labels([header.codes])[0]
        names = [n for n, there in zip(classes.names, labels, strict=True) if there]
        age = header.comments["Age"]
        expected[header.record_id] = [
            header.source,
            "1.0.2" if header.fields[1] == "16x1+24" else "1.0.1",
            f"{header.seconds:g}",
            f"{header.fs:g}",
            missing if age == "NaN" else age,
            header.comments["Sex"].lower(),
            ", ".join(names) or missing,
        ]
    assert listed == expected


def test_the_licence_names_every_source(headers: list[Header]) -> None:
    text = (PACKAGE / "LICENSE.md").read_text(encoding="utf-8")
    assert "https://creativecommons.org/licenses/by/4.0/" in text
    for source in {header.source for header in headers}:
        assert f"`{source}`" in text
    for header in headers:
        if "Note" in header.comments:
            assert header.record_id in text


def test_paths_of_the_sample_need_no_heavy_import() -> None:
    program = (
        "import sys, ecgstore.sample as s; s.sample_folder(); s.patients_file();"
        "print(sorted({'numpy', 'pandas', 'wfdb', 'scipy'} & sys.modules.keys()))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert out.stdout.strip() == "[]"
