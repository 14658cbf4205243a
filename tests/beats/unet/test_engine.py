"""The engine "ecgstore" on real records, on changed ones, and on other signals."""

import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats import Beats, BeatStatus, find_beats
from ecgstore.beats.engines import ENGINES
from ecgstore.beats.unet._decoding_kernels import find_complexes
from ecgstore.beats.unet.decoding import decode
from ecgstore.beats.unet.engine import find_beats_with
from ecgstore.beats.unet.evidence import Evidence, weights
from ecgstore.errors import ConfigError
from ecgstore.features import compute
from ecgstore.record import LEADS, Mark
from ecgstore.sample import sample_folder
from ecgstore.signals.preprocess import bandpass
from ecgstore.sources import read_record

FS = 500.0
NAMES = ("HR00001", "HR00049", "E07500", "A0006")
WAVES = (
    (Mark.P_ON, Mark.P_PEAK, Mark.P_OFF),
    (Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF),
    (Mark.T_ON, Mark.T_PEAK, Mark.T_OFF),
)


@functools.cache
def normal_record() -> FloatArray:
    """Return 10 s of sinus rhythm of 12 leads, filtered as by default."""
    header = sorted(sample_folder().rglob("HR*.hea"))[0]
    signal = read_record(header).signal[:, :5000]
    return bandpass(signal, FS, 0.5, 40.0, 3)


@functools.cache
def sample_records() -> list[FloatArray]:
    """Return every fourth record of the bundled sample, at 500 Hz."""
    signals = []
    for header in sorted(sample_folder().rglob("*.hea"))[::4]:
        record = read_record(header)
        if record.fs == FS:
            signals.append(bandpass(record.signal[:, :5000], FS, 0.5, 40.0, 3))
    return signals


def find(signal: FloatArray, fs: float = FS, max_beats: int = 200) -> Beats:
    """Find beats, and assert what holds for any result."""
    beats = find_beats(signal, fs, max_beats=max_beats)
    assert_valid(beats, len(signal), signal.shape[1], fs, max_beats)
    return beats


def assert_valid(
    beats: Beats, n_leads: int, n_samples: int, fs: float, max_beats: int
) -> None:
    """Assert what holds for the result of any search for beats."""
    n_beats = len(beats.r_peaks)
    assert isinstance(beats.status, BeatStatus)
    assert n_beats <= max_beats
    assert beats.r_peaks.dtype == beats.fiducials.dtype == np.int64
    assert beats.fiducials.shape == (n_leads, n_beats, 9)
    assert (np.diff(beats.r_peaks) >= 0.2 * fs).all()
    marks = beats.fiducials
    present = marks >= 0
    assert (present | (marks == -1)).all()
    assert (marks < n_samples).all()
    for lead in marks:
        assert (np.diff(lead[lead >= 0]) >= 0).all()
        r_peaks = lead[:, Mark.R_PEAK]
        assert (lead[r_peaks < 0] == -1).all()
        assert (np.abs(r_peaks - beats.r_peaks)[r_peaks >= 0] <= 0.1 * fs).all()
    for wave in WAVES:
        places = marks[..., wave]
        whole = present[..., wave].all(axis=-1)
        if wave[1] != Mark.R_PEAK:
            assert (whole | ~present[..., wave].any(axis=-1)).all()
        assert (np.diff(places[whole]) > 0).all()


def assert_alike(
    got: IntArray, expected: IntArray, within: float, part: float = 0.98
) -> None:
    """Assert that two results have the same marks, within some samples."""
    assert got.shape == expected.shape
    both = (got >= 0) & (expected >= 0)
    neither = (got < 0) & (expected < 0)
    assert (both | neither).mean() >= part
    assert (np.abs(got - expected)[both] <= within).mean() >= part


@pytest.fixture(scope="module")
def signal() -> FloatArray:
    return normal_record()


@pytest.fixture(scope="module")
def expected() -> Beats:
    return find(normal_record())


def test_a_normal_record_has_all_waves(expected: Beats) -> None:
    assert expected.status == BeatStatus.OK
    assert 8 <= len(expected.r_peaks) <= 14
    inner = expected.fiducials[:, 1:-1]
    assert (inner >= 0).mean() > 0.95
    rr = np.diff(expected.r_peaks) / FS
    assert rr.max() < 1.5 * rr.min()


def test_r_peaks_are_extrema(signal: FloatArray, expected: Beats) -> None:
    lead = LEADS.index("II")
    for r in expected.fiducials[lead, :, Mark.R_PEAK]:
        around = signal[lead, r - 5 : r + 6]
        assert signal[lead, r] in (around.max(), around.min())


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_agree_on_a_normal_record(engine: str, expected: Beats) -> None:
    beats = find_beats(normal_record(), FS, max_beats=50, engine=engine)
    assert len(beats.r_peaks) == len(expected.r_peaks)
    assert np.abs(beats.r_peaks - expected.r_peaks).max() <= 10


def test_wrong_arguments_are_named(signal: FloatArray) -> None:
    with pytest.raises(ValueError, match=r"shape \(5000, 12\); expected \(12, n_samp"):
        find_beats(signal.T, FS, max_beats=50)
    with pytest.raises(ValueError, match="fs is 20; expected a sampling rate of at le"):
        find_beats(signal, 20, max_beats=50)
    with pytest.raises(ValueError, match="max_beats is 0; expected 1 or more"):
        find_beats(signal, FS, max_beats=0)
    with pytest.raises(ValueError, match="engine is 'x'; expected one of ecgstore, ne"):
        find_beats(signal, FS, max_beats=5, engine="x")
    with pytest.raises(ValueError, match=r"\(12, 5000\); expected \(2, n_samples\):"):
        find_beats(signal, FS, leads=["II", "V5"])
    with pytest.raises(ConfigError, match=r"'V7'\]; expected some of I, .*V6, X, Y, Z"):
        find_beats(signal[:2], FS, leads=["II", "V7"])
    with pytest.raises(ConfigError, match="each once"):
        find_beats(signal[:2], FS, leads=["II", "ii"])


def test_neither_neurokit_nor_torch_is_loaded() -> None:
    code = (
        "import sys, numpy as np; from ecgstore.beats import find_beats; "
        "assert 'numba' not in sys.modules; "
        "find_beats(np.random.default_rng(0).normal(0, 1, (12, 5000)), 500.0, "
        "max_beats=9); "
        "print(sorted({'torch', 'neurokit2', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# Invariances


@pytest.mark.parametrize("scale", [1e-3, 0.01, 0.3, 30.0, 1e3])
def test_beats_do_not_depend_on_the_amplitude(
    signal: FloatArray, expected: Beats, scale: float
) -> None:
    beats = find(signal * scale)
    np.testing.assert_array_equal(beats.r_peaks, expected.r_peaks)
    assert (beats.fiducials == expected.fiducials).mean() > 0.99


def test_beats_do_not_depend_on_the_amplitude_of_single_leads(
    signal: FloatArray, expected: Beats
) -> None:
    scales = np.exp(np.linspace(-3, 3, 12))[:, None]
    beats = find(signal * scales)
    assert (beats.fiducials == expected.fiducials).mean() > 0.99


@pytest.mark.parametrize("shift", [1, 2, 3, 5, 7, 16, 32, 101])
def test_marks_shift_with_the_signal(
    signal: FloatArray, expected: Beats, shift: int
) -> None:
    """Without the first samples, all waves are marked at the same times."""
    beats = find(signal[:, shift:])
    kept = expected.r_peaks - shift >= 0.2 * FS
    np.testing.assert_allclose(
        beats.r_peaks[-kept.sum() :] + shift, expected.r_peaks[kept], atol=2
    )
    got = beats.fiducials[:, -kept.sum() :]
    shifted = np.where(got >= 0, got + shift, -1)
    assert_alike(shifted[:, 1:], expected.fiducials[:, kept][:, 1:], within=8)


@pytest.mark.parametrize("before", [0, 250, 1234])
@pytest.mark.parametrize("after", [0, 777, 3000])
def test_padding_changes_nothing(
    signal: FloatArray, expected: Beats, before: int, after: int
) -> None:
    padded = np.pad(signal, ((0, 0), (before, after)))
    beats = find(padded)
    inner = slice(1, -1)
    n = len(expected.r_peaks)
    first = int(np.abs(beats.r_peaks - before - expected.r_peaks[1]).argmin())
    got = beats.fiducials[:, first : first + n - 2]
    shifted = np.where(got >= 0, got - before, -1)
    assert_alike(shifted, expected.fiducials[:, inner], within=8, part=0.97)
    assert n - 1 <= len(beats.r_peaks) <= n + 1


@pytest.mark.parametrize("fs", [100.0, 250.0, 257.0, 333.3, 1000.0, 2000.0])
def test_beats_do_not_depend_on_the_sampling_rate(
    signal: FloatArray, expected: Beats, fs: float
) -> None:
    n = int(10 * fs)
    times, fine = np.arange(n) / fs, np.arange(5000) / FS
    resampled = np.array([np.interp(times, fine, lead) for lead in signal])
    beats = find(resampled, fs)
    assert len(beats.r_peaks) == len(expected.r_peaks)
    ms = np.where(beats.fiducials >= 0, np.round(beats.fiducials * 1000 / fs), -1)
    expected_ms = np.where(expected.fiducials >= 0, expected.fiducials * 2, -1)
    assert_alike(ms[:, 1:-1], expected_ms[:, 1:-1], within=12, part=0.95)


def test_beats_do_not_depend_on_the_order_of_leads(
    signal: FloatArray, expected: Beats
) -> None:
    order = np.random.default_rng(0).permutation(12)
    beats = find(signal[order])
    np.testing.assert_array_equal(beats.r_peaks, expected.r_peaks)
    assert (beats.fiducials == expected.fiducials[order]).mean() > 0.999


@pytest.mark.parametrize("how", ["noise", "flat", "nan", "inverted", "steps", "spikes"])
@pytest.mark.parametrize("lead", [0, 1, 7])
def test_one_destroyed_lead_changes_no_other(
    signal: FloatArray, expected: Beats, how: str, lead: int
) -> None:
    rng = np.random.default_rng(lead)
    destroyed = signal.copy()
    destroyed[lead] = {
        "noise": rng.normal(0, 1, 5000),
        "flat": np.zeros(5000),
        "nan": np.full(5000, np.nan),
        "inverted": -signal[lead],
        "steps": np.repeat(rng.normal(0, 5, 50), 100),
        "spikes": np.where(rng.random(5000) < 0.002, 50.0, 0.0),
    }[how]
    beats = find(destroyed)
    np.testing.assert_allclose(beats.r_peaks, expected.r_peaks, atol=3)
    others = np.delete(beats.fiducials, lead, 0)
    assert_alike(others, np.delete(expected.fiducials, lead, 0), 10, part=0.96)
    if how in ("flat", "nan"):
        assert (beats.fiducials[lead] == -1).all()
    if how == "inverted":
        assert_alike(beats.fiducials[lead], expected.fiducials[lead], 15, part=0.9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, 0.37, 1e9])
@pytest.mark.parametrize("lead", [0, 7, 11])
def test_a_lead_that_is_left_out_is_as_good_as_absent(
    signal: FloatArray, bad: float, lead: int
) -> None:
    """The others are exactly the same: the network does not get the lead at all."""
    absent = np.delete(signal, lead, 0)
    expected = find_beats_with(weights(), absent, FS, 200)
    disturbed = signal.copy()
    disturbed[lead] = bad
    if bad == 1e9:
        disturbed[lead, ::2] = -bad
    beats = find(disturbed)
    np.testing.assert_array_equal(beats.r_peaks, expected.r_peaks)
    others = np.delete(beats.fiducials, lead, 0)
    np.testing.assert_array_equal(others, expected.fiducials)
    assert (beats.fiducials[lead] == -1).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_marks_come_in_the_order_of_the_given_leads(
    signal: FloatArray, engine: str
) -> None:
    leads = ["V5", "aVR", "II"]
    rows = [LEADS.index(lead) for lead in leads]
    beats = find_beats(signal[rows], FS, leads=leads, engine=engine)
    assert beats.fiducials.shape == (3, len(beats.r_peaks), 9)
    back = find_beats(signal[rows[::-1]], FS, leads=leads[::-1], engine=engine)
    np.testing.assert_array_equal(back.r_peaks, beats.r_peaks)
    assert (back.fiducials == beats.fiducials[::-1]).mean() > 0.99
    assert len(beats.r_peaks) >= 8
    assert (beats.fiducials[..., Mark.R_PEAK] >= 0).all()


def test_orthogonal_leads_are_leads_like_others(
    signal: FloatArray, expected: Beats
) -> None:
    """X, Y and Z by Kors et al. 1990, from eight leads, beside the twelve."""
    kors = np.array(
        [
            [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
            [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
            [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
        ]
    )
    xyz = kors @ signal[[0, 1, 6, 7, 8, 9, 10, 11]]
    both = np.concatenate([signal, xyz])
    beats = find_beats(both, FS, leads=[*LEADS, "x", "y", "z"])
    np.testing.assert_allclose(beats.r_peaks, expected.r_peaks, atol=3)
    alone = find_beats(xyz, FS, leads=["X", "Y", "Z"])
    np.testing.assert_allclose(alone.r_peaks, expected.r_peaks, atol=12)
    assert (alone.fiducials[..., Mark.R_PEAK] >= 0).all()


@pytest.mark.parametrize("n_leads", [1, 2, 3, 6])
def test_few_leads_are_enough(
    signal: FloatArray, expected: Beats, n_leads: int
) -> None:
    few = np.zeros_like(signal)
    kept = [1, 7, 10, 0, 5, 8][:n_leads]
    few[kept] = signal[kept]
    beats = find(few)
    np.testing.assert_allclose(beats.r_peaks, expected.r_peaks, atol=12)
    assert (np.delete(beats.fiducials, kept, 0) == -1).all()


def test_short_gaps_are_filled(signal: FloatArray, expected: Beats) -> None:
    gaps = signal.copy()
    for k, lead in enumerate(gaps):
        lead[100 + 300 * k : 100 + 300 * k + 40] = np.nan
    beats = find(gaps)
    np.testing.assert_allclose(beats.r_peaks, expected.r_peaks, atol=3)
    assert (beats.fiducials[..., Mark.R_PEAK] >= 0).all()


# Heart rates


def with_rate(signal: FloatArray, beats: Beats, rr_s: FloatArray) -> FloatArray:
    """Return a record with other RR intervals, made of the beats of another.

    Between two beats, the time from T to P is stretched, or the whole interval behind
    the QRS complex is compressed.
    """
    pieces = []
    r = beats.r_peaks
    for k, seconds in enumerate(rr_s):
        b = 1 + k % (len(r) - 3)
        begin, end = r[b] - 40, r[b + 1] - 40
        piece = signal[:, begin:end]
        n = round(seconds * FS)
        t_end = int(0.62 * (end - begin))  # between T and P
        if n >= piece.shape[1]:
            source = np.concatenate(
                [
                    np.arange(t_end),
                    np.linspace(t_end, t_end + 20, n - piece.shape[1]),
                    np.arange(t_end, piece.shape[1]),
                ]
            )
        else:
            source = np.concatenate(
                [np.arange(70), np.linspace(70, piece.shape[1] - 1, n - 70)]
            )
        places = np.arange(piece.shape[1])
        pieces.append(np.array([np.interp(source, places, lead) for lead in piece]))
    return np.concatenate(pieces, axis=1)


@pytest.mark.parametrize("rate", [20, 30, 40, 60, 90, 120, 150, 180, 220, 250])
def test_every_beat_is_detected_at_any_rate(
    signal: FloatArray, expected: Beats, rate: int
) -> None:
    n = max(4, rate // 6)
    changed = with_rate(signal, expected, np.full(n, 60 / rate))
    beats = find(changed)
    true = 40 + np.concatenate([[0], np.cumsum(np.full(n - 1, round(FS * 60 / rate)))])
    inside = true[(true > 60) & (true < changed.shape[1] - 60)]
    distance = np.abs(np.subtract.outer(inside, beats.r_peaks))
    assert (distance.min(axis=1) <= 25).all()
    assert len(true) - 2 <= len(beats.r_peaks) <= len(true) + 1


def test_a_pause_has_no_beats(signal: FloatArray, expected: Beats) -> None:
    rr = np.array([0.8, 0.8, 4.0, 0.8, 0.8])
    beats = find(with_rate(signal, expected, rr))
    intervals = np.diff(beats.r_peaks) / FS
    assert (intervals > 3.5).sum() == 1
    assert np.sum(intervals < 1.2) >= 3


# What is no ECG


@pytest.mark.parametrize("value", [0.0, 0.37, -5.0])
def test_a_flat_record_has_no_beats(value: float) -> None:
    beats = find(np.full((12, 5000), value))
    assert beats.status == BeatStatus.NO_BEATS
    assert not len(beats.r_peaks)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("filtered", [True, False])
def test_white_noise_has_no_beats(seed: int, filtered: bool) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.2, (12, 5000))
    beats = find(bandpass(noise, FS, 0.5, 40.0, 3) if filtered else noise)
    assert beats.status == BeatStatus.NO_BEATS


def test_asystole_has_no_beats() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(5000) / FS
    wander = np.sin(2 * np.pi * (0.2 * time + rng.random((12, 1))))
    for noise in (0.001, 0.01, 0.03):
        signal = 0.1 * wander + rng.normal(0, noise, (12, 5000))
        assert find(bandpass(signal, FS, 0.5, 40.0, 3)).status == BeatStatus.NO_BEATS


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, 1e9, 0.0])
@pytest.mark.parametrize("n_bad", [1, 6, 11, 12])
def test_unusable_leads_do_not_affect_the_beats(
    signal: FloatArray, expected: Beats, bad: float, n_bad: int
) -> None:
    disturbed = signal.copy()
    if bad == 0.0 or np.isnan(bad):
        disturbed[:n_bad] = bad
    else:
        disturbed[:n_bad, 2345] = bad
    beats = find(disturbed)
    if n_bad == 12:
        assert beats.status == BeatStatus.NO_BEATS
    else:
        assert beats.status == BeatStatus.OK
        assert len(beats.r_peaks) == len(expected.r_peaks)
        assert (beats.fiducials[:n_bad] == -1).all()
        assert (beats.fiducials[n_bad:, :, Mark.R_PEAK] >= 0).all()


@pytest.mark.parametrize("fs", [250.0, 500.0, 1000.0])
@pytest.mark.parametrize("at_s", [0.0, 4.4, 5.3])
def test_spikes_in_most_leads_make_no_other_flat(fs: float, at_s: float) -> None:
    fine = normal_record()
    times = np.arange(int(10 * fs)) / fs
    signal = np.array([np.interp(times, np.arange(5000) / FS, lead) for lead in fine])
    # Two that were not connected: rounding, and a constant.
    signal[10] = 0.001 * (np.arange(len(times)) % 3)
    signal[11] = 0.2
    expected = find(signal, fs)
    assert (expected.fiducials[:10, :, Mark.R_PEAK] >= 0).all()
    signal[:7, int(at_s * fs)] += 1000  # mV, far above any voltage of a record
    beats = find(signal, fs)
    # A spike in most leads may be taken for a beat, but no beat is lost.
    distance = np.abs(np.subtract.outer(expected.r_peaks, beats.r_peaks))
    assert (distance.min(axis=1) <= 0.01 * fs).all()
    assert (beats.fiducials[7:10, :, Mark.R_PEAK] >= 0).all()
    assert (beats.fiducials[10:] == -1).all()


@pytest.mark.parametrize("n_samples", [0, 1, 2, 3, 10, 100, 500, 999, 2000])
def test_short_records_give_a_valid_result(signal: FloatArray, n_samples: int) -> None:
    beats = find(signal[:, :n_samples])
    if n_samples <= 10:
        assert beats.status == BeatStatus.NO_BEATS


def test_a_single_beat_is_detected(signal: FloatArray, expected: Beats) -> None:
    middle = int(expected.r_peaks[3])
    one = np.zeros_like(signal)
    one[:, middle - 150 : middle + 250] = signal[:, middle - 150 : middle + 250]
    beats = find(one)
    assert beats.status == BeatStatus.OK
    np.testing.assert_allclose(beats.r_peaks, [middle], atol=3)


def test_all_beats_are_returned_by_default(expected: Beats) -> None:
    beats = find_beats(normal_record(), FS)
    np.testing.assert_array_equal(beats.fiducials, expected.fiducials)
    assert beats.status == BeatStatus.OK


def test_beats_beyond_max_beats_are_dropped(
    signal: FloatArray, expected: Beats
) -> None:
    beats = find(signal, max_beats=3)
    assert beats.status == BeatStatus.TOO_MANY_BEATS
    np.testing.assert_array_equal(beats.r_peaks, expected.r_peaks[:3])
    np.testing.assert_array_equal(beats.fiducials, expected.fiducials[:, :3])


def test_long_records_pass_the_network_in_parts(
    signal: FloatArray, expected: Beats
) -> None:
    """Where two parts meet, no beat is lost or marked twice."""
    n_times = 25
    period = int(expected.r_peaks[-2] - expected.r_peaks[1])
    begin = int(expected.r_peaks[1]) - 100
    piece = signal[:, begin : begin + period]
    beats = find(np.tile(piece, n_times), max_beats=2000)
    per_piece = len(expected.r_peaks) - 3
    assert abs(len(beats.r_peaks) - n_times * per_piece) <= 1


@given(
    arrays(
        np.float64,
        st.tuples(st.just(12), st.integers(0, 700)),
        elements=st.floats(width=32),
    ),
    st.sampled_from([50.0, 100.0, 500.0, 1000.0, 20_000.0]),
)
def test_any_signal_gives_a_valid_result(signal: FloatArray, fs: float) -> None:
    beats = find(signal, fs)
    compute(signal, beats, fs, "neurokit")


def test_a_lead_that_is_nearly_always_flat_gives_a_valid_result() -> None:
    """Its usual range is so small that dividing by it is infinite."""
    signal = np.zeros((12, 5000))
    signal[0, ::2] = 1e-42
    signal[0, 4000] = 5.0
    beats = find(signal, 500.0)  # it ends, too
    assert beats.status in (BeatStatus.OK, BeatStatus.NO_BEATS)
    assert (beats.fiducials[1:] == -1).all()


def test_evidence_of_nan_ends_the_search() -> None:
    evidence = np.full(50, np.nan, np.float32)
    evidence[20:24] = 1
    begins, ends = np.empty(9, np.int64), np.empty(9, np.int64)
    assert find_complexes(evidence, 0.5, 0.1, 1.0, 25.0, begins, ends) == 1
    assert (begins[0], ends[0]) == (20, 24)


@given(st.integers(0, 2**32 - 1))
def test_results_are_valid_on_disturbed_records(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signals = sample_records()
    signal = signals[rng.integers(len(signals))].copy()
    for lead in signal:
        change = rng.integers(6)
        if change == 0:
            lead += rng.normal(0, rng.exponential(0.3), len(lead))
        elif change == 1:
            lead[rng.integers(len(lead)) :] = rng.normal()
        elif change == 2:
            lead[:] = np.roll(lead, rng.integers(len(lead)))
        elif change == 3:
            lead *= rng.normal(0, 10)
    find(signal[:, : rng.integers(1, signal.shape[1])])


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.sampled_from([50.0, 125.0, 250.0, 257.0, 500.0, 1000.0]),
    st.integers(1, 12),
    st.floats(0.5, 8.0),
)
def test_results_are_valid_for_any_evidence(
    seed: int, n_leads: int, fs: float, width: int, contrast: float
) -> None:
    rng = np.random.default_rng(seed)
    n_samples = int(rng.uniform(0.1, 4.0) * fs) + 3
    n_cells = int((n_samples - 1) / fs * 250 + 1) // 2
    logits = contrast * rng.normal(0, 1, (n_leads, 7, n_cells + width))
    logits[:, 3:5] += rng.normal(0, 3)
    # The same in all leads, in runs of some cells.
    logits += contrast * rng.normal(0, 1, (1, *logits.shape[1:]))
    logits = logits.cumsum(axis=2)
    logits = (logits[..., width:] - logits[..., :-width]) / np.sqrt(width)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
    # Usable, or not in spans.
    usable = rng.normal(0, 1, (n_leads, n_cells)).cumsum(axis=1) > rng.normal(-5, 10)
    voltages = rng.normal(0, 1, (n_leads, n_samples)).cumsum(axis=1)
    evidence = Evidence(np.arange(n_leads), probabilities, usable)
    beats = decode(evidence, voltages, fs)
    assert_valid(beats, n_leads, n_samples, fs, 200)
    cells = np.minimum(beats.fiducials[..., Mark.R_PEAK] / (0.008 * fs), n_cells - 1)
    for lead, own, near in zip(usable, beats.fiducials, cells, strict=True):
        silent = (own[:, Mark.R_PEAK] >= 0) & ~lead[near.astype(int)]
        # A peak at the border of a complex may be rounded into the next cell.
        assert (lead[np.maximum(near[silent].astype(int) - 1, 0)]).all()


def test_known_difficult_records_have_correct_marks(shared_data: Path) -> None:
    """The r wave of V1 was marked as P wave, the S wave as end of the complex."""
    for name in ("georgia/g1/E07501", "georgia/g1/E07508", "cpsc_2018_extra/g1/Q0077"):
        header = shared_data / "challenge-2020" / "training" / f"{name}.hea"
        if not header.exists():
            pytest.skip(f"{header} is not there")
        record = read_record(header)
        signal = bandpass(record.signal[:, :5000], record.fs, 0.5, 40.0, 3)
        beats = find(signal)
        assert beats.status == BeatStatus.OK
        on, off = (beats.fiducials[..., mark] for mark in (Mark.QRS_ON, Mark.QRS_OFF))
        whole = (on >= 0) & (off >= 0)
        assert whole.mean() > 0.9
        assert np.median((off - on)[whole]) >= 0.07 * FS
