"""The record formats: one entry of a table for each.

To add a format, write a module with its two functions (`RecordFormat`) and add a line
to `FORMATS`; finding, scanning, building and predicting follow from it.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable
from ecgstore.sources.lead_choice import ChooseLeads
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.spooled import (
    SUFFIX as SPOOLED,
    open_record as open_spooled_record,
    read_header as read_spooled_header,
)
from ecgstore.sources.wfdb.parts import named_parts
from ecgstore.sources.wfdb.record import (
    open_record as open_wfdb_record,
    read_header as read_wfdb_header,
)


class RecordHeader(Protocol):
    """The header of a record in any format; `Record` explains the fields."""

    @property
    def record_id(self) -> str:
        """Name of the record."""

    @property
    def fs(self) -> float:
        """Sampling rate in Hz; NaN where the header gives none."""

    @property
    def age(self) -> float:
        """Age in years; NaN where unknown."""

    @property
    def sex(self) -> str:
        """``"male"``, ``"female"`` or ``"unknown"``."""

    @property
    def dx(self) -> tuple[str, ...]:
        """SNOMED CT codes in the header's order, each once."""

    @property
    def dx_unknown(self) -> tuple[str, ...]:
        """Diagnoses that are not understood, as `ecgstore.diagnoses.read_dx` does."""

    @property
    def notes(self) -> tuple[tuple[str, str], ...]:
        """Key and value of all else that the header says, such as a label."""

    def files(self, path: Path) -> list[str]:
        """Return the names of the record's files in the folder of its header `path`.

        The header comes first. The others need not exist.
        """


@dataclass(frozen=True, slots=True)
class RecordFormat:
    """The functions that read the records of one format.

    Attributes
    ----------
    signal_suffixes : tuple of str
        Suffixes of signal files that users may name instead of the header beside them.
    read_header : callable
        Returns the header in the file of a path. Raises `RecordError` and nothing
        else, whatever the file holds.
    open_record : callable
        Returns the header in the file of a path, and the record's signal, none of which
        is read yet, with the leads that the second argument chooses of its channels.
        Raises `RecordError` and nothing else.
    parts : callable
        Returns the names, without suffix, of the records in the folder of a header's
        path that are no records but parts of another, as far as this header tells:
        segments, or itself. Raises nothing.
    """

    signal_suffixes: tuple[str, ...]
    read_header: Callable[[str], RecordHeader]
    open_record: Callable[[str, ChooseLeads], tuple[RecordHeader, RecordSignal]]
    parts: Callable[[str], frozenset[str]] = lambda _: frozenset()


FORMATS: Final[Mapping[str, RecordFormat]] = {
    ".hea": RecordFormat(
        (".mat", ".dat"), read_wfdb_header, open_wfdb_record, named_parts
    ),
    SPOOLED: RecordFormat((), read_spooled_header, open_spooled_record),
}
"""Every format by the suffix of its headers, in lower case."""

HEADER_FILES: Final = " or ".join(suffix for suffix in FORMATS if suffix != SPOOLED)
"""The suffixes of headers, for messages; without files that only builds write."""


def format_of(path: str) -> RecordFormat:
    """Return the format of a record, by the path of its header.

    Raises
    ------
    RecordError
        With `Reason.UNREADABLE_HEADER`, if no format has headers of that suffix.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in FORMATS:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(path)}: no header of a record; expected a {HEADER_FILES} file",
        )
    return FORMATS[suffix]
