"""Files in the formats of devices and hospitals for the tests, real and made."""

import base64
import gzip
import struct
from datetime import date
from pathlib import Path

import numpy as np
from edfio import Bdf, BdfSignal, Edf, EdfSignal, Patient, Recording
from pydicom.data import get_testdata_file

from ecgstore.arrays import FloatArray
from ecgstore.record import LEADS

DATA = Path(__file__).parents[2] / "data" / "foreign"

FS = 250
N_SAMPLES = 500
NUMBER = "4711-0815"
NAME = "Mustermann"
BORN = date(1950, 3, 1)
RECORDED = date(2010, 2, 28)
AGE = 59.0


def real_files(folder: Path) -> list[Path]:
    """Write the real files into a folder, and return their paths."""
    for name in ("Example.scp", "Example.dcm", "philips.xml"):
        (folder / name).write_bytes((DATA / name).read_bytes())
    content = gzip.decompress((DATA / "Example.aecg.xml.gz").read_bytes())
    (folder / "Example.aecg.xml").write_bytes(content)
    bundled = get_testdata_file("waveform_ecg.dcm", download=False)
    (folder / "waveform_ecg.dcm").write_bytes(Path(str(bundled)).read_bytes())
    return sorted(folder.iterdir())


def signal() -> FloatArray:
    """Return a signal of shape (12, N_SAMPLES) in mV, in steps of 5 uV."""
    steps = np.random.default_rng(3).integers(-300, 300, (len(LEADS), N_SAMPLES))
    return np.asarray(steps, np.float64) * 0.005


def made_files(folder: Path) -> list[Path]:
    """Write `signal` in formats of which there is no real file here."""
    (folder / "made.ecg").write_bytes(ishne())
    (folder / "made.xml").write_bytes(muse())
    edf().write(folder / "made.edf")
    bdf().write(folder / "made.bdf")
    return sorted(folder.glob("made.*"))


def edf() -> Edf:
    """Return an EDF+ file."""
    signals = [
        EdfSignal(
            lead * 1000, FS, label=f"ECG {name}", physical_dimension="uV",
            physical_range=(-5 * 32768, 5 * 32767),
        )
        for name, lead in zip(LEADS, signal(), strict=True)
    ]  # fmt: skip
    return Edf(signals, patient=_patient(), recording=Recording(startdate=RECORDED))


def bdf() -> Bdf:
    """Return a BDF+ file."""
    signals = [
        BdfSignal(
            lead * 1000, FS, label=name, physical_dimension="uV",
            physical_range=(-8388608, 8388607),
        )
        for name, lead in zip(LEADS, signal(), strict=True)
    ]  # fmt: skip
    return Bdf(signals, patient=_patient(), recording=Recording(startdate=RECORDED))


def _patient() -> Patient:
    return Patient(code=NUMBER, sex="F", birthdate=BORN, name=NAME)


def ishne() -> bytes:
    """Return an ISHNE file (Badilini 1998, Ann Noninvasive Electrocardiol 3:263)."""
    header = bytearray(522)
    header[:8] = b"ISHNE1.0"
    struct.pack_into("<iiiih", header, 10, 0, N_SAMPLES, 522, 522, 1)
    struct.pack_into("40s40s20s", header, 28, b"Erika", NAME.encode(), NUMBER.encode())
    struct.pack_into("<hh", header, 128, 2, 0)
    for place, day in ((132, BORN), (138, RECORDED)):
        struct.pack_into("<hhh", header, place, day.day, day.month, day.year)
    struct.pack_into("<h", header, 156, len(LEADS))
    struct.pack_into("<12h", header, 158, *range(5, 17))
    struct.pack_into("<12h", header, 206, *[5000] * 12)
    struct.pack_into("<h", header, 272, FS)
    return bytes(header) + np.rint(signal().T / 0.005).astype("<i2").tobytes()


def muse() -> bytes:
    """Return an ECG in the XML of GE MUSE: eight leads, as the devices write."""
    leads = "".join(
        f"<LeadData><LeadID>{name}</LeadID><LeadSampleCountTotal>{N_SAMPLES}"
        "</LeadSampleCountTotal><LeadAmplitudeUnitsPerBit>5"
        "</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>MICROVOLTS"
        f"</LeadAmplitudeUnits><WaveFormData>{_base64(lead)}</WaveFormData></LeadData>"
        for name, lead in zip(LEADS, signal(), strict=True)
        if name[-1] in "I123456" and name != "III"
    )
    text = (
        '<?xml version="1.0" encoding="ISO-8859-1"?>'
        '<!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG><MuseInfo/>'
        f"<PatientDemographics><PatientID>{NUMBER}</PatientID><PatientAge>58"
        "</PatientAge><AgeUnits>YEARS</AgeUnits><DateofBirth>03-01-1950</DateofBirth>"
        f"<Gender>FEMALE</Gender><PatientLastName>{NAME}</PatientLastName>"
        "</PatientDemographics><TestDemographics><AcquisitionDate>02-28-2010"
        "</AcquisitionDate><AcquisitionTime>10:00:00</AcquisitionTime>"
        "</TestDemographics><Waveform><WaveformType>Rhythm</WaveformType>"
        f"<SampleBase>{FS}</SampleBase><SampleExponent>0</SampleExponent>{leads}"
        "</Waveform></RestingECG>"
    )
    return text.encode("latin-1")


def _base64(lead: FloatArray) -> str:
    return base64.b64encode(np.rint(lead / 0.005).astype("<i2").tobytes()).decode()
