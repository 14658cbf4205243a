"""Parse the header of a WFDB record, a ``.hea`` file.

Only the syntax is checked here. The format is WFDB's: header(5) in the WFDB
Applications Guide. The PhysioNet Challenges add the patient's data in comments, in two
dialects::

    A0001 12 500 7500 12-May-2020 12:33:59       A0001 12 500 7500
    A0001.mat 16+24 1000/mV 16 0 28 -1716 0 I    A0001.mat 16x1+24 1000.0(0)/mV 16 ...
    #Age: 74                                     # Age: 74
"""

import codecs
import math
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from ecgstore.errors import RecordError, short_repr
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable, read_start, with_its_suffix
from ecgstore.sources.wfdb.comments import read_comments, read_notes

MAX_HEADER_BYTES: Final = 1 << 20
"""Size of the largest header; real ones have about 1,000 bytes."""

_MAX_BASELINE: Final = 1 << 31
_MOST_LEADS: Final = 1000  # maps of the body surface have 256
_MOST_DIGITS: Final = 18

_RECORD_NAME: Final = re.compile(r"[\w+-][\w.+-]{0,254}")
_FILE_ENDING: Final = re.compile(r"\.(mat|dat|hea)$", re.IGNORECASE)
_STORAGE: Final = re.compile(
    r"(\d{1,4})(?:x([1-9]\d{0,8}))?(?::(\d{1,18}))?(?:\+(\d{1,18}))?", re.ASCII
)
_SCALE: Final = re.compile(r"([^(/]+)(?:\(([+-]?\d{1,18})\))?(?:/(.*))?", re.ASCII)

# Values of absent fields in a lead's line; only the first two are mandatory.
_ABSENT: Final = ("", "", "0/mV", "", "0", "", "", "", "")


class LeadHeader(NamedTuple):
    """The line of a header about one lead.

    A tuple, because twelve of them are created for every record, and a frozen dataclass
    takes four times as long.

    Attributes
    ----------
    file_name : str
        Name of the signal file.
    format : int
        WFDB's number of the storage format, for example 16 or 212.
    samples_per_frame : int
        Samples of this lead in each frame of the record; nearly always 1.
    skew : int
        Number of frames of this lead in the file before the record's first one.
    byte_offset : int
        Bytes in the signal file before the first sample.
    adc_gain : float
        Counts per `unit`; 0 where the header gives none, which means that the lead is
        not calibrated.
    baseline : int
        Count at 0 V; the ADC's zero where the header gives none.
    unit : str
        Unit of the voltage as written; ``"mV"`` where the header gives none.
    initial_value, checksum : int or None
        The lead's first count, and the sum of all its counts modulo 65536; None where
        the header does not give them.
    name : str
        Name of the lead as written, for example ``"aVR"`` or ``"avr"``.
    """

    file_name: str
    format: int
    samples_per_frame: int
    skew: int
    byte_offset: int
    adc_gain: float
    baseline: int
    unit: str
    initial_value: int | None
    checksum: int | None
    name: str


class Segment(NamedTuple):
    """One segment of a multi-segment record.

    Attributes
    ----------
    name : str
        Name of the record that holds the segment; ``"~"`` for a gap.
    n_samples : int
        Length in frames; 0 for a first segment that only names the leads.
    """

    name: str
    n_samples: int


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a WFDB record; only its syntax has been checked.

    Attributes
    ----------
    record_id : str
        Name of the record, without a suffix such as ``.mat``.
    frame_rate : float
        Frames per second in Hz as written; NaN where the header gives none. This is the
        sampling rate of leads with one sample in a frame.
    n_samples : int
        Length in frames, which is in samples per lead if these have one in each; 0
        where the header leaves it open.
    leads : tuple of LeadHeader
        The leads in the header's order; empty if the record has segments.
    age : float
        Age in years; NaN where unknown. Impossible ages are unknown, such as -1 and
        PTB-XL's 300, which means above 89.
    sex : str
        ``"male"``, ``"female"`` or ``"unknown"``.
    dx : tuple of str
        SNOMED CT codes in the header's order, each once.
    segments : tuple of Segment
        The segments of a multi-segment record; empty for an ordinary one.
    samples_per_frame : int
        Samples of the record in a frame: those of the standard lead that has most. The
        lines of the leads or segments say how many.
    dx_unknown : tuple of str
        Parts of the diagnoses that are not understood, shortened.
    notes : tuple of (str, str)
        Key and value of the other comments; see `read_notes`.
    """

    record_id: str
    frame_rate: float
    n_samples: int
    leads: tuple[LeadHeader, ...]
    age: float
    sex: str
    dx: tuple[str, ...]
    segments: tuple[Segment, ...] = ()
    samples_per_frame: int = 1
    dx_unknown: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def fs(self) -> float:
        """Sampling rate of the record in Hz; NaN where the header gives none."""
        return self.frame_rate * self.samples_per_frame

    @property
    def hospital_id(self) -> str:
        """Empty: headers have no number of a patient."""
        return ""

    def files(self, path: Path) -> list[str]:
        """Return the names of all files that the record is read from.

        Parameters
        ----------
        path : Path
            The record's ``.hea`` file.

        Returns
        -------
        list of str
            Names in the folder of `path`, each once, the header first. They need not
            exist.
        """
        names = [path.name, *(lead.file_name for lead in self.leads)]
        for segment_name in dict.fromkeys(part.name for part in self.segments):
            of_segment = segment_path(str(path), segment_name)
            names.append(os.path.basename(of_segment))
            try:
                names += [lead.file_name for lead in read_header(of_segment).leads]
            except RecordError:
                continue  # reading the record raises it again
        return list(dict.fromkeys(names))


def segment_path(path: str, name: str) -> str:
    """Return the path of a segment's header, by that of its record's header."""
    return with_its_suffix(os.path.join(os.path.dirname(path), f"{name}.hea"))


class _SyntaxError(Exception):
    """A line of a header has a wrong syntax."""

    def __init__(self, number: int, text: str, expected: str) -> None:
        super().__init__(f"line {number}: {text[:80]!r}; expected {expected}")


def read_header(path: str | Path) -> Header:
    """Read the header of a WFDB record.

    Reads both dialects of the PhysioNet Challenges and every ordinary or multi-segment
    WFDB header, with any line ends, blanks and encoding. `read_record` checks whether
    the values make sense.

    Parameters
    ----------
    path : str or Path
        The ``.hea`` file.

    Returns
    -------
    Header
        The parsed header.

    Raises
    ------
    RecordError
        With `Reason.UNREADABLE_HEADER`, naming the file, the line and the expected
        syntax. Nothing else is raised, whatever the file holds.
    """
    name = os.fspath(path)
    data, size = read_start(name, MAX_HEADER_BYTES, Reason.UNREADABLE_HEADER)
    if size > MAX_HEADER_BYTES:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(name)}: has {size} bytes; expected a header of about 1,000",
        )
    try:
        return _parse(_decode(data))
    except _SyntaxError as error:
        raise RecordError(
            Reason.UNREADABLE_HEADER, f"{printable(name)}, {error}"
        ) from error


def _decode(data: bytes) -> str:
    """Return the text of a header; Latin-1, which reads any bytes, if not UTF-8."""
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


@lru_cache(maxsize=4)
def _parse(text: str) -> Header:
    """Parse the text of a header.

    Results are cached: a scan reads a header to select its record, and again with its
    signal.
    """
    lines = []  # (number, text) of every line that is not a comment
    comments = []
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line[:1] == "#":
            comments.append(line)
        elif line:
            lines.append((number, line))
    if not lines:
        raise _SyntaxError(1, "", "a record line like 'A0001 12 500 5000'")
    record_id, n_segments, n_leads, fs, n_samples = _record_line(*lines[0])
    n_expected = n_leads if n_segments is None else n_segments
    # More lines than announced are ignored, as header(5) says.
    details = lines[1 : n_expected + 1]
    if len(details) < n_expected:
        part = "lead" if n_segments is None else "segment"
        raise _SyntaxError(
            *lines[0],
            f"{n_expected} more lines, one for each {part}; found {len(details)}",
        )
    leads: list[LeadHeader] = []
    segments: list[Segment] = []
    if n_segments is None:
        leads = [_lead_line(*line) for line in details]
    else:
        segments = [_segment_line(*line) for line in details]
    age, sex, dx, dx_unknown = read_comments(comments)
    return Header(
        record_id,
        fs,
        n_samples,
        tuple(leads),
        age,
        sex,
        dx,
        tuple(segments),
        dx_unknown=dx_unknown,
        notes=read_notes(comments),
    )


def _record_line(number: int, text: str) -> tuple[str, int | None, int, float, int]:
    """Return record_id, n_segments or None, n_leads, fs and n_samples."""
    fields = text.split()  # a base time and date may follow
    name, slash, n_segments = fields[0].partition("/")
    if slash and not _is_count(n_segments):
        raise _SyntaxError(
            number,
            text,
            "a record name without a folder, because a record's files are beside its "
            f"header: write {short_repr(fields[0].rpartition('/')[2])} here, and the "
            "names of the signal files alike (a slash is for a number of segments)",
        )
    record_id = _FILE_ENDING.sub("", name)
    if not record_id or not _RECORD_NAME.fullmatch(name):
        raise _SyntaxError(
            number, text, "a record name of letters, digits and any of _-+."
        )
    if len(fields) < 2:
        raise _SyntaxError(number, text, "the number of leads after the record name")
    try:
        fs = _real(fields[2].partition("/")[0]) if len(fields) > 2 else math.nan
        n_leads = _count(fields[1])
        n_samples = _count(fields[3]) if len(fields) > 3 else 0
    except ValueError:
        raise _SyntaxError(
            number,
            text,
            "numbers of leads, of Hz and of samples after the record name",
        ) from None
    if n_leads > _MOST_LEADS and not slash:
        raise _SyntaxError(number, text, f"at most {_MOST_LEADS} leads")
    return record_id, int(n_segments) if slash else None, n_leads, fs, n_samples


def _lead_line(number: int, text: str) -> LeadHeader:
    """Parse a line about a lead."""
    fields = text.split(None, 8)  # the name, which comes last, may hold blanks
    if len(fields) < len(_ABSENT):
        fields.extend(_ABSENT[len(fields) :])
    try:
        return LeadHeader(
            fields[0],
            *_coding(fields[1], fields[2], fields[4]),
            _integer(fields[5]) if fields[5] else None,
            _integer(fields[6]) if fields[6] else None,
            fields[8],
        )
    except ValueError:
        raise _SyntaxError(
            number,
            text,
            "a lead, like 'A0001.mat 16+24 1000(0)/mV 16 0 28 -1716 0 II' (file, "
            "format, gain, bits, zero, first value, checksum, block size, name)",
        ) from None


@lru_cache(maxsize=64)
def _coding(
    storage: str, scale: str, adc_zero: str
) -> tuple[int, int, int, int, float, int, str]:
    """Parse the fields `LeadHeader.format` to `LeadHeader.unit`; raise ValueError.

    Results are cached: they are the same for the leads of a record, and for nearly all
    records of a source.
    """
    match = _STORAGE.fullmatch(storage)
    if match is None:
        raise ValueError(storage)
    format_, samples_per_frame, skew, byte_offset = match.groups()
    match = _SCALE.fullmatch(scale)
    if match is None:
        raise ValueError(scale)
    gain, baseline, unit = match.groups()
    counts_at_zero = _integer(adc_zero if baseline is None else baseline)
    if abs(counts_at_zero) > _MAX_BASELINE:
        raise ValueError(counts_at_zero)
    return (
        int(format_),
        int(samples_per_frame or 1),
        int(skew or 0),
        int(byte_offset or 0),
        _real(gain),
        counts_at_zero,
        unit or "mV",
    )


def _segment_line(number: int, text: str) -> Segment:
    """Parse a line about a segment."""
    try:
        name, length = text.split()[:2]
        if name == "~" or _RECORD_NAME.fullmatch(name):
            return Segment(name, _count(length))
    except ValueError:
        pass
    raise _SyntaxError(number, text, "a segment's record name and number of samples")


def _count(field: str) -> int:
    """Parse a non-negative integer; raise ValueError if the text is something else.

    Long numbers are refused too: nothing has so many samples, and parsing takes time.
    """
    if not _is_count(field):
        raise ValueError(field)
    return int(field)


def _is_count(field: str) -> bool:
    """Return whether a text is a non-negative integer of at most 18 digits."""
    return len(field) <= _MOST_DIGITS and field.isdecimal() and field.isascii()


def _integer(field: str) -> int:
    """Parse an integer of at most 18 digits; raise ValueError otherwise."""
    if len(field) > _MOST_DIGITS + 1 or "_" in field or not field.isascii():
        raise ValueError(field)
    return int(field)


def _real(field: str) -> float:
    """Parse a number as C does; raise ValueError otherwise, as for 1_0."""
    if "_" in field or not field.isascii():
        raise ValueError(field)
    return float(field)
