"""EDF, EDF+ and BDF files, read by edfio."""

import math
import os
from contextlib import suppress
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
    from edfio import Bdf, Edf

_MOST_BYTES: Final = 1 << 28
"""Size of the largest files, which are in memory as a whole: a day of twelve leads."""

_N_RECORDS: Final = slice(236, 244)
"""Where the header says how many records of data there are; -1 is unknown."""

_WITH_GAPS: Final = ("EDF+D", "BDF+D")


def parse_edf(path: str) -> HospitalRecord:
    """Return the record in an EDF or BDF file."""
    check_size(path, _MOST_BYTES)
    what = "an EDF or BDF file"
    return guarded(path, Reason.UNREADABLE_HEADER, what, lambda: _parse(path))


def _parse(path: str) -> HospitalRecord:
    """Return the record in a file; may raise anything."""
    from edfio import read_bdf, read_edf

    data, size = read_start(path, _MOST_BYTES, Reason.UNREADABLE_HEADER)
    is_bdf = os.path.splitext(path)[1].lower() == ".bdf"
    file: Edf | Bdf = (
        read_bdf(data, header_encoding="latin-1")
        if is_bdf
        else read_edf(data, header_encoding="latin-1")
    )
    if file.reserved.startswith(_WITH_GAPS):
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{printable(path)}: has gaps (EDF+D); expected a continuous record",
        )
    declared = int(data[_N_RECORDS])
    if declared > file.num_data_records:
        raise RecordError(
            Reason.TRUNCATED_SIGNAL_FILE,
            f"{printable(path)}: has {size} bytes, less than its header says",
        )
    born = recorded = None
    sex: object = ""
    number: object = ""
    with suppress(Exception):  # dates and people are often left out, in any form
        recorded = file.startdate
    with suppress(Exception):
        number, sex = file.patient.code, file.patient.sex
    with suppress(Exception):
        born = file.patient.birthdate
    return HospitalRecord(
        age_at(_date(recorded), _date(born)),
        sex_of(sex),
        hospital_id_of(number),
        [_channel(signal) for signal in file.signals],
    )


def _channel(signal: Any) -> HospitalChannel:
    """Return a channel; one without a scale has the unit ``"?"``."""
    unit = str(signal.physical_dimension).strip()
    gap = signal.physical_max - signal.physical_min
    if not (math.isfinite(gap) and gap and signal.digital_max > signal.digital_min):
        unit = "?"
    return HospitalChannel(
        str(signal.label),
        unit,
        float(signal.sampling_frequency),
        np.asarray(signal.data, np.float64) / per_mv(unit),
    )


def _date(value: object) -> date | None:
    """Return a date; None if there is none."""
    return value if isinstance(value, date) else None
