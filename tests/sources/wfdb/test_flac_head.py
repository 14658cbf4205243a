"""What a FLAC file claims is checked before a library decodes it."""

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS
from ecgstore.sources import read_record
from ecgstore.sources.wfdb.flac_head import read_flac_head

N_SAMPLES, N_LEADS = 400, 6
BITS = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}


def _flac(subtype: str = "PCM_16", *, noise: int = 900) -> bytes:
    """Return a FLAC file with random samples."""
    buffer = io.BytesIO()
    values = np.random.default_rng(0).integers(-noise, noise + 1, (N_SAMPLES, N_LEADS))
    shifted = (values << (32 - BITS[subtype])).astype(np.int32)
    soundfile.write(buffer, shifted, 500, subtype=subtype, format="FLAC")
    return buffer.getvalue()


def _claiming(content: bytes, n_samples: int) -> bytes:
    """Return a FLAC file that claims another number of samples per lead."""
    numbers = int.from_bytes(content[18:26])
    numbers = (numbers >> 36 << 36) | n_samples
    return content[:18] + numbers.to_bytes(8) + content[26:]


def _record(folder: Path, content: bytes, n_samples: int = N_SAMPLES) -> Path:
    """Write a record of two equal FLAC files; return its header."""
    lines = [f"rec 12 500 {n_samples}"]
    for place, lead in enumerate(LEADS):
        lines.append(f"rec{place // N_LEADS}.dat 516 1000/mV 16 0 0 0 0 {lead}")
    for number in range(2):
        (folder / f"rec{number}.dat").write_bytes(content)
    path = folder / "rec.hea"
    path.write_text("\n".join(lines))
    return path


def _refused(path: Path, reason: Reason, detail: str) -> None:
    """Check that a record is refused, without memory for what it claims."""
    tracemalloc.start()
    with pytest.raises(RecordError) as caught:
        read_record(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (caught.value.reason, detail in caught.value.detail) == (reason, True)
    assert peak < 2_000_000


@pytest.mark.parametrize("subtype", BITS)
@pytest.mark.parametrize("noise", [0, 1, 100])
def test_the_head_says_what_the_file_holds(
    tmp_path: Path, subtype: str, noise: int
) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(_flac(subtype, noise=noise))
    assert read_flac_head(str(path)) == (N_LEADS, BITS[subtype], N_SAMPLES)


@pytest.mark.parametrize("n_samples", [2 * 4096 + 1, 10**8, (1 << 36) - 1])
def test_more_samples_than_the_file_can_hold_are_refused(
    tmp_path: Path, n_samples: int
) -> None:
    content = _claiming(_flac(noise=0), n_samples)
    path = _record(tmp_path, content, n_samples)
    _refused(path, Reason.TRUNCATED_SIGNAL_FILE, f"expected {n_samples}, as it claims")


def test_a_long_constant_signal_is_refused(tmp_path: Path) -> None:
    # The largest blocks, one after another: each holds 65535 samples in a few bytes.
    content = bytearray(_flac(noise=0) + bytes(100_000))
    content[8:12] = b"\xff\xff\xff\xff"
    path = _record(tmp_path, _claiming(bytes(content), 1 << 24), 1 << 24)
    _refused(path, Reason.TRUNCATED_SIGNAL_FILE, "hold at most 1048576 samples")


def test_a_file_that_does_not_say_its_length_is_refused(tmp_path: Path) -> None:
    path = _record(tmp_path, _claiming(_flac(), 0), 10**15)
    _refused(path, Reason.UNREADABLE_SIGNAL, "does not say how many samples")


@pytest.mark.parametrize(
    ("start", "replacement"),
    [(0, b"OggS"), (4, b"\x04"), (5, b"\xff\xff\xff"), (0, b"")],
    ids=["another format", "no STREAMINFO", "a longer STREAMINFO", "empty"],
)
def test_a_head_that_is_not_flac_is_refused(
    tmp_path: Path, start: int, replacement: bytes
) -> None:
    content = _flac()
    if replacement:
        content = content[:start] + replacement + content[start + len(replacement) :]
    path = _record(tmp_path, content if replacement else b"")
    _refused(path, Reason.UNREADABLE_SIGNAL, "not a FLAC file")


def test_damaged_frames_are_refused_without_the_words_of_a_library(
    tmp_path: Path,
) -> None:
    content = _flac()
    path = _record(tmp_path, content[: len(content) // 2])
    details = set()
    for _ in range(2):
        with pytest.raises(RecordError) as caught:
            read_record(path)
        details.add(caught.value.detail)
    assert details == {f"{path.with_name('rec0.dat')}: not a FLAC file, or damaged"}
