"""The record formats: one entry of a table for each.

To add a format, write a module with its two functions (`RecordFormat`) and add a line
to `FORMATS`; finding, scanning, building and predicting follow from it. A package of
one's own names it in the entry points of the group ``ecgstore.sources`` instead, with
the suffix of its files as the name::

    [project.entry-points."ecgstore.sources"]
    ".ecgx" = "my_package.ecgx:FORMAT"
"""

import functools
import importlib.metadata
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ecgstore.errors import EcgStoreError, RecordError
from ecgstore.reasons import Reason
from ecgstore.sources import described_arrays, hdf5_set
from ecgstore.sources.files import printable
from ecgstore.sources.hospital.dicom import is_dicom_ecg, parse_dicom
from ecgstore.sources.hospital.edf import parse_edf
from ecgstore.sources.hospital.record import HospitalFormat
from ecgstore.sources.hospital.toolkit import (
    is_ishne,
    is_xml_ecg,
    parse_ishne,
    parse_scp,
    parse_xml,
)
from ecgstore.sources.lead_choice import ChooseLeads
from ecgstore.sources.record_signal import RecordSignal
from ecgstore.sources.source import RecordHeader, Source
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

ENTRY_POINTS: Final = "ecgstore.sources"
"""The group of entry points by which other packages add formats."""


def _itself(path: str) -> Iterable[str]:
    """Return the path of a file that holds one record."""
    return (path,)


@dataclass(frozen=True, slots=True)
class RecordFormat:
    """A `Source` made of functions.

    Attributes
    ----------
    signal_suffixes : tuple of str
        Suffixes of signal files that users may name instead of the header beside them.
    read_header, open_record, parts, discover : callable
        As the methods of `Source`. By default, a file holds one record without parts.
    """

    signal_suffixes: tuple[str, ...]
    read_header: Callable[[str], RecordHeader]
    open_record: Callable[[str, ChooseLeads], tuple[RecordHeader, RecordSignal]]
    parts: Callable[[str], frozenset[str]] = lambda _: frozenset()
    discover: Callable[[str], Iterable[str]] = _itself


FORMATS: Final[Mapping[str, Source]] = {
    ".hea": RecordFormat(
        (".mat", ".dat"), read_wfdb_header, open_wfdb_record, named_parts
    ),
    ".scp": HospitalFormat(parse_scp),
    ".xml": HospitalFormat(parse_xml, is_xml_ecg),
    ".ecg": HospitalFormat(parse_ishne, is_ishne),
    ".dcm": HospitalFormat(parse_dicom, is_dicom_ecg),
    ".edf": HospitalFormat(parse_edf),
    ".bdf": HospitalFormat(parse_edf),
    ".hdf5": RecordFormat(
        (), hdf5_set.read_header, hdf5_set.open_record, discover=hdf5_set.discover
    ),
    ".toml": RecordFormat(
        (),
        described_arrays.read_header,
        described_arrays.open_record,
        discover=described_arrays.discover,
    ),
    SPOOLED: RecordFormat((), read_spooled_header, open_spooled_record),
}
"""Every format of ecgstore by the suffix of its headers, in lower case."""


def known_formats() -> Mapping[str, Source]:
    """Return every format by the suffix of its headers, those of other packages too.

    Raises
    ------
    EcgStoreError
        If a package's format cannot be loaded, or has a suffix of ecgstore's own.
    """
    return {**FORMATS, **_of_other_packages()}


@functools.cache
def _of_other_packages() -> Mapping[str, Source]:
    """Return the formats that installed packages add."""
    formats: dict[str, Source] = {}
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        suffix = entry.name.lower()
        where = f"the format {entry.name!r} of {entry.value}"
        if not suffix.startswith(".") or suffix in FORMATS or suffix in formats:
            raise EcgStoreError(
                f"{where} has a name that is no suffix of its own; expected a dot and "
                f"a suffix that no other format has, in the group {ENTRY_POINTS!r}"
            )
        try:
            formats[suffix] = entry.load()
        except Exception as error:
            raise EcgStoreError(
                f"{where} cannot be loaded ({type(error).__name__}); mend or uninstall "
                "the package"
            ) from error
    return formats


def header_files() -> str:
    """Return the suffixes of headers, for messages; none that only builds write.

    Examples
    --------
    >>> header_files()[:18]
    '.hea, .scp, .xml, '
    """
    *suffixes, last = (suffix for suffix in known_formats() if suffix != SPOOLED)
    return f"{', '.join(suffixes)} or {last}"


def file_of(path: str) -> str:
    """Return the path of the file that holds a record; see `Source`.

    Examples
    --------
    >>> file_of("a/A0001.hea")
    'a/A0001.hea'
    >>> file_of("code15/exams_part0.hdf5/438277")
    'code15/exams_part0.hdf5'
    """
    return _file_and_format(path)[0]


def format_of(path: str) -> Source:
    """Return the format of a record, by its path.

    Raises
    ------
    RecordError
        With `Reason.UNREADABLE_HEADER`, if no format has headers of that suffix.
    """
    format_ = _file_and_format(path)[1]
    if format_ is None:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(path)}: no header of a record; expected a {header_files()} "
            "file",
        )
    return format_


def _file_and_format(path: str) -> tuple[str, Source | None]:
    """Return the file of a record and its format; None if no format has its suffix."""
    formats = known_formats()
    found = [
        (file, format_)
        for file in (path, os.path.dirname(path))
        if (format_ := formats.get(os.path.splitext(file)[1].lower())) is not None
    ]
    # A name of a row may end as a file does, and a folder too.
    if len(found) > 1 and os.path.isfile(found[1][0]):
        return found[1]
    return found[0] if found else (path, None)
