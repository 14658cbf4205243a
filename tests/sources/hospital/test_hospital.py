"""ECGs of devices and hospitals: the same ECG in every format, and damaged ones."""

import builtins
import logging
import random
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

import ecgstore
from ecgstore.builder import survey
from ecgstore.cli import cli
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS
from ecgstore.sources import find_headers, open_record, read_header, read_record
from ecgstore.sources.hospital import philips_claims, toolkit
from ecgstore.sources.library_guard import guarded
from tests.sources.hospital.foreign import (
    AGE,
    FS,
    NAME,
    NUMBER,
    edf,
    ishne,
    made_files,
    muse,
    real_files,
    signal,
)

OPTIONS = Config(beats="none", select="all")
FORMATS = ("Example.scp", "Example.dcm", "Example.aecg.xml", "philips.xml",
           "made.ecg", "made.xml", "made.edf", "made.bdf")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every file, real and made."""
    folder = tmp_path_factory.mktemp("foreign")
    real_files(folder)
    made_files(folder)
    return folder


def test_one_ecg_is_the_same_in_three_formats(folder: Path) -> None:
    records = [
        read_record(folder / name)
        for name in ("Example.scp", "Example.dcm", "Example.aecg.xml")
    ]
    assert np.ptp(records[0].signal) > 1
    for record in records:
        np.testing.assert_allclose(record.signal, records[0].signal, atol=1e-9)
        assert (record.fs, record.age, record.sex) == (500.0, 49.0, "male")


def test_other_real_files_are_read(folder: Path) -> None:
    philips = read_record(folder / "philips.xml")
    assert philips.signal.shape == (12, 5500)
    dicom = read_record(folder / "waveform_ecg.dcm")
    assert (dicom.signal.shape, dicom.fs, dicom.age) == ((12, 10000), 1000.0, 42.0)
    for record in (philips, dicom):  # Einthoven's law shows order and scale
        lead_i, lead_ii, lead_iii = record.signal[:3, :5000]  # then, a pulse of 1 mV
        assert np.abs(lead_ii - lead_i - lead_iii).max() < 0.02
        assert 0.5 < np.ptp(lead_ii) < 5


@pytest.mark.parametrize("name", ["made.ecg", "made.xml", "made.edf", "made.bdf"])
def test_a_made_ecg_is_read_as_it_was_written(folder: Path, name: str) -> None:
    record = read_record(folder / name)
    expected = signal()
    if record.derived_leads:
        lead_i, lead_ii = expected[:2]
        expected[2:6] = (
            lead_ii - lead_i,
            -(lead_i + lead_ii) / 2,
            lead_i - lead_ii / 2,
            lead_ii - lead_i / 2,
        )
    np.testing.assert_allclose(record.signal, expected, atol=1e-9)
    assert (record.fs, record.age, record.sex) == (FS, AGE, "female")


@pytest.mark.parametrize("name", FORMATS)
def test_a_piece_is_that_part_of_the_whole(folder: Path, name: str) -> None:
    _, opened = open_record(folder / name)
    whole = opened.read(0, opened.n_samples)
    assert np.array_equal(opened.read(17, 90), whole[:, 17:90], equal_nan=True)


def test_lost_contact_in_ishne_and_padding_in_dicom_are_missing(
    folder: Path, tmp_path: Path
) -> None:
    content = bytearray(ishne())
    content[-2:] = (-32768).to_bytes(2, "little", signed=True)
    (tmp_path / "a.ecg").write_bytes(content)
    missing = np.isnan(read_record(tmp_path / "a.ecg").signal)
    assert missing[11, -1]
    assert missing.sum() == 1
    dataset = pydicom.dcmread(folder / "waveform_ecg.dcm")
    group = dataset.WaveformSequence[0]
    group.add_new("WaveformPaddingValue", "OW", b"\x00\x80")
    group.WaveformData = b"\x00\x80" + group.WaveformData[2:]
    dataset.save_as(tmp_path / "a.dcm")
    missing = np.isnan(read_record(tmp_path / "a.dcm").signal)
    assert missing[0, 0]
    assert missing.sum() == 1


def test_a_checksum_that_differs_is_flagged(folder: Path, tmp_path: Path) -> None:
    assert not read_record(folder / "Example.scp").checksum_differs.any()
    content = bytearray((folder / "Example.scp").read_bytes())
    content[-1] ^= 1
    (tmp_path / "a.scp").write_bytes(content)
    assert read_record(tmp_path / "a.scp").checksum_differs.all()


def test_a_build_stores_all_and_no_name(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, key = tmp_path / "out.h5", tmp_path / "settings" / "key"
    with caplog.at_level(logging.INFO):
        report = ecgstore.build_store(
            folder, out, OPTIONS, patient_key=key, n_workers=1, quiet=True
        )
    assert report.reasons == {}
    assert report.n_selected == 9
    assert len(report.same_ecg) == 2  # in several formats, but in one fold
    assert key.stat().st_mode & 0o777 == 0o600
    written = out.read_bytes().lower()
    numbers = {read_header(path).hospital_id for path in find_headers(folder)} - {""}
    assert NUMBER in numbers
    assert len(numbers) == 3  # and philips.xml, whose number is all zeros
    for text in (NAME, "Erika", "1950", *numbers):
        assert text.lower().encode() not in written
        assert text.lower() not in caplog.text.lower()
    with ecgstore.open(out) as store:
        patients = store.records["patient_id"]
        assert sorted({len(patient) for patient in patients}) == [0, 32]
        assert patients.nunique() == 4
        before = set(patients) - {""}
    ecgstore.build_store(
        folder, tmp_path / "two.h5", OPTIONS, patient_key=key, n_workers=1, quiet=True
    )
    assert (tmp_path / "two.h5").read_bytes() == out.read_bytes()
    other = tmp_path / "three.h5"
    ecgstore.build_store(
        folder, other, OPTIONS, patient_key=tmp_path / "k", n_workers=1, quiet=True
    )
    with ecgstore.open(other) as store:
        after = set(store.records["patient_id"]) - {""}
    assert len(after) == len(before)
    assert not before & after


def test_numbers_are_kept_where_the_user_says_so(folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    ecgstore.build_store(
        folder / "made.edf", tmp_path / "out.h5", OPTIONS, patient_key=key,
        keep_patient_ids=True, n_workers=1, quiet=True,
    )  # fmt: skip
    assert not key.exists()
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert [*store.records["patient_id"]] == [NUMBER]


def test_other_labels_leave_the_patients_as_they_are(
    folder: Path, tmp_path: Path
) -> None:
    out, table = tmp_path / "out.h5", tmp_path / "labels.csv"
    ecgstore.build_store(
        folder / "made.edf", out, OPTIONS, patient_key=tmp_path / "key",
        n_workers=1, quiet=True,
    )  # fmt: skip
    with ecgstore.open(out) as store:
        [patient] = store.records["patient_id"]
    table.write_text("record_id,dx\nmade,AF\n")
    ecgstore.label_store(out, table)
    with ecgstore.open(out) as store:
        assert store["made"].labels["AF"]
        assert [*store.records["patient_id"]] == [patient]
    table.write_text("record_id,dx,patient_id\nmade,AF,p1\n")
    ecgstore.label_store(out, table)
    with ecgstore.open(out) as store:
        assert [*store.records["patient_id"]] == ["p1"]


def test_a_dry_run_writes_no_key(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    report = survey(folder, OPTIONS, n_workers=1, quiet=True)
    assert report.n_selected == 9
    assert [*tmp_path.iterdir()] == []
    ecgstore.build_store(
        folder / "made.edf", tmp_path / "out.h5", OPTIONS, n_workers=1, quiet=True
    )
    assert (tmp_path / "settings" / "ecgstore" / "patient.key").exists()


def test_a_key_that_is_none_ends_the_build(folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("short")
    with pytest.raises(EcgStoreError, match="is no key of patient_ids"):
        ecgstore.build_store(
            folder / "made.edf", tmp_path / "out.h5", OPTIONS, patient_key=key,
            n_workers=1, quiet=True,
        )  # fmt: skip


def test_only_files_with_an_ecg_are_records(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.xml").write_text("<settings/>")
    (tmp_path / "other.ecg").write_bytes(b"something else")
    dataset = pydicom.dcmread(folder / "waveform_ecg.dcm")
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.save_as(tmp_path / "image.dcm")
    assert [*find_headers(tmp_path)] == []
    with pytest.raises(EcgStoreError, match=r"settings\.xml: holds no ECG"):
        find_headers(tmp_path / "settings.xml")
    (tmp_path / "damaged.dcm").write_bytes(b"no DICOM")
    assert [*find_headers(tmp_path)] == [tmp_path / "damaged.dcm"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_library_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    real_import = builtins.__import__

    def no_import(module: str, *args: Any) -> Any:
        if module.partition(".")[0] in ("ecgdatakit", "pydicom", "edfio"):
            raise ImportError(module)
        return real_import(module, *args)

    path = tmp_path / name
    path.write_bytes((folder / name).read_bytes())
    monkeypatch.setattr(builtins, "__import__", no_import)
    assert [*find_headers(tmp_path)] == [path]
    with pytest.raises(RecordError, match=r"pip install 'ecgstore\[formats\]'") as info:
        read_header(path)
    assert info.value.reason is Reason.MISSING_LIBRARY


def _with_entities() -> bytes:
    """Return the head of an XML file whose entities expand to 10^9 characters."""
    entities = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ten letter"}">'
        for n in range(9)
    )
    text = muse().decode("latin-1").replace('SYSTEM "restecg.dtd"', f"[{entities}]")
    return text.replace("<MuseInfo/>", "<MuseInfo>&e8;</MuseInfo>").encode("latin-1")


def _outside(tmp_path: Path) -> bytes:
    """Return an XML file that names another file as an entity."""
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret")
    text = (
        muse()
        .decode("latin-1")
        .replace('SYSTEM "restecg.dtd"', f'[<!ENTITY e SYSTEM "{secret.as_uri()}">]')
    )
    return text.replace(f"<PatientID>{NUMBER}", "<PatientID>&e;").encode("latin-1")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize("kind", ["bomb", "outside"])
def test_entities_of_xml_are_refused(tmp_path: Path, encoding: str, kind: str) -> None:
    content = _with_entities() if kind == "bomb" else _outside(tmp_path)
    text = content.decode("latin-1").replace("ISO-8859-1", encoding)
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    with pytest.raises(RecordError, match="damaged; expected an ECG in the XML"):
        read_header(tmp_path / "a.xml")


def test_files_above_a_size_are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FORMATS:
        path = tmp_path / name
        with open(path, "wb") as file:
            file.write((folder / name).read_bytes()[:4096])
            file.truncate(1 << 29)
        with pytest.raises(RecordError, match="expected at most") as caught:
            read_header(path)
        assert caught.value.reason is Reason.TOO_LARGE
    monkeypatch.setattr(philips_claims, "MOST_EXPANDED", 1000)
    toolkit_copy = tmp_path / "b.xml"
    toolkit_copy.write_bytes((folder / "philips.xml").read_bytes())
    with pytest.raises(RecordError, match="when expanded") as caught:
        toolkit.parse_xml(str(toolkit_copy))
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (r"<numberchannels(\w+)>[^<]*", r"<numberchannels\1>999999999999"),
        ("<parsedwaveforms ", '<parsedwaveforms numberofleads="1e15" '),
    ],
)
def test_leads_without_number_are_refused(
    folder: Path, tmp_path: Path, before: str, after: str
) -> None:
    text = (folder / "philips.xml").read_text(encoding="latin-1")
    changed, n_changes = re.subn(before, after, text)
    assert n_changes
    (tmp_path / "a.xml").write_text(changed, encoding="latin-1")
    with pytest.raises(RecordError, match="claims more than 1000 leads"):
        read_header(tmp_path / "a.xml")


def test_infinite_samples_are_refused(folder: Path, tmp_path: Path) -> None:
    text = (folder / "Example.aecg.xml").read_text(encoding="latin-1")
    changed = text.replace("<digits> -2 ", "<digits> 1e999 ", 1)
    assert changed != text
    (tmp_path / "a.xml").write_text(changed, encoding="latin-1")
    with pytest.raises(RecordError, match="lead I has an infinite sample") as caught:
        read_record(tmp_path / "a.xml")
    assert caught.value.reason is Reason.NOT_FINITE


def _lead_of_scp(content: bytes | bytearray, lead: int) -> int:
    """Return where section 3 of an SCP file says which samples a lead has."""
    place = 6 + 16 + 3 * 10  # the pointer to section 3, in section 0
    assert int.from_bytes(content[place : place + 2], "little") == 3
    section = int.from_bytes(content[place + 6 : place + 10], "little") - 1
    return section + 16 + 2 + 9 * lead


def test_samples_without_number_and_shifted_leads_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    content = bytearray((folder / "Example.scp").read_bytes())
    place = _lead_of_scp(content, 1)
    path = tmp_path / "a.scp"
    path.write_bytes(content[: place + 4] + b"\xff" * 4 + content[place + 8 :])
    with pytest.raises(RecordError, match="damaged; expected an SCP-ECG file"):
        read_header(path)
    shifted = bytearray(content)
    for at in (place, place + 4):
        shifted[at : at + 4] = (
            int.from_bytes(content[at : at + 4], "little") + 9
        ).to_bytes(4, "little")
    path.write_bytes(shifted)
    with pytest.raises(RecordError, match="begin at different times"):
        read_header(path)


def test_a_lack_of_memory_is_the_machine_s_unless_no_file_needs_so_much() -> None:
    def ask(n_bytes: int) -> Any:
        error = MemoryError()
        vars(error).update(shape=(n_bytes,), dtype=np.dtype("i1"))  # as NumPy's has
        raise error

    with pytest.raises(RecordError, match="damaged"):
        guarded("a.scp", Reason.UNREADABLE_HEADER, "a file", lambda: ask(1 << 35))
    with pytest.raises(MemoryError):
        guarded("a.scp", Reason.UNREADABLE_HEADER, "a file", lambda: ask(1 << 20))


def test_a_deflated_dicom_file_is_refused(folder: Path, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(folder / "waveform_ecg.dcm")
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "a.dcm", little_endian=True, implicit_vr=False)
    with pytest.raises(RecordError, match="not compressed"):
        read_header(tmp_path / "a.dcm")


def test_edf_with_gaps_or_too_few_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    edf().write(path)
    content = path.read_bytes()
    path.write_bytes(content[:192] + b"EDF+D" + content[197:])
    with pytest.raises(RecordError, match="has gaps"):
        read_header(path)
    path.write_bytes(content[:-100])
    with pytest.raises(RecordError, match="less than its header says") as caught:
        read_header(path)
    assert caught.value.reason is Reason.TRUNCATED_SIGNAL_FILE


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_raise_record_errors_in_our_words(
    folder: Path, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = (folder / name).read_bytes()
    path = tmp_path / name
    for seed in range(25):
        rng = random.Random(seed)
        data = bytearray(content)
        if seed % 3 == 0:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.randint(0 if seed % 3 == 0 else 1, 20)):
            if data:  # mostly in the head, where the structure is
                end = len(data) if seed % 2 else min(len(data), 2000)
                data[rng.randrange(end)] = rng.randrange(256)
        path.write_bytes(data)
        error = _error_of(path)
        if error is not None:
            assert error.reason is not Reason.UNEXPECTED_ERROR
            assert error.__cause__ is None
            assert error.__context__ is None
            assert NAME not in str(error)
    assert caplog.text == ""


def _error_of(path: Path) -> RecordError | None:
    """Read a record, without a warning; return its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            assert read_record(path).signal.shape[0] == len(LEADS)
        except RecordError as error:
            return error
    return None


@pytest.mark.parametrize(
    ("label", "unit"),
    [
        (f"V6 {NAME}", "uV"),
        (f"-V6 {NAME}", "uV"),
        (NAME, "uV"),
        (NAME, "mmHg"),
        ("ECG V6", NAME[:8]),
    ],
)
def test_a_name_in_the_label_of_a_lead_is_not_shown(
    tmp_path: Path, label: str, unit: str
) -> None:
    folder = tmp_path / "edf"
    folder.mkdir()
    file = edf()
    last = file.signals[-1]
    last.label = label
    last.physical_dimension = unit
    file.write(folder / "a.edf")
    record = folder / "a.edf"
    out = tmp_path / "out.h5"
    with pytest.raises(EcgStoreError) as caught:
        ecgstore.build_store(folder, out, OPTIONS, n_workers=1, quiet=True)
    errors = [str(caught.value)]
    for leads in ("V7", "I,I", "I"):
        done = CliRunner().invoke(cli, ["beats", str(record), "--leads", leads])
        errors.append(done.stderr)
    assert all("edf" in error for error in errors[:3])
    assert not any(NAME[:8] in error for error in errors)
