"""The header of a record of a hospital: what is kept of it."""

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HospitalHeader:
    """A `RecordHeader` without diagnoses; it is shown without the patient's number.

    What devices say about the ECG is text for readers, and may hold names.
    """

    record_id: str
    fs: float
    age: float
    sex: str
    hospital_id: str = field(repr=False)
    dx: tuple[str, ...] = ()
    dx_unknown: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    def files(self, path: Path) -> list[str]:
        """Return the name of the record's only file."""
        return [path.name]


def record_id_of(path: str) -> str:
    """Return the name of a record, which is that of its file."""
    return os.path.splitext(os.path.basename(path))[0]
