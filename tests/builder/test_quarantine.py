"""Every reason of quarantine, and the law that no file raises out of a build."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import ecgstore
from ecgstore.config import Config
from ecgstore.reasons import Reason
from ecgstore.sample import sample_folder

WriteRecord = Callable[..., Path]
FAST = Config(beats="none")


def edited(header: Path, old: str, new: str) -> None:
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))


def resized(header: Path, n_bytes: int) -> None:
    signal = header.with_suffix(".mat")
    content = signal.read_bytes()
    signal.write_bytes((content + bytes(max(0, n_bytes)))[: len(content) + n_bytes])


def noise(n_samples: int = 5000) -> "np.ndarray[tuple[int, int], np.dtype[np.int16]]":
    generator = np.random.default_rng(7)
    return generator.integers(-900, 900, (12, n_samples)).astype(np.int16)


def with_run(lead: int, begin: int, length: int, value: int) -> object:
    adc = noise()
    adc[lead, begin : begin + length] = value
    return adc


FAULTS: dict[str, tuple[Reason, Callable[[WriteRecord], object], Config]] = {
    "empty header": (
        Reason.UNREADABLE_HEADER,
        lambda write: write("A0001").write_text(""),
        FAST,
    ),
    "no signal file": (
        Reason.MISSING_SIGNAL_FILE,
        lambda write: write("A0001").with_suffix(".mat").unlink(),
        FAST,
    ),
    "half a signal file": (
        Reason.TRUNCATED_SIGNAL_FILE,
        lambda write: resized(write("A0001"), -60_000),
        FAST,
    ),
    "too long a signal file": (
        Reason.WRONG_SIGNAL_SIZE,
        lambda write: edited(write("A0001"), "500 5000", "500 4000"),
        FAST,
    ),
    "no MATLAB file": (
        Reason.UNREADABLE_SIGNAL,
        lambda write: write("A0001").with_suffix(".mat").write_bytes(b"?" * 120_024),
        FAST,
    ),
    "eleven leads": (
        Reason.MISSING_LEADS,
        lambda write: write("A0001", noise()[:11], leads=ecgstore.LEADS[:11]),
        FAST,
    ),
    "a lead twice": (
        Reason.MISSING_LEADS,
        lambda write: write("A0001", leads=(*ecgstore.LEADS[:11], "I")),
        FAST,
    ),
    "unknown unit": (
        Reason.UNKNOWN_UNIT,
        lambda write: write("A0001", gain="1000/mmHg"),
        FAST,
    ),
    "sampling rate 0": (
        Reason.BAD_SAMPLING_RATE,
        lambda write: write("A0001", fs=0),
        FAST,
    ),
    "absurd sampling rate": (
        Reason.BAD_SAMPLING_RATE,
        lambda write: write("A0001", fs=1e9),
        FAST,
    ),
    "gain 0": (Reason.BAD_GAIN, lambda write: write("A0001", gain="0/mV"), FAST),
    "gain nan": (Reason.BAD_GAIN, lambda write: write("A0001", gain="nan/mV"), FAST),
    "absurd gain": (
        Reason.BAD_GAIN,
        lambda write: write("A0001", gain="1e30/mV"),
        FAST,
    ),
    "all samples missing": (
        Reason.ALL_SAMPLES_MISSING,
        lambda write: write("A0001", np.full((12, 5000), -32768)),
        FAST,
    ),
    "a long gap": (
        Reason.GAP_TOO_LONG,
        lambda write: write("A0001", with_run(4, 1000, 51, -32768)),
        FAST,
    ),
    "a lead missing throughout": (
        Reason.GAP_TOO_LONG,
        lambda write: write("A0001", with_run(4, 0, 5000, -32768)),
        FAST,
    ),
    "a flat lead, if rejected": (
        Reason.FLAT_LEAD,
        lambda write: write("A0001", with_run(2, 0, 5000, 0)),
        Config(beats="none", reject_flat_leads=True),
    ),
    "clipped": (
        Reason.CLIPPED,
        lambda write: write("A0001", with_run(2, 100, 3000, 32767)),
        FAST,
    ),
    "too short": (
        Reason.TOO_SHORT,
        lambda write: write("A0001", noise(999)),
        FAST,
    ),
    "too large": (
        Reason.TOO_LARGE,
        lambda write: write("A0001", noise(12_000)),
        Config(beats="none", duration_s=20, max_record_mb=1),
    ),
    "a huge file of holes": (
        Reason.TOO_LARGE,
        lambda write: os.truncate(write("A0001").with_suffix(".mat"), 1 << 34),
        FAST,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_has_its_reason(
    tmp_path: Path, write_record: WriteRecord, fault: str
) -> None:
    reason, make, config = FAULTS[fault]
    make(write_record)
    write_record("A0002", noise())
    report = ecgstore.build_store(
        [tmp_path / "records"], tmp_path / "out.h5", config, n_workers=1, quiet=True
    )
    assert report.reasons == {reason: 1}
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert list(store) == ["A0002"]
        [row] = store.quarantine.to_dict("records")
    assert row["record_id"] == "A0001"
    assert row["path"] == "records/A0001.hea"
    assert row["reason"] == reason
    assert len(row["detail"]) > 20
    assert str(tmp_path) not in row["detail"]


def test_every_reason_is_tested() -> None:
    elsewhere = {
        Reason.NOT_FINITE,  # counts in files are whole numbers: test_from_records.py
        Reason.DUPLICATE_RECORD_ID,
        Reason.CHANGED_DURING_BUILD,
        Reason.UNEXPECTED_ERROR,
        Reason.MISSING_LIBRARY,  # tests/sources/hospital
    }
    assert {reason for reason, _, _ in FAULTS.values()} | elsewhere == set(Reason)
    assert all(reason.description for reason in Reason)


def test_the_parts_of_a_record_that_cannot_be_used_are_named(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    write_record("A0001")
    for number in range(4):
        path = write_record(f"part{number}", noise(1000))
    lines = ["all/4 12 500 4001", *(f"part{number} 1000" for number in range(4)), ""]
    path.with_name("all.hea").write_text("\n".join(lines))
    report = ecgstore.build_store(
        [path.parent],
        tmp_path / "out.h5",
        Config(beats="none", select="all"),
        n_workers=1,
        quiet=True,
    )
    assert (report.n_found, report.n_selected) == (2, 1)
    [left_out] = report.left_out
    assert left_out["path"] == "records/all.hea"
    assert left_out["detail"] == (
        "records/all.hea: its segments have 4000 samples; expected 4001; its 4 parts "
        "are not stored on their own ('part0', 'part1', 'part2', ...)"
    )


@pytest.mark.skipif(os.name != "posix", reason="names are always Unicode")
def test_name_that_is_not_unicode_is_quarantined(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    header = write_record("A0001")
    write_record("A0002")
    try:
        os.rename(header, os.fsencode(header.parent) + b"/A\xff1.hea")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    report = ecgstore.build_store(
        [header.parent], tmp_path / "out.h5", FAST, n_workers=1, quiet=True
    )
    assert report.reasons == {Reason.UNREADABLE_HEADER: 1}
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert "rename" in store.quarantine["detail"][0]


def test_defects_of_usable_records_are_flagged(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    write_record("A0001", with_run(2, 0, 5000, 0))
    write_record("A0002", with_run(3, 100, 20, -32768))
    write_record("A0003", with_run(4, 100, 300, 32767))
    checksum = write_record("A0004", noise())
    line = checksum.read_text().splitlines()[6]
    fields = line.split()
    fields[6] = str(int(fields[6]) + 1)
    edited(checksum, line, " ".join(fields))
    first = write_record("A0005", noise())
    line = first.read_text().splitlines()[7]
    fields = line.split()
    fields[5] = str(int(fields[5]) + 1)
    edited(first, line, " ".join(fields))
    write_record("A0006", noise(4000))
    report = ecgstore.build_store(
        [tmp_path / "records"], tmp_path / "out.h5", FAST, n_workers=1, quiet=True
    )
    assert report.reasons == {}
    with ecgstore.open(tmp_path / "out.h5") as store:
        quality = store.quality
        signals = store.signals([*range(len(store))])
    assert quality.loc["A0001", "flat_fraction_III"] == 1
    assert quality.loc["A0002", "missing_fraction_aVR"] == pytest.approx(20 / 5000)
    assert quality.loc["A0003", "clipped_fraction_aVL"] == pytest.approx(0.06)
    assert quality.loc["A0004", "checksum_differs_aVF"] == 1
    assert quality.loc["A0005", "first_value_differs_V1"] == 1
    assert quality.loc["A0006", "pad_length"] == 1000
    flags = quality.filter(regex="differs").to_numpy().sum()
    assert flags == 2
    assert np.isfinite(signals).all()
    assert (signals[5, :, 4000:] == 0).all()


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, int, int]:
    """Draw a change of a file: its kind, and two numbers for place and amount."""
    kind = draw(st.sampled_from(["flip", "cut", "insert", "swap", "text"]))
    return kind, draw(st.integers(0, 10**9)), draw(st.integers(0, 10**9))


def mutate(path: Path, mutation: tuple[str, int, int]) -> None:
    kind, first, second = mutation
    content = bytearray(path.read_bytes())
    # Headers and the first bytes of signals decide; most faults go there.
    place = first % min(len(content), 700)
    if kind == "flip":
        content[place] ^= 1 << second % 8
    elif kind == "cut":
        del content[first % len(content) :]
    elif kind == "insert":
        content[place:place] = random.Random(second).randbytes(1 + second % 40)
    elif kind == "swap":
        other = second % len(content)
        content[place], content[other] = content[other], content[place]
    else:
        words = [
            b"nan",
            b"-1",
            b"1e308",
            b"99999999999999",
            b"\xff\xfe",
            b"\0",
            b"/",
            b"(",
            b" 0 ",
        ]
        content[place : place + 2] = words[second % len(words)]
    path.write_bytes(bytes(content))


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.booleans(), mutations()), min_size=1, max_size=6))
def test_no_broken_file_raises_out_of_a_build(
    tmp_path_factory: pytest.TempPathFactory,
    faults: list[tuple[bool, tuple[str, int, int]]],
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    headers = sorted(sample_folder().rglob("*.hea"))[: len(faults) + 1]
    for header in headers:
        for path in (header, header.with_suffix(".mat")):
            shutil.copy(path, folder)
    for header, (in_header, mutation) in zip(headers[1:], faults, strict=True):
        path = folder / header.name
        mutate(path if in_header else path.with_suffix(".mat"), mutation)
    config = Config(beats="none", select="all")
    out = folder / "out.h5"
    report = ecgstore.build_store([folder], out, config, n_workers=1, quiet=True)
    assert report.n_found == len(headers)
    assert report.n_selected + report.n_quarantined == len(headers)
    assert Reason.UNEXPECTED_ERROR not in report.reasons
    with ecgstore.open(out) as store:
        assert headers[0].stem in store
        assert np.isfinite(store.signals([*range(len(store))])).all()
