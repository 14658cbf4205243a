"""Row law: row i of every dataset belongs to record i."""

import csv
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.signal

import ecgstore
from ecgstore.beats import BeatStatus, find_beats
from ecgstore.config import Config
from ecgstore.features import compute, defined_columns, defined_features
from ecgstore.sample import patients_file, sample_folder
from ecgstore.signals.preprocess import preprocess
from ecgstore.signals.quality import QUALITY_COLUMNS, measure
from ecgstore.sources import read_record
from ecgstore.splits import assign_folds, group_records
from ecgstore.storage.format import integrity, schema

WriteRecord = Callable[..., Path]
Build = Callable[..., Path]
LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
CONFIG = Config()


@dataclass(frozen=True)
class Source:
    """The content of a record's files, read independently of ecgstore."""

    name: str
    fs: float
    age: float
    sex: str
    dx: list[str]
    first_values: list[int]
    checksums: list[int]
    adc: Any


def read_source(path: Path) -> Source:
    """Read a Challenge header and its signal; all gains are 1000 here."""
    lines = path.read_text().splitlines()
    name, n_leads, fs, n_samples = lines[0].split()[:4]
    assert n_leads == "12"
    leads = [line.split() for line in lines[1:13]]
    assert [fields[8] for fields in leads] == LEADS
    gains = {fields[2].lower() for fields in leads}
    assert gains <= {"1000/mv", "1000(0)/mv", "1000.0/mv", "1000.0(0)/mv"}
    comments = dict(
        line.lstrip("# ").split(":", 1) for line in lines[13:] if ":" in line
    )
    age = float(comments["Age"])
    adc = np.frombuffer(path.with_suffix(".mat").read_bytes()[24:], "<i2")
    adc = adc[: 12 * int(n_samples)].reshape(-1, 12).T.astype(np.int64)
    return Source(
        name=name.removesuffix(".mat"),  # as some headers have it
        fs=float(fs),
        age=age if 0 <= age <= 150 else math.nan,
        sex={"m": "male", "f": "female"}.get(comments["Sex"].strip()[:1].lower(), ""),
        dx=[code.strip() for code in comments["Dx"].split(",")],
        first_values=[int(fields[5]) for fields in leads],
        checksums=[int(fields[6]) for fields in leads],
        adc=adc,
    )


def sum_of_16_bits(values: Any) -> int:
    """Return the checksum of WFDB: the sum as a number of 16 bits with a sign."""
    return (int(values.sum()) + 32768) % 65536 - 32768


def expected_row(path: Path, counts: Any, patients: dict[str, str]) -> dict[str, Any]:
    """Return the expected row of every dataset for a record.

    Signals, labels and quality come from the record's files; beats and features from
    the stored counts.
    """
    source, record = read_source(path), read_record(path)
    np.testing.assert_allclose(record.signal, source.adc / 1000, atol=1e-9)
    whole = preprocess(
        record.signal,
        source.fs,
        fs_out=500,
        duration_s=10,
        margin_s=3,
        low_hz=0.5,
        high_hz=40,
        order=3,
        max_gap_s=0.1,
    )
    signals = np.rint(whole.signal * 1000).astype(np.int16)
    n_real = min(5000, math.ceil(source.adc.shape[1] * 500 / source.fs))
    real = (counts * np.float32(0.001)).astype(np.float64)[:, :n_real]
    beats = find_beats(real, 500, max_beats=50)
    r_peaks, fiducials = np.full(50, -1), np.full((12, 50, 9), -1)
    r_peaks[: len(beats.r_peaks)] = beats.r_peaks
    fiducials[:, : len(beats.r_peaks)] = beats.fiducials
    with np.errstate(invalid="ignore"):
        features = compute(real, beats, 500, "neurokit").astype(np.float32)
    features = features[defined_columns(10, 500)]
    quality = measure(record.signal[:, : round(10 * source.fs)], source.fs)
    microvolts = source.adc.astype("<i4")
    return {
        "signals": signals,
        "labels": [
            any(code in class_.codes for code in source.dx)
            for class_ in CONFIG.classes.classes
        ],
        "features": features,
        "fiducials": fiducials,
        "r_peaks": r_peaks,
        **{
            f"quality/{column.name}": np.float32(getattr(quality, column.name))
            for column in QUALITY_COLUMNS
        },
        "quality/saturated_fraction": np.zeros(12),
        "quality/checksum_differs": [
            sum_of_16_bits(values) != checksum
            for values, checksum in zip(source.adc, source.checksums, strict=True)
        ],
        "quality/first_value_differs": source.adc[:, 0] != source.first_values,
        "quality/pad_length": 5000 - n_real,
        "quality/beats_status": int(beats.status),
        "records/record_id": source.name,
        "records/source": path.parent.parent.name,
        "records/path": path.relative_to(sample_folder().parent).as_posix(),
        "records/patient_id": patients.get(source.name, ""),
        "records/age": np.float32(source.age),
        "records/sex": source.sex or "unknown",
        "records/dx": ",".join(dict.fromkeys(source.dx)),
        "records/fs_original": source.fs,
        "records/n_samples_original": source.adc.shape[1],
        "records/sha256": hashlib.sha256(microvolts.T.tobytes()).hexdigest(),
        "records/start_s": 0.0,
        "records/derived_leads": "",
        "records/missing_leads": "",
        "checksums": integrity.row_checksum(counts.tobytes()),
        "block_checksums": np.array(
            [
                [integrity.row_checksum(part.tobytes()) for part in np.split(lead, 5)]
                for lead in counts
            ]
        ),
        "state": 1,
    }


def read_patients_csv() -> dict[str, str]:
    with patients_file().open(newline="") as lines:
        return {row["record_id"]: row["patient_id"] for row in csv.DictReader(lines)}


def test_every_dataset_of_every_row_belongs_to_its_record(sample_store: Path) -> None:
    specs = schema.row_specs(
        CONFIG,
        0,
        dict.fromkeys(schema.RECORD_TEXTS, 1),
        features=[
            (feature.name, feature.unit) for feature in defined_features(10, 500)
        ],
        beats_status={status.name: int(status) for status in BeatStatus},
    )
    patients = read_patients_csv()
    n_padded = n_with_patient = 0
    with h5py.File(sample_store) as file:
        columns = {
            path: file[path][...]
            for path in (spec.path for spec in specs)
            if path not in ("folds", "records/same_ecg", "signatures")
        }
        for row, stored_path in enumerate(columns["records/path"]):
            path = sample_folder().parent / stored_path.decode()
            expected = expected_row(path, columns["signals"][row], patients)
            assert expected.keys() == columns.keys()
            for name, value in expected.items():
                stored = columns[name][row]
                if isinstance(value, str):
                    assert stored.decode() == value, (name, path)
                else:
                    np.testing.assert_array_equal(
                        stored, value, err_msg=f"/{name} of {path.stem}"
                    )
            n_padded += expected["quality/pad_length"] > 0
            n_with_patient += expected["records/patient_id"] != ""
    assert n_padded > 0
    assert n_with_patient > 5


def test_folds_are_those_of_the_groups(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        source, patient, signal = (
            [value.decode() for value in file["records"][name][...]]
            for name in ("source", "patient_id", "sha256")
        )
        groups = group_records(source, patient, signal)
        expected = assign_folds(file["labels"][...], groups, strata=source)
        np.testing.assert_array_equal(file["folds"][...], expected)
        assert len(set(expected.tolist())) > 5


def test_every_selected_record_has_one_row(sample_store: Path) -> None:
    wanted = {
        path.stem
        for path in sample_folder().rglob("*.hea")
        if {*read_source(path).dx} & {*CONFIG.classes.codes}
    }
    with ecgstore.open(sample_store) as store:
        names = [*store.records.index, *store.quarantine["record_id"]]
    assert sorted(names) == sorted(wanted)


def test_differences_from_the_header_are_flagged_by_lead(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    header = write_record("A0002")
    write_record("A0001")
    lines = header.read_text().splitlines()
    for lead, field in ((3, 6), (11, 6), (7, 5), (11, 5)):
        fields = lines[1 + lead].split()
        fields[field] = str(int(fields[field]) + 1)
        lines[1 + lead] = " ".join(fields)
    header.write_text("\n".join([*lines, ""]))
    out = tmp_path / "out.h5"
    ecgstore.build_store(
        [header.parent], out, Config(beats="none"), n_workers=1, quiet=True
    )
    with h5py.File(out) as file:
        for name, leads in (
            ("checksum_differs", {3, 11}),
            ("first_value_differs", {7, 11}),
        ):
            flags = file["quality"][name][...]
            assert flags[0].tolist() == [0] * 12
            assert {*np.flatnonzero(flags[1]).tolist()} == leads


def test_saturation_and_missing_samples_are_counted_by_lead(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    noise = np.random.default_rng(1).integers(-9, 9, (12, 5000))
    noise[2, 100:140] = -32768  # missing
    noise[9, 2000:2100] = 30_000
    header = write_record("A0001", noise.astype(np.int16), gain="200/mV")
    out = tmp_path / "out.h5"
    ecgstore.build_store(
        [header.parent], out, Config(beats="none"), n_workers=1, quiet=True
    )
    with h5py.File(out) as file:
        missing = file["quality/missing_fraction"][0]
        saturated = file["quality/saturated_fraction"][0]
        counts = file["signals"][0]
        assert np.flatnonzero(missing).tolist() == [2]
        assert missing[2] == np.float32(40 / 5000)
        assert np.flatnonzero(saturated).tolist() == [9]
        # Everything that is stored at the limit exceeded it, up to rounding.
        assert saturated[9] == pytest.approx(
            (np.abs(counts[9].astype(int)) == 32767).mean(), abs=1 / 5000
        )


def reference(path: Path, config: Config) -> Any:
    """Return a record's stored counts by scipy alone; all gains here are 1000."""
    fs = float(path.read_text().split()[2])
    signal = scipy.io.loadmat(path.with_suffix(".mat"))["val"] / 1000
    signal = signal[:, : round((config.duration_s + config.margin_s) * fs)]
    if fs != config.fs:
        signal = scipy.signal.resample_poly(
            signal, round(config.fs), round(fs), axis=1, padtype="line"
        )
    sections = scipy.signal.butter(
        config.filter_order,
        (config.low_hz, config.high_hz),
        "bandpass",
        fs=config.fs,
        output="sos",
    )
    n_pad = min(round(config.fs / config.low_hz), signal.shape[1] - 1)
    signal = scipy.signal.sosfiltfilt(sections, signal, padtype="even", padlen=n_pad)
    padded = np.zeros((12, config.n_samples))
    n_real = min(config.n_samples, signal.shape[1])
    padded[:, :n_real] = signal[:, :n_real]
    return padded * 1000, n_real


def test_every_row_belongs_to_its_record(sample_store: Path) -> None:
    """Compute every row again with other libraries; read it through h5py alone."""
    config = Config()
    with h5py.File(sample_store) as file:
        n_records = len(file["signals"])
        assert n_records > 30
        for row in range(n_records):
            path = sample_folder().parent / file["records/path"][row].decode()
            expected, n_real = reference(path, config)
            counts = file["signals"][row].astype(float)
            resampled = file["records/fs_original"][row] != 500
            # Another resampling filter differs by some uV around steep QRS slopes.
            assert np.abs(counts - expected).max() <= (25 if resampled else 0.51)
            assert file["quality/pad_length"][row] == 5000 - n_real
            header = path.read_text()
            [dx] = [line.split(":")[1] for line in header.splitlines() if "Dx:" in line]
            codes = [code.strip() for code in dx.split(",")]
            assert file["records/dx"][row].decode().split(",") == codes
            assert file["records/record_id"][row].decode() == path.stem
            class_codes = file["label_codes"]
            assert file["labels"][row].tolist() == [
                int(bool(set(codes) & set(value.decode().split(","))))
                for value in class_codes
            ]


def test_features_can_be_computed_again_from_the_store(sample_store: Path) -> None:
    from ecgstore.beats import find_beats
    from ecgstore.features import compute

    with ecgstore.open(sample_store) as store:
        for record_id in [*store][::9]:
            record = store[record_id]
            signal = record.signal.astype(np.float64)
            beats = find_beats(signal, 500.0, max_beats=store.config.max_beats)
            np.testing.assert_array_equal(beats.r_peaks, record.r_peaks)
            np.testing.assert_array_equal(beats.fiducials, record.fiducials)
            values = compute(signal, beats, 500.0, "neurokit")
            columns = defined_columns(10.0, 500.0)
            np.testing.assert_array_equal(values[columns], [*record.features.values()])


def test_rows_are_sorted_by_source_and_name(sample_store: Path) -> None:
    with ecgstore.open(sample_store) as store:
        keys = [*zip(store.records["source"], store.records.index, strict=True)]
    assert keys == sorted(keys)


def test_no_patient_and_no_signal_is_in_two_folds(sample_store: Path) -> None:
    with ecgstore.open(sample_store) as store:
        records = store.records
        known = records[records["patient_id"] != ""]
        assert known["patient_id"].duplicated().any()
        assert (known.groupby("patient_id")["fold"].nunique() == 1).all()
        assert records["sha256"].duplicated().any()
        assert (records.groupby("sha256")["fold"].nunique() == 1).all()
        assert (records[records["source"] == "ptb"]["fold"].nunique()) == 1


def test_folders_of_the_same_name_keep_their_parents(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    first = write_record("A0001", folder="a/records").parent
    second = write_record("A0002", folder="b/records").parent
    out = tmp_path / "out.h5"
    ecgstore.build_store(
        [second, first], out, Config(beats="none"), n_workers=1, quiet=True
    )
    with ecgstore.open(out) as store:
        assert store.records["path"].tolist() == [
            "a/records/A0001.hea",
            "b/records/A0002.hea",
        ]


def test_float32_stores_millivolts(
    few_records: Path, tmp_path: Path, build: Build
) -> None:
    counts = build(few_records, tmp_path / "int16.h5")
    out = build(few_records, tmp_path / "f.h5", Config(beats="none", dtype="float32"))
    with ecgstore.open(out) as store, ecgstore.open(counts) as expected:
        rows = range(len(store))
        voltages, scaled = store.signals([*rows]), expected.signals([*rows])
        assert np.abs(voltages - scaled).max() <= 0.000501
        with pytest.raises(ValueError, match="no int16 counts"):
            store.signals([0], dtype="int16")


def test_saturation_is_flagged(
    tmp_path: Path, write_record: WriteRecord, build: Build
) -> None:
    pulse = np.random.default_rng(3).integers(-9, 9, (12, 5000))
    pulse[3, 1000:1100] += 20_000
    folder = write_record("A0001", pulse, gain="400/mV").parent
    out = build(folder, tmp_path / "out.h5")
    with ecgstore.open(out) as store:
        saturated = store.quality.filter(like="saturated_fraction").to_numpy()[0]
    assert saturated[3] > 0
    assert saturated.sum() == saturated[3]
