"""No file, however broken, makes the reader raise anything but RecordError."""

import io
import random
import re
import resource
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings, strategies as st
from scipy.io import savemat

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.sources import (
    ecg_channels,
    open_record,
    read_header,
    read_record,
    twelve_leads,
)

N_SAMPLES = 40
INCOMPLETE = twelve_leads(allow_missing=True)
T = TypeVar("T")

# Fields that break parsers, and numbers that break programs which trust them.
NASTY = (
    *("", "0", "-1", "1", "nan", "inf", "-inf", "1e400", "1e-400", "0x10", "1_0"),
    *("999999999999", "18446744073709551616", "9" * 5000, "-32768", "3.5", "\u0661"),
    *("16x0", "16x999999999", "16:5", "16:99999999", "16+99999999999", "8", "212"),
    *("24", "32", "61", "80", "160", "310", "311", "508", "516", "524", "17", "~"),
    *("1000/mmHg", "0/mV", "200(", "200()/mV", "200(1e5)", "/mV", "(5)/mV", "1e-320/V"),
    *("\x00", "\u00b5", "\x1c", "..", "../x", "/etc/passwd", "-", "a b", "\ud7ff"),
    *(
        "V1",
        "aVR",
        "-aVR",
        "Resp",
        "#",
        "# Dx:",
        "#Age: 1e999",
        "\n",
        "\r",
        "x/2",
        "x/0",
        "x/-1",
    ),
)


def _header(storage: str, ending: str) -> bytes:
    """Return a header of a record with twelve leads."""
    lines = [f"fuzz 12 500 {N_SAMPLES}"]
    lines += [f"fuzz.{ending} {storage} 1000(0)/mV 16 0 0 0 0 {lead}" for lead in LEADS]
    return "\n".join([*lines, "# Age: 60", "# Sex: Male", "# Dx: 1,2", ""]).encode()


def _mutate(content: bytes, seed: int) -> bytes:
    """Return content with one to three random changes of bits, bytes or ranges."""
    rng = random.Random(seed)
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        length = rng.choice((1, 1, 1, 2, 4, 30))
        change = rng.randrange(5)
        if change == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            del data[at : at + length]
        elif change == 2:
            data[at:at] = rng.randbytes(length)
        elif change == 3:
            data[at : at + length] = rng.randbytes(length)
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


def _mutate_text(content: bytes, seed: int) -> bytes:
    """Return a header with changes of fields that mostly keep its line structure."""
    rng = random.Random(seed)
    if rng.random() < 0.2:
        return _mutate(content, seed)
    fields = re.split(rb"(\s)", content)  # with the separators
    old = rng.choice(fields)
    new = rng.choice(NASTY).encode()
    if rng.random() < 0.5:  # all occurrences: in the lines of all leads
        return b"".join(new if field == old else field for field in fields)
    fields[rng.randrange(len(fields))] = new
    return b"".join(fields)


def _mutate_numbers(content: bytes, seed: int) -> bytes:
    """Return content with a few numbers of its beginning at the ends of their range."""
    rng = random.Random(seed)
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        value = rng.choice((-(1 << 31), -2, -1, 0, 1, 255, 1 << 30, (1 << 31) - 1))
        order: Literal["little", "big"] = rng.choice(("little", "big"))
        at = rng.randrange(64)
        data[at : at + 4] = value.to_bytes(4, order, signed=True)
    return bytes(data)


@contextmanager
def _bounded() -> Iterator[None]:
    """Fail after 10 s, or when the process takes 512 MB more than it has."""

    def stop(*_: object) -> None:
        raise TimeoutError("reading takes more than 10 s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (512 << 20)
    handler = signal.signal(signal.SIGALRM, stop)
    signal.alarm(10)
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


def _check(path: Path) -> None:
    """Check that reading returns a plausible record or raises a RecordError."""
    _result(read_header, path)
    whole = _result(read_record, path)
    if whole is not None:
        assert whole.signal.shape == (12, whole.n_samples_original)
        assert whole.signal.dtype == np.float64
        assert not np.isinf(whole.signal).any()
        assert 50 <= whole.fs <= 20_000
        assert np.isnan(whole.age) or 0 <= whole.age <= 150
        assert whole.sex in ("male", "female", "unknown")
        assert len(set(whole.dx)) == len(whole.dx)
        assert whole.checksum_differs.shape == (12,)
        assert whole.first_value_differs.shape == (12,)
    beginning = _result(partial(read_record, max_samples=7), path)
    if whole is not None and beginning is not None:
        np.testing.assert_array_equal(beginning.signal, whole.signal[:, :7])
    incomplete = _result(partial(read_record, leads=INCOMPLETE), path)
    assert incomplete is not None or whole is None
    if incomplete is not None:
        missing = np.isin(LEADS, incomplete.missing_leads)
        assert not missing.all()
        assert np.isnan(incomplete.signal[missing]).all()
        assert incomplete.signal.shape == (12, incomplete.n_samples_original)
    channels = _result(_beginning_of_channels, path)
    assert channels is None or not np.isinf(channels).any()


def _beginning_of_channels(path: Path) -> FloatArray:
    """Return the first samples of all channels with an ECG."""
    _, opened = open_record(path, ecg_channels())
    names = opened.leads.names
    assert len(set(names)) == len(names) == len(opened.leads.channels) > 0
    values = opened.read(0, min(opened.n_samples, 7))
    assert len(values) == len(opened.checksum_differs) == len(names)
    return values


def _result(read: Callable[[Path], T], path: Path) -> T | None:
    """Return the result of reading; None for a RecordError, which can be printed."""
    try:
        return read(path)
    except RecordError as error:
        str(error).encode()
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for one record, written over again and again."""
    return tmp_path_factory.mktemp("fuzz")


Files = dict[str, bytes]


def _challenge_files() -> Files:
    """Return a small Challenge record."""
    adc = np.random.default_rng(0).integers(-900, 900, (N_SAMPLES, 12))
    head = struct.pack("<5i4s", 30, 12, N_SAMPLES, 0, 4, b"val")
    return {
        "fuzz.hea": _header("16x1+24", "mat"),
        "fuzz.mat": head + adc.astype("<i2").tobytes(),
    }


def _saved_files() -> Files:
    """Return a Challenge record whose signal was saved again."""
    buffer = io.BytesIO()
    adc = np.random.default_rng(0).integers(-900, 900, (12, N_SAMPLES))
    savemat(buffer, {"ecg": adc * 1.0}, format="4")  # type: ignore[arg-type]
    return {"fuzz.hea": _header("16+24", "mat"), "fuzz.mat": buffer.getvalue()}


def _big_endian_files() -> Files:
    """Return a record whose signal is the second of two variables."""
    adc = np.random.default_rng(0).integers(-900, 900, (N_SAMPLES, 12))
    rate = struct.pack(">5i3sd", 1000, 1, 1, 0, 3, b"fs", 500)
    head = struct.pack(">5i4s", 1020, 12, N_SAMPLES, 0, 4, b"val")
    return {
        "fuzz.hea": _header("16+24", "mat"),
        "fuzz.mat": rate + head + adc.astype(">i4").tobytes(),
    }


def _flac_files(bits: int) -> Files:
    """Return a record of two FLAC files."""
    adc = np.random.default_rng(bits).integers(-90, 90, (N_SAMPLES, 6))
    scaled = (adc << (32 - bits)).astype(np.int32)
    subtype = "PCM_S8" if bits == 8 else f"PCM_{bits}"
    buffer = io.BytesIO()
    soundfile.write(buffer, scaled, 500, subtype=subtype, format="FLAC")
    text = _header(str(500 + bits), "flac").decode()
    first, *lines = text.splitlines()
    lines[6:12] = [line.replace("fuzz.", "more.") for line in lines[6:12]]
    return {
        "fuzz.hea": "\n".join([first, *lines]).encode(),
        "fuzz.flac": buffer.getvalue(),
        "more.flac": buffer.getvalue(),
    }


def _native_files(storage: str) -> Callable[[], Files]:
    """Return a function that returns a small native record."""

    def make() -> Files:
        return {
            "fuzz.hea": _header(storage, "dat"),
            "fuzz.dat": random.Random(0).randbytes(4 * 12 * (N_SAMPLES + 10)),
        }

    return make


def _segment_files() -> Files:
    """Return a record of two segments with a gap between them."""
    part = _native_files("16")()
    layout = f"fuzz/3 12 500 {2 * N_SAMPLES + 9}\np1 {N_SAMPLES}\n~ 9\np1 {N_SAMPLES}\n"
    return {
        "fuzz.hea": layout.encode(),
        "p1.hea": part["fuzz.hea"],
        "fuzz.dat": part["fuzz.dat"],
    }


@pytest.mark.parametrize(
    ("make", "changed"),
    [
        (_challenge_files, "fuzz.hea"),
        (_challenge_files, "fuzz.mat"),
        (_saved_files, "fuzz.mat"),
        (_native_files("16"), "fuzz.hea"),
        (_native_files("212"), "fuzz.hea"),
        (_native_files("80x2:3+1"), "fuzz.hea"),
        (_segment_files, "fuzz.hea"),
        (_segment_files, "p1.hea"),
    ],
    ids=[
        "Challenge header",
        "Challenge signal",
        "MATLAB file",
        "format 16 header",
        "format 212 header",
        "skewed header",
        "segments",
        "header of a segment",
    ],
)
@given(seed=st.integers(0, 2**64))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_broken_files_are_read_or_refused(
    folder: Path, make: Callable[[], Files], changed: str, seed: int
) -> None:
    files = make()
    mutate = _mutate_text if changed.endswith(".hea") else _mutate
    files[changed] = mutate(files[changed], seed)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    _check(folder / "fuzz.hea")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
@pytest.mark.parametrize(
    "make",
    [
        _challenge_files,
        _saved_files,
        _big_endian_files,
        *(partial(_flac_files, bits) for bits in (8, 16, 24)),
        *map(_native_files, ("8", "24", "32", "61", "160", "310", "311", "212x3:2+1")),
    ],
    ids=[
        *("MATLAB file", "saved MATLAB file", "big-endian MATLAB file"),
        *("FLAC of 8 bits", "FLAC of 16 bits", "FLAC of 24 bits"),
        *("8", "24", "32", "61", "160", "310", "311", "212 in frames"),
    ],
)
def test_hostile_files_are_read_or_refused_in_bounded_time_and_memory(
    folder: Path, make: Callable[[], Files]
) -> None:
    original = make()
    for name, content in original.items():
        (folder / name).write_bytes(content)
    with _bounded():
        assert _result(read_record, folder / "fuzz.hea") is not None
        for seed in range(12):
            files = dict(original)
            changed = sorted(files)[seed % len(files)]
            if changed.endswith(".hea"):
                files[changed] = _mutate_text(files[changed], seed)
            else:
                mutate = _mutate if seed % 3 == 2 else _mutate_numbers
                files[changed] = mutate(files[changed], seed)
            for name, content in files.items():
                (folder / name).write_bytes(content)
            _result(read_record, folder / "fuzz.hea")


@given(header=st.binary(max_size=300), signal=st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_random_files_are_read_or_refused(
    folder: Path, header: bytes, signal: bytes
) -> None:
    (folder / "noise.hea").write_bytes(header)
    _check(folder / "noise.hea")
    (folder / "fuzz.hea").write_bytes(_header("16+24", "mat"))
    (folder / "fuzz.mat").write_bytes(signal)
    _check(folder / "fuzz.hea")


@given(seed=st.integers(0, 2**64))
@settings(max_examples=100, deadline=None)
def test_broken_real_records_are_read_or_refused(folder: Path, seed: int) -> None:
    rng = random.Random(seed)
    header = rng.choice(sorted(sample_folder().rglob("*.hea")))
    (folder / header.name).write_bytes(_mutate_text(header.read_bytes(), seed))
    target = folder / header.with_suffix(".mat").name
    if not target.exists():
        shutil.copy(header.with_suffix(".mat"), target)
    _check(folder / header.name)
