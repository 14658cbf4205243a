"""Parsing of headers: both dialects of the Challenges, and WFDB's whole syntax."""

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS
from ecgstore.sources.wfdb.header import Header, LeadHeader, Segment, read_header

FIRST_DIALECT = (
    "A0001 12 500 7500 12-May-2020 12:33:59\n"
    + "".join(
        f"A0001.mat 16+24 1000/mV 16 0 {k} {-100 * k} 0 {lead}\n"
        for k, lead in enumerate(LEADS)
    )
    + "#Age: 74\n#Sex: Male\n#Dx: 59118001,426783006\n#Rx: Unknown\n#Hx: Unknown\n"
)
SECOND_DIALECT = (
    "A0001.mat 12 500 7500\n"
    + "".join(
        f"A0001.mat 16x1+24 1000.0(0)/mV 16 0 {k} {-100 * k} 0 {lead}\n"
        for k, lead in enumerate(LEADS)
    )
    + "# Age: 74\n# Sex: Male\n# Dx: 59118001,426783006\n# Rx: Unknown\n"
)


class HeaderOf:
    """Write text or bytes as a header, and read it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, content: str | bytes) -> Header:
        data = content if isinstance(content, bytes) else content.encode()
        self.path.write_bytes(data)
        return read_header(self.path)

    def lead(self, line: str) -> LeadHeader:
        return self(f"r 1 500 10\n{line}\n").leads[0]


@pytest.fixture
def header_of(tmp_path: Path) -> HeaderOf:
    """Return a function that writes a header and reads it."""
    return HeaderOf(tmp_path / "record.hea")


def _refused(header_of: HeaderOf, content: str | bytes) -> str:
    """Return the message for a header that is refused."""
    with pytest.raises(RecordError) as caught:
        header_of(content)
    assert caught.value.reason is Reason.UNREADABLE_HEADER
    assert str(header_of.path) in caught.value.detail
    return caught.value.detail


def test_a_challenge_header_is_parsed(header_of: HeaderOf) -> None:
    header = header_of(FIRST_DIALECT)
    assert header == Header(
        record_id="A0001",
        frame_rate=500.0,
        n_samples=7500,
        leads=tuple(
            LeadHeader(
                file_name="A0001.mat",
                format=16,
                samples_per_frame=1,
                skew=0,
                byte_offset=24,
                adc_gain=1000.0,
                baseline=0,
                unit="mV",
                initial_value=k,
                checksum=-100 * k,
                name=lead,
            )
            for k, lead in enumerate(LEADS)
        ),
        age=74.0,
        sex="male",
        dx=("59118001", "426783006"),
        notes=(("Rx", "Unknown"), ("Hx", "Unknown")),
    )


def test_both_dialects_give_the_same_header(header_of: HeaderOf) -> None:
    first, second = header_of(FIRST_DIALECT), header_of(SECOND_DIALECT)
    assert first.notes[:1] == second.notes == (("Rx", "Unknown"),)
    assert replace(first, notes=second.notes) == second


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace("\n", "  \t\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace(" ", "  "),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: "# made by a program\n" + text,
        lambda text: text.replace("#Age", "# \u00e4rztlich gepr\u00fcft\n#Age"),
        lambda text: text.replace("#Age", "####Age").replace("#Sex", "#  SEX"),
        lambda text: text + "A0001.mat 16+24 1000/mV 16 0 0 0 0 extra\n",
    ],
    ids=[
        "windows line ends",
        "old mac line ends",
        "trailing blanks",
        "empty lines",
        "tabs",
        "double blanks",
        "byte order mark",
        "no last line end",
        "comment first",
        "umlauts",
        "case of keys",
        "more lines than leads",
    ],
)
def test_line_ends_blanks_and_comments_are_ignored(
    header_of: HeaderOf, change: Callable[[str], str]
) -> None:
    assert header_of(change(FIRST_DIALECT)) == header_of(FIRST_DIALECT)


def test_bytes_that_are_not_utf8_are_read(header_of: HeaderOf) -> None:
    text = FIRST_DIALECT.replace("#Age", "# gepr\u00fcft\n#Age").replace(
        "mV", "\u00b5V"
    )
    header = header_of(text.encode("latin-1"))
    assert header == header_of(text)
    assert {lead.unit for lead in header.leads} == {"\u00b5V"}


@pytest.mark.parametrize(
    ("name", "record_id"),
    [
        ("A0001", "A0001"),
        ("A0001.mat", "A0001"),
        ("A0001.MAT", "A0001"),
        ("00001_hr", "00001_hr"),
        ("s0010_re.dat", "s0010_re"),
        ("ward-3.v2", "ward-3.v2"),
        ("\u60a3\u80051", "\u60a3\u80051"),
    ],
)
def test_the_record_id_is_parsed(
    header_of: HeaderOf, name: str, record_id: str
) -> None:
    assert header_of(f"{name} 0 500 10\n").record_id == record_id


@pytest.mark.parametrize(
    ("line", "fs", "n_samples"),
    [
        ("r 0 500 5000", 500.0, 5000),
        ("r 0 257.5 5000", 257.5, 5000),
        ("r 0 3.6e2 5000", 360.0, 5000),
        ("r 0 500/500(0) 5000", 500.0, 5000),
        ("r 0 500/100.5(-7) 5000 12:00:00 01/02/2003", 500.0, 5000),
        ("r 0 500", 500.0, 0),
        ("r 0 500 0", 500.0, 0),
        ("r 0 0 5", 0.0, 5),
        ("r 0 -500 5", -500.0, 5),
        ("r 0 inf 5", math.inf, 5),
    ],
)
def test_the_record_line_is_parsed(
    header_of: HeaderOf, line: str, fs: float, n_samples: int
) -> None:
    header = header_of(line)
    assert (header.fs, header.n_samples) == (fs, n_samples)


@pytest.mark.parametrize("line", ["r 0", "r 0 nan 5000"])
def test_no_sampling_rate_is_not_a_sampling_rate(
    header_of: HeaderOf, line: str
) -> None:
    assert math.isnan(header_of(line).fs)  # WFDB would assume 250 Hz


@pytest.mark.parametrize(
    ("field", "format_", "samples_per_frame", "skew", "byte_offset"),
    [
        ("16", 16, 1, 0, 0),
        ("16+24", 16, 1, 0, 24),
        ("16x1+24", 16, 1, 0, 24),
        ("212", 212, 1, 0, 0),
        ("80x4:12+512", 80, 4, 12, 512),
        ("212:3", 212, 1, 3, 0),
    ],
)
def test_the_format_field_is_parsed(
    header_of: HeaderOf,
    field: str,
    format_: int,
    samples_per_frame: int,
    skew: int,
    byte_offset: int,
) -> None:
    lead = header_of.lead(f"f.dat {field} 200 12 0 0 0 0 I")
    assert lead[1:5] == (format_, samples_per_frame, skew, byte_offset)


@pytest.mark.parametrize(
    ("fields", "adc_gain", "baseline", "unit"),
    [
        ("200 12 1024", 200.0, 1024, "mV"),
        ("200/mV 12 1024", 200.0, 1024, "mV"),
        ("200.0(-7)/uV 12 1024", 200.0, -7, "uV"),
        ("1716(6)/mV 0 0", 1716.0, 6, "mV"),
        ("1e3(+5)/mmHg 0 0", 1000.0, 5, "mmHg"),
        ("200(0) 12 1024", 200.0, 0, "mV"),
        ("0 12 0", 0.0, 0, "mV"),
        ("0/mV", 0.0, 0, "mV"),
        ("-200/mV", -200.0, 0, "mV"),
        ("", 0.0, 0, "mV"),
    ],
)
def test_the_gain_field_is_parsed(
    header_of: HeaderOf, fields: str, adc_gain: float, baseline: int, unit: str
) -> None:
    lead = header_of.lead(f"f.dat 16 {fields}")
    assert (lead.adc_gain, lead.baseline, lead.unit) == (adc_gain, baseline, unit)
    assert (lead.initial_value, lead.checksum, lead.name) == (None, None, "")


def test_a_gain_of_nan_is_parsed(header_of: HeaderOf) -> None:
    assert math.isnan(header_of.lead("f.dat 16 nan/mV").adc_gain)


def test_optional_fields_may_be_left_out_from_the_end(header_of: HeaderOf) -> None:
    line = "f.dat 16 200 12 0 -5 77"
    assert header_of.lead(line)[8:] == (-5, 77, "")
    assert header_of.lead(f"{line} 0")[8:] == (-5, 77, "")
    assert header_of.lead(f"{line} 0 ECG lead  V1 ")[8:] == (-5, 77, "ECG lead  V1")


@pytest.mark.parametrize(
    ("comments", "age"),
    [
        ("#Age: 74", 74.0),
        ("# Age: 0.5", 0.5),
        ("# age : 81", 81.0),
        ("#<age>: 71", 71.0),
        ("#<age>: 65 <sex>: F <diagnoses> Acute MI", 65.0),
        ("# Age: 60 <at the recording>", 60.0),
        ("# Age: 60\n# Age: 61", 60.0),
        ("# Age: NaN\n# Age: 61", 61.0),
        ("# Age: 61\n# Age: NaN", 61.0),
        ("# Age: 300", math.nan),
        ("# Age: -1", math.nan),
        ("# Age: NaN", math.nan),
        ("# Age: Unknown", math.nan),
        ("# Age:", math.nan),
        ("# Age", math.nan),
        ("# Average: 5", math.nan),
        ("", math.nan),
    ],
)
def test_the_age_is_parsed(header_of: HeaderOf, comments: str, age: float) -> None:
    assert header_of(f"r 0 500 10\n{comments}\n").age == pytest.approx(age, nan_ok=True)


@pytest.mark.parametrize(
    ("comments", "sex"),
    [
        ("#Sex: Male", "male"),
        ("#Sex: Female", "female"),
        ("# Sex: M", "male"),
        ("# Sex: F", "female"),
        ("# sex: female ", "female"),
        ("#<age>: 65 <sex>: F <diagnoses> Acute MI", "female"),
        ("#<sex>: M", "male"),
        ("# Sex: F\n# Sex: Unknown", "female"),
        ("# Sex: Unknown\n# Sex: M", "male"),
        ("# Sex: Unknown", "unknown"),
        ("# Sex: NaN", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_sex_is_parsed(header_of: HeaderOf, comments: str, sex: str) -> None:
    assert header_of(f"r 0 500 10\n{comments}\n").sex == sex


@pytest.mark.parametrize(
    ("comments", "dx"),
    [
        ("#Dx: 59118001", ("59118001",)),
        ("# Dx: 3,1,2", ("3", "1", "2")),
        ("# Dx: 3, 1 ,2,", ("3", "1", "2")),
        ("#Dx: 284470004,426783006,284470004", ("284470004", "426783006")),
        ("#Dx: 1,2\n#Dx: 2,3", ("1", "2", "3")),
        ("#Dx: Unknown", ()),
        ("#Dx: 5,abc,\u00b2", ("5",)),
        ("#Dx: 5 <confirmed>", ("5",)),
        ("#Dx: RBBB", ("59118001",)),
        ("#Dx: 11,\n#  22,\n# 33\n#44\n# Rx: 55", ("11", "22", "33", "44")),
        ("#Dx:\n# 11;22", ("11", "22")),
        ("#Dx: 11\n# measured at rest\n# 22", ("11",)),
        ("#Dx: 11,\n# AF: 22", ("11",)),
        ("# Hx: 7", ()),
        ("", ()),
    ],
)
def test_the_diagnoses_are_parsed(
    header_of: HeaderOf, comments: str, dx: tuple[str, ...]
) -> None:
    assert header_of(f"r 0 500 10\n{comments}\n").dx == dx


def test_diagnoses_that_are_not_understood_are_kept(header_of: HeaderOf) -> None:
    header = header_of("r 0 500 10\n#Dx: 11,foo\n#Dx: bar\n")
    assert (header.dx, header.dx_unknown) == (("11",), ("foo", "bar"))
    assert header_of("r 0 500 10\n#Dx: 11\n").dx_unknown == ()


def test_a_header_of_segments_is_parsed(header_of: HeaderOf) -> None:
    header = header_of("r/3 12 500 300\nr_1 100\n~ 50\nr_2\t150\n# Age: 5\n")
    assert header.segments == (
        Segment("r_1", 100),
        Segment("~", 50),
        Segment("r_2", 150),
    )
    assert (header.leads, header.n_samples, header.age) == ((), 300, 5.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: ''; expected a record line"),
        ("# Age: 5\n\n", "expected a record line"),
        ("A0001", "line 1: 'A0001'; expected the number of leads"),
        ("\n\nA0001 twelve", "line 3: 'A0001 twelve'; expected numbers"),
        ("A0001 -12 500 5000", "expected numbers of leads"),
        ("A0001 12 fast 5000", "expected numbers of leads, of Hz"),
        ("A0001 12 500 -5000", "expected numbers"),
        ("A0001 12 500 5e3", "expected numbers"),
        ("A0001 1 500 9999999999999999999\n", "expected numbers"),
        ("A0001/x 1 500 5", "expected a record name without a folder"),
        ("a/b/A0001/2 1 500 5", "expected a record name without a folder"),
        ("A0001/-2 1 500 5", "expected a record name without a folder"),
        ("medians/A0001 1 500 5\nmedians/A0001.dat 16", "write 'A0001' here"),
        ("A0001 1000000 500 5", "expected at most 1000 leads"),
        ("A0001 \u0661\u0662 500 5", "expected numbers"),
        ("A0001 12 \u0665\u0660\u0660 5", "expected numbers"),
        ("A0001 1_2 500 5", "expected numbers"),
        ("A0001 12 5_00 5", "expected numbers"),
        ("A0001 0xc 500 5", "expected numbers"),
        (f"A0001 12 500 {'9' * 5000}", "expected numbers"),
        ("r 1 500 5\nf.dat 16 2_00", "expected a lead"),
        ("r 1 500 5\nf.dat 16 \u0662", "expected a lead"),
        ("r 1 500 5\nf.dat 16 200 12 0 1_0", "expected a lead"),
        (f"r 1 500 5\nf.dat 16 200 12 0 {'9' * 5000}", "expected a lead"),
        ("r 1 500 5\nf.dat 16 200 12 0 --1", "expected a lead"),
        ("../etc 1 500 5", "expected a record name"),
        (".mat 1 500 5", "expected a record name"),
        ("r\x00 1 500 5", "expected a record name"),
        (FIRST_DIALECT.replace("A0001 12", "A0001 13"), "expected 13 more lines"),
        ("r 1 500 5\nf.dat", "line 2: 'f.dat'; expected a lead, like"),
        ("r 1 500 5\nf.dat sixteen", "line 2: 'f.dat sixteen'; expected a lead"),
        ("r 1 500 5\nf.dat 16x0", "expected a lead"),
        ("r 1 500 5\nf.dat 16+-4", "expected a lead"),
        ("r 1 500 5\nf.dat 16 much/mV", "expected a lead"),
        ("r 1 500 5\nf.dat 16 200(x)/mV", "expected a lead"),
        ("r 1 500 5\nf.dat 16 200(9999999999)/mV", "expected a lead"),
        ("r 1 500 5\nf.dat 16 200 12 zero", "expected a lead"),
        ("r 1 500 5\nf.dat 16 200 12 0 first", "expected a lead"),
        ("r 1 500 5\nf.dat 16 200 12 0 0 1.5", "expected a lead"),
        ("r/1 1 500 5\nr_1", "line 2: 'r_1'; expected a segment's record name"),
        ("r/1 1 500 5\n../r_1 5", "expected a segment's record name"),
        ("r/1 1 500 5\nr_1 -5", "expected a segment's record name"),
        (b"\x00\x01\x02\xff\xfe", "expected a record name"),
    ],
)
def test_errors_name_the_problem(
    header_of: HeaderOf, content: str | bytes, message: str
) -> None:
    assert message in _refused(header_of, content)


def test_a_missing_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file") as caught:
        read_header(tmp_path / "missing.hea")
    assert caught.value.reason is Reason.UNREADABLE_HEADER


def test_a_folder_and_a_path_that_cannot_exist_are_no_headers(tmp_path: Path) -> None:
    for path in (tmp_path, f"{tmp_path}/a\0b.hea"):
        with pytest.raises(RecordError, match="cannot read the file"):
            read_header(path)


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.hea")
    with pytest.raises(RecordError, match="not a regular file"):
        read_header(tmp_path / "pipe.hea")


def test_a_path_of_bytes_that_are_no_text_can_be_printed(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.hea"
    with pytest.raises(RecordError) as caught:
        read_header(os.fsdecode(path))
    assert "udcff" in str(caught.value).encode("utf-8").decode()


def test_a_huge_file_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "film.hea"
    with path.open("wb") as file:
        file.truncate(10**12)  # sparse: takes no space
    with pytest.raises(RecordError, match="1000000000000 bytes"):
        read_header(path)
