"""Signals are read in pieces that are, to the last bit, those of the whole."""

import os
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecgstore.builder import pieces, scan
from ecgstore.builder.entry import Status
from ecgstore.config import Config
from ecgstore.errors import RecordError
from ecgstore.label_tables import RecordTables
from ecgstore.reasons import Reason
from ecgstore.record import LEADS, N_LEADS
from ecgstore.sources import (
    SignalHash,
    open_record,
    read_header,
    read_record,
    signal_sha256,
)
from ecgstore.sources.wfdb import frame_signal, frames, header, interleaved

N_FRAMES = 601
BITS = {"8": 8, "80": 8, "310": 10, "311": 10, "212": 12, "508": 8, "524": 24}


def _lines(name: str, length: object, storages: list[str], *, fs: object = 500) -> str:
    """Return the text of a header with a file that has all leads."""
    lines = [f"{name} {N_LEADS} {fs} {length}"]
    lines += [
        f"{name}.dat {storage} 1000(3)/mV 16 0 7 {k} 0 {lead}"
        for k, (storage, lead) in enumerate(zip(storages, LEADS, strict=True))
    ]
    return "\n".join([*lines, "# Dx: 426783006", ""])


def _raw(folder: Path, storages: list[str], name: str = "raw") -> Path:
    """Write a record of random bytes in formats that are not compressed."""
    per_frame = [int(s.partition("x")[2].partition(":")[0] or 1) for s in storages]
    n_bytes = 4 * (N_FRAMES + 40) * sum(per_frame)
    (folder / f"{name}.dat").write_bytes(np.random.default_rng(1).bytes(n_bytes))
    path = folder / f"{name}.hea"
    path.write_text(_lines(name, N_FRAMES, storages))
    return path


def _flac(folder: Path, storage: str) -> Path:
    """Write a compressed record."""
    limit = 1 << (BITS.get(storage, 16) - 1)
    adc = np.random.default_rng(2).integers(-limit, limit, (N_FRAMES, N_LEADS))
    wfdb.wrsamp(
        "flac",
        fs=500,
        units=["mV"] * N_LEADS,
        sig_name=list(LEADS),
        d_signal=adc,
        fmt=[storage] * N_LEADS,
        adc_gain=[200.0] * N_LEADS,
        baseline=[0] * N_LEADS,
        write_dir=str(folder),
    )
    return folder / "flac.hea"


def _segments(folder: Path) -> Path:
    """Write a record of two segments with a gap between them."""
    for name in ("p1", "p2"):
        _raw(folder, ["16" if name == "p1" else "212"] * 12, name)
    path = folder / "multi.hea"
    path.write_text(
        f"multi/4 12 500 {2 * N_FRAMES + 90}\nlayout 0\np1 {N_FRAMES}\n~ 90\n"
        f"p2 {N_FRAMES}\n# Dx: 426783006\n"
    )
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    **{
        storage: partial(_raw, storages=[storage] * 12)
        for storage in ("16", "8", "24", "32", "80", "212", "310", "311", "16x3")
    },
    "skewed": lambda folder: _raw(folder, ["212:5"] * 3 + ["212:611"] + ["212"] * 8),
    "several rates": lambda folder: _raw(
        folder, ["16x3"] * 5 + ["16x2"] * 3 + ["16x1:4"] * 4
    ),
    "508": lambda folder: _flac(folder, "508"),
    "516": lambda folder: _flac(folder, "516"),
    "524": lambda folder: _flac(folder, "524"),
    "segments": _segments,
}


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_are_those_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = KINDS[kind](tmp_path)
    whole = read_record(path)
    for module in (frame_signal, frames, interleaved):
        monkeypatch.setattr(module, "COUNTS_AT_ONCE", 12 * 50)
    for length in (77, 400):
        opened, signal = open_record(path)
        assert signal.n_samples == whole.signal.shape[1] == whole.n_samples_original
        assert opened.fs == whole.fs == read_header(path).fs
        signal_hash = SignalHash()
        for begin in range(0, signal.n_samples, length):
            end = min(begin + length, signal.n_samples)
            piece = signal.read(begin, end)
            np.testing.assert_array_equal(piece, whole.signal[:, begin:end])
            signal_hash.update(piece)
        assert signal_hash.hexdigest() == signal_sha256(whole.signal)
        for name in ("checksum_differs", "first_value_differs"):
            assert getattr(signal, name).tolist() == getattr(whole, name).tolist()
    _, signal = open_record(path)
    np.testing.assert_array_equal(signal.read(333, 444), whole.signal[:, 333:444])
    assert not signal.checksum_differs.any()


@pytest.mark.parametrize("storage", ["16", "212"])
@pytest.mark.parametrize("length", [300_000, 0])
def test_a_long_record_is_scanned_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str, length: int
) -> None:
    """The signal has 29 MB; a day of it would need no more memory."""
    monkeypatch.setattr(pieces, "_PIECE", 1 << 13)
    for module in (frame_signal, interleaved):
        monkeypatch.setattr(module, "COUNTS_AT_ONCE", 1 << 16)
    n_bytes = 300_000 * 12 * 2 if storage == "16" else 300_000 * 12 * 3 // 2
    content = np.random.default_rng(3).bytes(n_bytes)
    (tmp_path / "long.dat").write_bytes(content)
    del content
    (tmp_path / "long.hea").write_text(_lines("long", length, [storage] * 12))
    folders = scan.Folders.of([tmp_path])
    config = Config(max_gap_s=10)
    tables = RecordTables([], config)
    scanner = scan.Scanner(config, folders, tables, with_signals=True)
    headers = [*folders.headers(lambda *_: None)]
    scanner(headers)  # imports and compiles
    tracemalloc.start()
    [entry] = scanner(headers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert entry.status == Status.SELECTED, entry.detail
    assert entry.n_samples == 300_000
    assert entry.sha256 == signal_sha256(read_record(tmp_path / "long.hea").signal)
    assert peak < 6_000_000


@pytest.mark.parametrize("kind", ["212", "310", "8", "16x3", "several rates"])
def test_a_file_that_becomes_shorter_is_refused(tmp_path: Path, kind: str) -> None:
    """What a file no longer holds is no signal of zeros."""
    path = KINDS[kind](tmp_path)
    _, signal = open_record(path)
    os.truncate(path.with_suffix(".dat"), 100)
    with pytest.raises(RecordError) as caught:
        signal.read(0, signal.n_samples)
    assert caught.value.reason is Reason.TRUNCATED_SIGNAL_FILE


# Several samples in a frame.


def test_samples_in_a_frame_are_samples_of_the_lead(tmp_path: Path) -> None:
    """A second of 1000 samples is what EDF files become."""
    adc = np.random.default_rng(4).integers(-900, 900, (5, 12, 1000)).astype("<i2")
    (tmp_path / "edf.dat").write_bytes(adc.tobytes())
    path = tmp_path / "edf.hea"
    path.write_text(_lines("edf", 5, ["16x1000"] * 12, fs=1))
    record = read_record(path)
    assert (record.fs, record.n_samples_original) == (1000.0, 5000)
    assert read_header(path).fs == 1000.0
    expected = (adc.transpose(1, 0, 2).reshape(12, 5000) - 3) / 1000
    np.testing.assert_array_equal(record.signal, expected)
    beginning = read_record(path, max_samples=1234)
    np.testing.assert_array_equal(beginning.signal, expected[:, :1234])


def test_segments_may_have_several_samples_in_a_frame(tmp_path: Path) -> None:
    """The lengths in their record's header are numbers of frames."""
    parts = [_raw(tmp_path, ["16x3"] * 12, name) for name in ("p1", "p2")]
    path = tmp_path / "multi.hea"
    path.write_text(f"multi/3 12 500\np1 {N_FRAMES}\n~ 90\np2 {N_FRAMES}\n")
    record = read_record(path)
    assert (record.fs, record.n_samples_original) == (1500.0, 3 * (2 * N_FRAMES + 90))
    first, second = (read_record(part).signal for part in parts)
    gap = np.full((N_LEADS, 3 * 90), np.nan)
    np.testing.assert_array_equal(record.signal, np.hstack([first, gap, second]))


def _waves(times: np.ndarray) -> np.ndarray:
    """Return waves below 40 Hz at times in s, in counts."""
    rng = np.random.default_rng(5)
    waves = [
        rng.uniform(500, 900) * np.sin(2 * np.pi * (rng.uniform(1, 40) * times + phase))
        for phase in rng.uniform(size=6)
    ]
    return np.asarray(np.sum(waves, axis=0))


def _two_rates(folder: Path, slow: np.ndarray, fast: np.ndarray) -> Path:
    """Write leads of 100 and 250 Hz in frames of 50 Hz, and a fast lead of no ECG."""
    n_frames = slow.size // 2
    frames_ = [slow.reshape(-1, 2)] * 6 + [fast.reshape(-1, 5)] * 6
    frames_.append(np.zeros((n_frames, 20)))
    (folder / "two.dat").write_bytes(np.hstack(frames_).astype("<i2").tobytes())
    text = _lines("two", n_frames, ["16x2"] * 6 + ["16x5"] * 6, fs=50)
    lines = text.replace("two 12", "two 13").splitlines()
    lines.insert(13, "two.dat 16x20 1000/mV 16 0 0 0 0 resp")
    path = folder / "two.hea"
    path.write_text("\n".join(lines))
    return path


def test_slow_leads_are_interpolated(tmp_path: Path) -> None:
    slow, fast = (np.rint(_waves(np.arange(10 * fs) / fs)) for fs in (100, 250))
    record = read_record(_two_rates(tmp_path, slow, fast))
    assert record.fs == 250.0
    expected = (fast - 3) / 1000
    np.testing.assert_array_equal(record.signal[6:], np.tile(expected, (6, 1)))
    np.testing.assert_array_equal(record.signal[0, ::5], (slow[::2] - 3) / 1000)
    inner = slice(50, -50)  # a fifth of a second from the ends
    np.testing.assert_allclose(
        record.signal[:6, inner], np.tile(expected[inner], (6, 1)), atol=2e-3
    )


def test_a_missing_sample_of_a_slow_lead_does_not_spread(tmp_path: Path) -> None:
    slow, fast = np.full(1000, 503), np.full(2500, 3)
    slow[[0, 300, 301, 302, 999]] = -32768
    signal = read_record(_two_rates(tmp_path, slow, fast)).signal
    missing = np.isnan(signal[0])
    # Samples of the lead lie 2.5 samples of the record apart.
    expected = [0, 1, 2, *range(748, 758), 2495 + 1, 2497, 2498, 2499]
    assert np.flatnonzero(missing).tolist() == expected
    np.testing.assert_allclose(signal[0, ~missing], 0.5, rtol=1e-12)
    assert not np.isnan(signal[6:]).any()


@pytest.mark.parametrize(
    ("storages", "fs", "reason"),
    [
        (["16x49"] * 12, 1, Reason.BAD_SAMPLING_RATE),
        (["16x49"] + ["16x500"] * 11, 1, Reason.BAD_SAMPLING_RATE),
        (["16x4999"] + ["16x5000"] * 11, 0.1, Reason.BAD_SAMPLING_RATE),
        (["16x30000"] * 12, 0.01, Reason.TOO_LARGE),
    ],
)
def test_impossible_rates_are_refused(
    tmp_path: Path, storages: list[str], fs: float, reason: Reason
) -> None:
    (tmp_path / "raw.dat").write_bytes(bytes(800_000))
    path = tmp_path / "raw.hea"
    path.write_text(_lines("raw", 1, storages, fs=fs))
    with pytest.raises(RecordError) as caught:
        open_record(path)
    assert caught.value.reason is reason


# Files and headers that claim much.


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the name of every header that is parsed."""
    names: list[str] = []
    original = header._parse

    def parse(text: str) -> header.Header:
        names.append(text.split()[0])
        return original(text)

    monkeypatch.setattr(header, "_parse", parse)
    return names


def test_a_segment_that_is_named_often_is_refused_at_once(
    tmp_path: Path, parsed: list[str]
) -> None:
    _raw(tmp_path, ["16"] * 12, "p1")
    path = tmp_path / "multi.hea"
    path.write_text("multi/60000 12 500\n" + f"p1 {N_FRAMES}\n" * 60_000)
    assert read_header(path).files(path) == ["multi.hea", "p1.hea", "p1.dat"]
    with pytest.raises(RecordError, match="expected at most 10 times") as caught:
        open_record(path)
    assert caught.value.reason is Reason.TOO_LARGE
    assert parsed.count("p1") == 2  # for the rate, and for the names of the files


def test_each_segment_is_opened_once(tmp_path: Path, parsed: list[str]) -> None:
    _raw(tmp_path, ["16"] * 12, "p1")
    path = tmp_path / "multi.hea"
    path.write_text("multi/9 12 500\n" + f"p1 {N_FRAMES}\n" * 9)
    signal = read_record(path).signal
    np.testing.assert_array_equal(signal[:, :N_FRAMES], signal[:, -N_FRAMES:])
    assert parsed == ["multi/9", "p1"]


def _claim(path: Path, n_samples: int) -> None:
    """Write another number of samples into the header of a FLAC file."""
    content = bytearray(path.read_bytes())
    content[21] = content[21] & 0xF0 | n_samples >> 32
    content[22:26] = (n_samples & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("n_samples", "reason"),
    [(1 << 35, Reason.TRUNCATED_SIGNAL_FILE), (50_000, Reason.UNREADABLE_SIGNAL)],
)
def test_a_flac_file_that_claims_more_is_refused(
    tmp_path: Path, n_samples: int, reason: Reason
) -> None:
    path = _flac(tmp_path, "516")
    path.write_text(path.read_text().replace(f"500 {N_FRAMES}", f"500 {n_samples}"))
    for file in tmp_path.glob("*.dat"):
        _claim(file, n_samples)
    tracemalloc.start()
    with pytest.raises(RecordError) as caught:
        read_record(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.reason is reason
    assert peak < 12_000_000


def test_a_large_matlab_file_that_was_saved_again_is_refused(
    write_record: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_record("A0001")
    content = path.with_suffix(".mat").read_bytes()
    path.with_suffix(".mat").write_bytes(content.replace(b"val", b"ecg", 1))
    read_record(path)
    monkeypatch.setattr(interleaved, "_MAX_SAVED_BYTES", len(content) - 1)
    with pytest.raises(RecordError, match="must be read as a whole") as caught:
        read_record(path)
    assert caught.value.reason is Reason.TOO_LARGE
