"""One header found on disk, and what its scan found: an entry of the journal."""

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from ecgstore import ptb_xl
from ecgstore.sources import KNOWN_SOURCES


class Status(StrEnum):
    """Whether a record found on disk is stored.

    A copy is another file of an ECG that is stored. What is unreadable is no record but
    a folder, or a link that leads nowhere.
    """

    SELECTED = "selected"
    NOT_SELECTED = "not_selected"
    QUARANTINED = "quarantined"
    COPY = "copy"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One header (or unreadable folder) found on disk, and the result of scanning it.

    Attributes
    ----------
    path : str
        Path of the header below the folder that all sources share, with ``/``.
    files : str
        Names of the record's files in the folder of `path`, as a JSON array.
    stamp : str
        Sizes and times of these files, to detect changes; empty if the record must be
        scanned again in any case.
    n_bytes : int
        Their size in bytes.
    status : Status
        Whether the record is stored.
    source, record_id : str
        Database and name of the record; an unreadable record has its file's name. Of
        records that share a name but no database, the name is the path.
    dx : str
        Codes of the header, separated by commas; tables may say more.
    denied : str
        Codes that the header says the record has not, separated by commas.
    dx_unknown : str
        Diagnoses that were not understood, one per line.
    patient_id : str
        The patient by the header, never a number of a hospital unless the user keeps
        these; tables come first.
    content : str
        `content_checksum` of the record, which shows changes that the stamp does not.
    checksum_differs, first_value_differs : int
        One bit per lead; lead I is the lowest.
    derived_leads, missing_leads : str
        Leads that were derived from others, and leads that the record lacks, separated
        by commas.
    signature : bytes
        `ecgstore.signals.signature.signature` of the record; empty if it has none.
    windows : str
        The windows that the record is divided into, as `ecgstore.builder.rows` writes
        them; empty if it is not divided.
    n_rows, n_left_out : int
        Number of its windows that are stored, and that are in quarantine.
    reason, detail : str
        Why the record is in quarantine, or the problem of a folder; else empty.
    """

    path: str
    status: str
    source: str
    record_id: str
    files: str = "[]"
    stamp: str = ""
    n_bytes: int = 0
    dx: str = ""
    denied: str = ""
    dx_unknown: str = ""
    patient_id: str = ""
    age: float | None = None
    sex: str = "unknown"
    fs: float = 0.0
    n_samples: int = 0
    sha256: str = ""
    content: str = ""
    checksum_differs: int = 0
    first_value_differs: int = 0
    derived_leads: str = ""
    missing_leads: str = ""
    signature: bytes = b""
    windows: str = ""
    n_rows: int = 1
    n_left_out: int = 0
    reason: str = ""
    detail: str = ""


class Found(NamedTuple):
    """What folds and groups depend on of an `Entry`, whose attributes these are."""

    path: str
    source: str
    record_id: str
    files: str
    dx: str
    denied: str
    patient_id: str
    age: float | None
    sex: str
    sha256: str
    n_rows: int


def ecg_key(source: str, record_id: str, sha256: str, path: str) -> str:
    """Return a text that is equal for all records of one ECG in a data set.

    The names of a known source identify its ECGs, and an ECG of PTB-XL has three. Of
    other sources, which may be several data sets or a folder for each patient, records
    of one name are the same ECG only if their signals are, and one ECG in files of two
    formats is two records: neither is the better one, and they share a fold.

    Parameters
    ----------
    source, record_id, sha256, path : str
        As in `Entry`; without a hash, every record is an ECG of its own.
    """
    if source == ptb_xl.SOURCE and (number := ptb_xl.ecg_number(record_id)) is not None:
        return f"{source}\n{number}"
    if source in KNOWN_SOURCES:
        return f"{source}\n{record_id}"
    suffix = os.path.splitext(path)[1].lower()
    return f"{source}\n{record_id}\n{sha256 or path}\n{suffix}"
