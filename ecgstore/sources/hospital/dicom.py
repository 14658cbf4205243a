"""ECGs in DICOM files, read by pydicom."""

import io
import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable, read_start
from ecgstore.sources.hospital.person import age_at, hospital_id_of, sex_of
from ecgstore.sources.hospital.record import HospitalChannel, HospitalRecord
from ecgstore.sources.lead_choice import per_mv
from ecgstore.sources.library_guard import check_size, guarded

if TYPE_CHECKING:
    from pydicom import Dataset

_MOST_BYTES: Final = 1 << 28
"""Size of the largest files, which are in memory as a whole: a day of twelve leads."""

_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
"""The only transfer syntax whose waveforms are compressed, to any extent."""

_WAVEFORMS: Final = "1.2.840.10008.5.1.4.1.1.9."
"""Beginning of the classes of waveforms, of which ECGs are some."""

_TAGS: Final = (
    "PatientID",
    "PatientBirthDate",
    "PatientAge",
    "PatientSex",
    "AcquisitionDateTime",
    "AcquisitionDate",
    "ContentDate",
    "StudyDate",
    "WaveformSequence",
)
"""What is read; names are not."""

_DATES: Final = ("AcquisitionDateTime", "AcquisitionDate", "ContentDate", "StudyDate")

_LEADS: Final = {
    1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6",
    61: "III", 62: "aVR", 63: "aVL", 64: "aVF",
}  # fmt: skip
"""Leads by their number in SCP-ECG and in MDC's codes, 2:1 or 5.6.3-9-1."""

_CODE: Final = re.compile(r"(?:2:|5\.6\.3-9-)(\d{1,3})")

_AGE_UNITS: Final = {"Y": 1.0, "M": 12.0, "W": 52.1775, "D": 365.2425}


def is_dicom_ecg(path: str) -> bool:
    """Return whether a DICOM file holds a waveform; True if that cannot be told."""

    def call() -> bool:
        from pydicom import dcmread

        with open(path, "rb") as file:
            head = dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID"])
        return str(head.get("SOPClassUID", _WAVEFORMS)).startswith(_WAVEFORMS)

    try:
        check_size(path, _MOST_BYTES)
        if _is_deflated(path):
            return True
        return guarded(path, Reason.UNREADABLE_HEADER, "a DICOM file", call)
    except RecordError:
        return True


def parse_dicom(path: str) -> HospitalRecord:
    """Return the ECG in a DICOM file: the first waveform that is no median beat."""
    check_size(path, _MOST_BYTES)
    if _is_deflated(path):
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(path)}: a deflated file may have any size; expected a DICOM "
            "file that is not compressed",
        )
    what = "an ECG in DICOM"
    return guarded(path, Reason.UNREADABLE_HEADER, what, lambda: _parse(path))


def _is_deflated(path: str) -> bool:
    """Return whether the data of a DICOM file are compressed."""

    def call() -> bool:
        from pydicom.filereader import read_file_meta_info

        meta = read_file_meta_info(path)
        return str(meta.get("TransferSyntaxUID", "")) == _DEFLATED

    return guarded(path, Reason.UNREADABLE_HEADER, "a DICOM file", call)


def _parse(path: str) -> HospitalRecord:
    """Return the ECG in a DICOM file; may raise anything."""
    from pydicom import dcmread

    data = read_start(path, _MOST_BYTES, Reason.UNREADABLE_HEADER)[0]
    dataset = dcmread(io.BytesIO(data), specific_tags=list(_TAGS))
    groups = list(dataset.get("WaveformSequence") or [])
    if not groups:
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{printable(path)}: has no waveform; expected an ECG",
        )
    rhythms = [
        number
        for number, group in enumerate(groups)
        if group.get("WaveformOriginality", "ORIGINAL") == "ORIGINAL"
    ]
    number = (rhythms or [0])[0]
    recorded = next(filter(None, (_date(dataset.get(name)) for name in _DATES)), None)
    return HospitalRecord(
        age_at(
            recorded,
            _date(dataset.get("PatientBirthDate")),
            _stated_age(str(dataset.get("PatientAge") or "")),
        ),
        sex_of(dataset.get("PatientSex")),
        hospital_id_of(dataset.get("PatientID")),
        _channels(dataset, number),
    )


def _channels(dataset: "Dataset", number: int) -> list[HospitalChannel]:
    """Return the channels of a waveform."""
    group = dataset.WaveformSequence[number]
    definitions = list(group.ChannelDefinitionSequence)
    fs = float(group.SamplingFrequency)
    values = dataset.waveform_array(number)
    values[_is_padding(dataset, number)] = np.nan
    channels = []
    for definition, samples in zip(definitions, values.T, strict=True):
        units = definition.get("ChannelSensitivityUnitsSequence")
        unit = str(units[0].CodeValue) if units else "?"
        samples = np.ascontiguousarray(samples) / per_mv(unit)
        channels.append(HospitalChannel(_lead(definition), unit, fs, samples))
    return channels


def _is_padding(dataset: "Dataset", number: int) -> Any:
    """Return which samples are missing, of shape (n_samples, n_channels).

    A padding value of 0 is not believed: some writers give it with ECGs that cross 0.
    """
    from pydicom.waveforms.numpy_handler import multiplex_array

    raw = multiplex_array(dataset, number, as_raw=True)
    written = dataset.WaveformSequence[number].get("WaveformPaddingValue")
    if not isinstance(written, bytes) or not written.strip(b"\0"):
        return np.zeros(raw.shape, bool)
    return raw == np.frombuffer(written[: raw.itemsize], raw.dtype)[0]


def _lead(definition: "Dataset") -> str:
    """Return the name of a channel's lead, by its code or else by its name."""
    source = definition.ChannelSourceSequence[0]
    match = _CODE.fullmatch(str(source.get("CodeValue", "")))
    known = _LEADS.get(int(match[1])) if match else None
    return known or str(source.get("CodeMeaning", ""))


def _date(value: object) -> date | None:
    """Return the date in a text of DICOM, such as 20021122091000."""
    text = str(value or "")[:8]
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def _stated_age(text: str) -> float | None:
    """Return the age in years in a text of DICOM, such as 042Y."""
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and unit in _AGE_UNITS):
        return None
    return float(int(number) / _AGE_UNITS[unit])
