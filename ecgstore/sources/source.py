"""What a record format provides: the protocols of its records and of their headers."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from ecgstore.sources.lead_choice import ChooseLeads
from ecgstore.sources.record_signal import RecordSignal


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
    def hospital_id(self) -> str:
        """Number of the patient in a hospital, never stored as it is; often empty."""

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


class Source(Protocol):
    """A record format: finds the records in a file, reads their headers and samples.

    The path of a record is that of a file with the format's suffix, or, in a file of
    many records, this path, ``/`` and a name without one. `RecordFormat` makes a
    source of two functions.
    """

    @property
    def signal_suffixes(self) -> tuple[str, ...]:
        """Suffixes of signal files that users may name instead of the header."""

    def discover(self, path: str, /) -> Iterable[str]:
        """Return the paths of the records in the file of a path.

        None, if it holds no ECG. The path itself, if that cannot be told: reading the
        record says why. Raises nothing.
        """

    def read_header(self, path: str, /) -> RecordHeader:
        """Return the header of the record of a path.

        Raises `RecordError` and nothing else, whatever the file holds.
        """

    def open_record(
        self, path: str, choose: ChooseLeads, /
    ) -> tuple[RecordHeader, RecordSignal]:
        """Return the header of a record and its signal, which is read by range.

        The signal has the leads that `choose` makes of the record's channels. Raises
        `RecordError` and nothing else.
        """

    def parts(self, path: str, /) -> frozenset[str]:
        """Return the names, without suffix, of what are parts of a record.

        They are in the folder of the header of a path and no records of their own, as
        far as this header tells: segments, or itself. Raises nothing.
        """
