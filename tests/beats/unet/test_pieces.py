"""Long records in pieces: the result is that of one pass, wherever the pieces begin."""

import numpy as np
import pytest

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats import Beats, BeatStatus, find_beats
from ecgstore.beats.unet import pieces
from ecgstore.beats.unet.engine import find_beats_read
from ecgstore.beats.unet.pieces import find_in_pieces
from ecgstore.record import N_LEADS, Mark
from ecgstore.sample import sample_folder
from ecgstore.signals.preprocess import bandpass
from ecgstore.sources import read_record

FS = 250.0
N_SAMPLES = 30_000


@pytest.fixture(scope="module")
def signal() -> FloatArray:
    """Return 2 min of three leads: records of different hearts behind each other."""
    parts = []
    for header in sorted(sample_folder().rglob("HR*.hea"))[:12]:
        record = read_record(header)
        filtered = bandpass(record.signal[[1, 6, 10], :5000], record.fs, 0.5, 40.0, 3)
        parts.append(filtered[:, :: round(record.fs / FS)])
    return np.concatenate(parts, axis=1)[:, :N_SAMPLES]


def in_pieces(
    monkeypatch: pytest.MonkeyPatch, signal: FloatArray, piece_s: float
) -> Beats:
    """Return the beats found in pieces of a length, with margins of 32 s."""
    monkeypatch.setattr(pieces, "PIECE_S", piece_s)
    return find_beats(signal, FS, leads=["II", "V1", "V5"])


@pytest.mark.parametrize("piece_s", [32.0, 40.0, 56.0])
def test_pieces_give_the_result_of_one_pass(
    monkeypatch: pytest.MonkeyPatch, signal: FloatArray, piece_s: float
) -> None:
    """The scales of the leads differ a little, and so do some marks, by a sample."""
    whole = find_beats(signal, FS, leads=["II", "V1", "V5"])
    beats = in_pieces(monkeypatch, signal, piece_s)
    assert len(whole.r_peaks) > 100
    distance = np.abs(np.subtract.outer(whole.r_peaks, beats.r_peaks)).min(axis=1)
    assert (distance <= 1).mean() >= 0.98
    assert abs(len(beats.r_peaks) - len(whole.r_peaks)) <= 1
    assert (np.diff(beats.r_peaks) >= 0.2 * FS).all()
    for lead in beats.fiducials:
        assert (np.diff(lead[lead >= 0]) >= 0).all()


def test_pieces_of_a_periodic_record_are_exact(
    monkeypatch: pytest.MonkeyPatch, signal: FloatArray
) -> None:
    """Where all pieces have the same scales, every mark is that of one pass."""
    periodic = np.tile(signal[:, :2000], 24)  # 192 s
    monkeypatch.setattr(pieces, "PIECE_S", 600.0)
    whole = find_beats(periodic, FS, leads=["II", "V1", "V5"])
    beats = in_pieces(monkeypatch, periodic, 64.0)
    np.testing.assert_array_equal(beats.r_peaks, whole.r_peaks)
    np.testing.assert_array_equal(beats.fiducials, whole.fiducials)


def test_a_record_that_is_read_in_pieces_has_the_same_beats(
    monkeypatch: pytest.MonkeyPatch, signal: FloatArray
) -> None:
    """And no more of it is asked for than a piece with its margins."""
    expected = in_pieces(monkeypatch, signal, 32.0)
    longest = 0

    def read(begin: int, end: int) -> FloatArray:
        nonlocal longest
        longest = max(longest, end - begin)
        return signal[:, begin:end]

    beats = find_beats_read(read, signal.shape[1], FS)
    np.testing.assert_array_equal(beats.fiducials, expected.fiducials)
    assert longest <= 96 * FS


def made_up_beats(shift: int) -> Beats:
    """Return regular beats, a sample earlier or later in all leads."""
    r_peaks = np.arange(200, 100_000, 250) + shift
    around = np.array([-50, -40, -30, -12, 0, 12, 60, 80, 100])
    marks: IntArray = np.tile(r_peaks[:, None] + around, (N_LEADS, 1, 1))
    return Beats(r_peaks, marks, BeatStatus.OK)


@pytest.mark.parametrize("shifts", [(0, 0), (0, -3), (0, 3), (-9, 9), (9, -9)])
@pytest.mark.parametrize("border", [-2, -1, 0, 1, 2, 10])
def test_a_beat_at_a_border_is_found_once(
    monkeypatch: pytest.MonkeyPatch, shifts: tuple[int, int], border: int
) -> None:
    """Though two pieces place it at different samples, on either side."""
    monkeypatch.setattr(pieces, "PIECE_S", 100.0)
    n_samples, margin = 100_000, round(pieces.MARGIN_S * FS)
    size = 25_000

    def read(begin: int, end: int) -> FloatArray:
        return np.array([[begin, end]], np.float64)

    def find(part: FloatArray) -> Beats:
        begin, end = part[0].astype(int)
        number = (begin + margin) // size if begin else 0
        all_beats = made_up_beats(shifts[number % 2] + border + 50)
        inside = (all_beats.r_peaks >= begin + 60) & (all_beats.r_peaks < end - 110)
        return Beats(
            all_beats.r_peaks[inside] - begin,
            all_beats.fiducials[:, inside] - begin,
            BeatStatus.OK,
        )

    beats = find_in_pieces(find, read, n_samples, FS, None)
    assert len(beats.r_peaks) in (398, 399)
    assert np.abs(np.diff(beats.r_peaks) - 250).max() <= 18
    for lead in beats.fiducials:
        assert (np.diff(lead[lead >= 0]) >= 0).all()
    first = find_in_pieces(find, read, n_samples, FS, 150)
    assert first.status == BeatStatus.TOO_MANY_BEATS
    np.testing.assert_array_equal(first.r_peaks, beats.r_peaks[:150])
    np.testing.assert_array_equal(first.fiducials, beats.fiducials[:, :150])


@pytest.mark.parametrize("rest_s", [1.0, 2.0, 7.0, 31.0, 33.0, 99.0])
def test_a_last_piece_of_any_length_is_analysed(
    monkeypatch: pytest.MonkeyPatch, rest_s: float
) -> None:
    monkeypatch.setattr(pieces, "PIECE_S", 100.0)
    n_samples = round((200 + rest_s) * FS)
    every = made_up_beats(0)
    inside = every.r_peaks < n_samples
    expected = every.r_peaks[inside], every.fiducials[:, inside]

    def find(part: FloatArray) -> Beats:
        begin, end = part[0].astype(int)
        here = (every.r_peaks >= begin) & (every.r_peaks < end)
        r_peaks, marks = every.r_peaks[here] - begin, every.fiducials[:, here] - begin
        return Beats(r_peaks, marks, BeatStatus.OK)

    def read(begin: int, end: int) -> FloatArray:
        assert 0 <= begin < end <= n_samples
        return np.array([[begin, end]], np.float64)

    beats = find_in_pieces(find, read, n_samples, FS, None)
    np.testing.assert_array_equal(beats.r_peaks, expected[0])
    np.testing.assert_array_equal(beats.fiducials[:, 1:-1], expected[1][:, 1:-1])


def test_overlapping_waves_at_a_border_are_dropped() -> None:
    before = np.array([[1, 2, 3, 10, 20, 30, 40, 50, 60]])
    after = np.array([[55, 60, 65, 70, 80, 90, 100, 110, 120]])
    pieces._separate(before, after)
    assert (after[0, : Mark.QRS_ON] == -1).all()
    assert before[0, Mark.T_OFF] == 60
    after[0, Mark.QRS_ON] = 58
    pieces._separate(before, after)
    assert (before[0, Mark.T_ON :] == -1).all()
    assert before[0, Mark.QRS_OFF] == 30


def test_long_records_without_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    beats = in_pieces(monkeypatch, np.zeros((3, N_SAMPLES)), 32.0)
    assert beats.status == BeatStatus.NO_BEATS
    assert beats.fiducials.shape == (3, 0, 9)
