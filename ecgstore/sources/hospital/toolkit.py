"""SCP-ECG, ISHNE, and the XML of GE MUSE, Philips and HL7, read by ecgdatakit."""

import math
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable, read_start
from ecgstore.sources.hospital.person import age_at, hospital_id_of, sex_of
from ecgstore.sources.hospital.philips_claims import check_claims
from ecgstore.sources.hospital.record import HospitalChannel, HospitalRecord
from ecgstore.sources.library_guard import check_size, guarded

if TYPE_CHECKING:
    from ecgdatakit.models import ECGRecord, Lead

_PHILIPS: Final = "Philips Sierra XML"

_N_HEAD: Final = 4096
"""Bytes at the beginning of a file by which its format is known."""

_XML_ROOT: Final = re.compile(
    rb"<(?:[\w.-]+:)?(?:AnnotatedECG|RestingECG|restingecgdata|MuseInfo)\b", re.I
)
_ISHNE: Final = b"ISHNE1.0"
_ISHNE_FAULT: Final = -32768
"""The count that means that a lead was off."""

_MOST_BYTES: Final = {"scp": 1 << 22, "xml": 1 << 26, "ishne": 1 << 28}
"""Size of the largest files, which are in memory as a whole: an hour, or a day."""


def is_xml_ecg(path: str) -> bool:
    """Return whether an XML file begins as one of an ECG; True if unreadable."""
    head = _head(path)  # without zeros, UTF-16 is ASCII
    return head is None or _XML_ROOT.search(head.replace(b"\0", b"")) is not None


def is_ishne(path: str) -> bool:
    """Return whether a file begins as an ISHNE file of an ECG; True if unreadable."""
    head = _head(path)
    return head is None or head.startswith(_ISHNE)


def parse_scp(path: str) -> HospitalRecord:
    """Return the record in an SCP-ECG file."""
    check_size(path, _MOST_BYTES["scp"])
    return _parse(path, "an SCP-ECG file", ("SCP-ECG",))


def parse_ishne(path: str) -> HospitalRecord:
    """Return the record in an ISHNE file."""
    check_size(path, _MOST_BYTES["ishne"])
    return _parse(path, "an ISHNE file", ("ISHNE Holter",))


def parse_xml(path: str) -> HospitalRecord:
    """Return the record in an XML file of GE MUSE, Philips or HL7."""
    check_size(path, _MOST_BYTES["xml"])
    return _parse(
        path,
        "an ECG in the XML of GE MUSE, Philips or HL7",
        ("GE MUSE XML", _PHILIPS, "HL7 aECG"),
    )


def _head(path: str) -> bytes | None:
    """Return the beginning of a file; None if it cannot be read."""
    try:
        return read_start(path, _N_HEAD, Reason.UNREADABLE_HEADER)[0]
    except RecordError:
        return None


def _parse(path: str, what: str, names: tuple[str, ...]) -> HospitalRecord:
    """Return the record in a file of one of some formats."""

    def call() -> HospitalRecord:
        from ecgdatakit.parsing import FileParser

        found = FileParser.detect_format(path)
        if found is None or found["name"] not in names:
            raise RecordError(
                Reason.UNREADABLE_HEADER, f"{printable(path)}: is not {what}"
            )
        if found["name"] == _PHILIPS:
            check_claims(path, _MOST_BYTES["xml"])
        parsed = FileParser.parse(Path(path), units="mV")
        if len({lead.annotations.get("start_sample") for lead in parsed.leads}) > 1:
            raise RecordError(
                Reason.WRONG_SIGNAL_SIZE,
                f"{printable(path)}: its leads begin at different times; expected all "
                "at the same times",
            )
        return _record(parsed)

    return guarded(path, Reason.UNREADABLE_HEADER, what, call)


def _record(parsed: "ECGRecord") -> HospitalRecord:
    """Return what is kept of a record of ecgdatakit."""
    patient = parsed.patient
    return HospitalRecord(
        age_at(_date(parsed.recording.date), _date(patient.birth_date), patient.age),
        sex_of(patient.sex),
        hospital_id_of(patient.patient_id),
        [
            HospitalChannel(
                str(lead.label),
                "?" if lead.is_raw else str(lead.units),
                float(lead.sampling_rate or math.nan),
                _samples(lead, is_ishne=parsed.source_format == "ishne_holter"),
            )
            for lead in parsed.leads
        ],
        checksum_differs=parsed.raw_metadata.get("checksum_valid") is False,
    )


def _samples(lead: "Lead", *, is_ishne: bool) -> FloatArray:
    """Return the samples of a lead, with NaN where the lead was off."""
    samples = np.array(lead.samples, np.float64).reshape(-1)
    if is_ishne:
        fault = _ISHNE_FAULT * lead.adc_resolution / 1e6  # counts of so many nV
        samples[np.isclose(samples, fault, rtol=1e-9, atol=0.0)] = np.nan
    return samples


def _date(value: Any) -> date | None:
    """Return the date of a time; None if there is none."""
    return value if isinstance(value, date) else None
