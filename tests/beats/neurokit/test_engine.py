"""The engine "neurokit" on made and real signals, and on what is no ECG at all."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import butter, sosfiltfilt

from ecgstore import beats
from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats import Beats, BeatStatus
from ecgstore.beats.neurokit import (
    delineation as delineation_module,
    engine as beats_module,
)
from ecgstore.beats.neurokit.agreement import agreed_beats
from ecgstore.beats.neurokit.delineation import delineate
from ecgstore.features import FEATURES, compute
from ecgstore.record import LEADS, Mark
from ecgstore.sources import read_record

FS = 500.0

find_beats = functools.partial(beats.find_beats, engine="neurokit")

# Time from the R-peak in s, width in s, and height in mV of P, Q, R, S and T.
WAVES = (
    (-0.16, 0.020, 0.12),
    (-0.030, 0.008, -0.10),
    (0.0, 0.010, 1.0),
    (0.032, 0.010, -0.25),
    (0.25, 0.045, 0.30),
)
GAINS = (0.7, 1.0, 0.3, -0.85, 0.2, 0.65, -0.4, 0.5, 0.8, 1.2, 1.1, 0.9)


def band_passed(signal: FloatArray, fs: float = FS) -> FloatArray:
    sections = butter(2, [0.5, 40], "bandpass", fs=fs, output="sos")
    return np.asarray(sosfiltfilt(sections, signal, axis=1))


def ecg(
    beat_times: FloatArray,
    duration: float = 10.0,
    noise: float = 0.01,
    p_wave: bool = True,
) -> FloatArray:
    """Return a made 12-lead ECG with beats at the given times in s."""
    time = np.arange(round(duration * FS)) / FS
    shortest = np.diff(beat_times).min(initial=1.0)
    beat = np.zeros_like(time)
    for each in beat_times:
        for delay, width, height in WAVES[0 if p_wave else 1 :]:
            # The QRS complex keeps its place; P and T move with the heart rate.
            place = each + delay * (min(1, shortest**0.5) if abs(delay) > 0.1 else 1)
            beat += height * np.exp(-((time - place) ** 2) / (2 * width**2))
    rng = np.random.default_rng(0)
    leads = np.array(GAINS)[:, None] * beat
    return band_passed(leads + rng.normal(0, noise, leads.shape))


def regular(rate: float, duration: float = 10.0) -> FloatArray:
    return np.arange(0.4, duration - 0.3, 60 / rate)


def check(beats: Beats, n_samples: int, max_beats: int = 50, fs: float = FS) -> None:
    """Assert what holds for the beats of anything."""
    n_beats = len(beats.r_peaks)
    assert isinstance(beats.status, BeatStatus)
    assert n_beats <= max_beats
    assert beats.r_peaks.dtype == beats.fiducials.dtype == np.int64
    assert beats.fiducials.shape == (12, n_beats, 9)
    assert (np.diff(beats.r_peaks) > 0).all()
    marks = beats.fiducials
    present = marks >= 0
    assert (present | (marks == -1)).all()
    assert (marks < n_samples).all()
    # Present marks follow one another, within a beat and from beat to beat.
    for lead in marks:
        in_time = lead[lead >= 0]
        assert (np.diff(in_time) >= 0).all()
        r_peaks = lead[:, Mark.R_PEAK]
        assert (r_peaks >= 0).all() or (lead == -1).all()
        assert (np.abs(r_peaks - beats.r_peaks)[r_peaks >= 0] <= 0.1 * fs).all()
    for on, peak, off in (
        (Mark.P_ON, Mark.P_PEAK, Mark.P_OFF),
        (Mark.T_ON, Mark.T_PEAK, Mark.T_OFF),
    ):
        boundaries = present[..., on] | present[..., off]
        assert not (boundaries & ~present[..., peak]).any()
        wave = marks[..., on : off + 1][present[..., on : off + 1].all(axis=-1)]
        assert (np.diff(wave) > 0).all()


@pytest.mark.parametrize("rate", [30, 45, 60, 90, 120, 150, 180])
def test_every_beat_is_found_once(rate: float) -> None:
    times = regular(rate)
    signal = ecg(times)
    beats = find_beats(signal, FS, max_beats=50)
    check(beats, signal.shape[1])
    assert beats.status == BeatStatus.OK
    assert len(beats.r_peaks) == len(times)
    assert np.abs(beats.r_peaks - times * FS).max() <= 2
    assert (beats.fiducials[..., Mark.R_PEAK] >= 0).all()
    # QRS complexes are delineated at any rate, P and T waves where there is room.
    assert (beats.fiducials[..., [Mark.QRS_ON, Mark.QRS_OFF]] >= 0).mean() > 0.99
    if rate <= 90:
        peaks = beats.fiducials[:, 1:-1, [Mark.P_PEAK, Mark.T_PEAK]]
        assert (peaks >= 0).mean() > 0.9


def test_waves_lie_where_they_were_put() -> None:
    times = regular(60)
    beats = find_beats(ecg(times, noise=0.002), FS, max_beats=50)
    for mark, (delay, _, _) in ((Mark.P_PEAK, WAVES[0]), (Mark.T_PEAK, WAVES[4])):
        marks = beats.fiducials[:, 1:-1, mark]
        error = marks / FS - (times[1:-1] + delay)
        assert np.abs(error[marks >= 0]).max() < 0.02


def test_waves_of_avr_are_found_upside_down() -> None:
    signal = ecg(regular(60))
    beats = find_beats(signal, FS, max_beats=50)
    avr = LEADS.index("aVR")
    p_peaks = beats.fiducials[avr, 1:, Mark.P_PEAK]
    assert (signal[avr, p_peaks] < -0.03).all()


def test_p_waves_need_the_agreement_of_the_leads() -> None:
    """Where there is none, NeuroKit2 takes a wave of the noise for it, in any lead."""
    times = np.cumsum(np.random.default_rng(0).uniform(0.5, 1.1, 11))
    with_p = find_beats(ecg(times, noise=0.02), FS, max_beats=50)
    without = find_beats(ecg(times, noise=0.02, p_wave=False), FS, max_beats=50)
    assert (with_p.fiducials[:, 1:, Mark.P_PEAK] >= 0).mean() > 0.9
    assert (without.fiducials[:, 1:, Mark.P_PEAK] >= 0).mean() < 0.3
    assert len(without.r_peaks) == len(times)


def test_inverted_record() -> None:
    times = regular(70)
    beats = find_beats(-ecg(times), FS, max_beats=50)
    check(beats, 5000)
    assert len(beats.r_peaks) == len(times)
    assert np.abs(beats.r_peaks - times * FS).max() <= 0.05 * FS


def test_swapped_arm_leads() -> None:
    times = regular(70)
    signal = ecg(times)
    signal[[0, 1, 2, 3, 4]] = -signal[0], signal[2], signal[1], signal[4], signal[3]
    beats = find_beats(signal, FS, max_beats=50)
    assert len(beats.r_peaks) == len(times)


def test_first_and_last_beat_near_the_ends() -> None:
    times = np.r_[0.08, np.arange(0.9, 9.5, 0.8), 9.88]
    beats = find_beats(ecg(times), FS, max_beats=50)
    assert np.abs(beats.r_peaks - times * FS).max() <= 3


def test_beats_cut_off_by_the_ends_are_left_out() -> None:
    times = np.r_[0.004, np.arange(0.8, 9.5, 0.8), 9.994]
    beats = find_beats(ecg(times), FS, max_beats=50)
    assert len(beats.r_peaks) == len(times) - 2


def test_beats_do_not_jitter_with_the_leads_that_see_them() -> None:
    """V1-V5 lead the others by 40 ms; each beat is lost in another half of the leads.

    Without the leads' offsets, the times would jump by up to 40 ms.
    """
    rng = np.random.default_rng(0)
    true = np.arange(300, 4800, 400)
    offsets = np.where(np.isin(np.arange(12), [6, 7, 8, 9, 10]), -20, 0)
    signal = ecg(true / FS)
    seen = np.zeros((12, len(true)), bool)
    for column in seen.T:
        column[rng.permutation(12)[:6]] = True
    lead_peaks = [true[row] + offset for row, offset in zip(seen, offsets, strict=True)]
    beats = agreed_beats(lead_peaks, signal, FS)
    assert len(beats) == len(true)
    assert np.ptp(beats - true) <= 1


def test_a_beat_needs_half_of_the_leads() -> None:
    true = np.sort(np.r_[np.arange(300, 4800, 400), 2100])
    signal = ecg(true / FS)
    for n_seeing, expected in ((5, len(true) - 1), (6, len(true))):
        fewer = true[true != 2100]
        lead_peaks = [true if k < n_seeing else fewer for k in range(12)]
        assert len(agreed_beats(lead_peaks, signal, FS)) == expected


def test_a_beat_in_a_long_gap_needs_a_quarter_of_the_leads() -> None:
    true = np.arange(300, 4800, 400)
    signal = ecg(true / FS)
    for n_seeing, expected in ((2, len(true) - 1), (3, len(true))):
        lead_peaks = [true if k < n_seeing else np.delete(true, 4) for k in range(12)]
        assert len(agreed_beats(lead_peaks, signal, FS)) == expected


def test_what_a_quarter_of_the_leads_sees_in_a_pause_is_no_beat() -> None:
    """Neither soon after a beat, nor where the signal is flat."""
    true = np.delete(np.arange(300, 4800, 400), [4, 5])  # 1500 to 2700
    for extra in (1690, 2100, 2510):
        signal = ecg(true / FS)
        lead_peaks = [np.sort(np.r_[true, extra])] * 5 + [true] * 7
        np.testing.assert_array_equal(agreed_beats(lead_peaks, signal, FS), true)
        signal = ecg(np.sort(np.r_[true, extra]) / FS)  # now it is steep
        n_beats = len(agreed_beats(lead_peaks, signal, FS))
        assert n_beats == len(true) + (extra == 2100)


def test_t_waves_are_no_beats() -> None:
    """Even if every detector takes them for beats, as they do in pauses."""
    true = np.arange(300, 4800, 800)
    lead_peaks = [np.sort(np.r_[true, true + 125])] * 12
    beats = agreed_beats(lead_peaks, ecg(true / FS), FS)
    np.testing.assert_array_equal(beats, true)


def test_a_lead_without_a_vote_keeps_its_r_peaks_in_the_order_of_the_beats() -> None:
    """Its highest sample near the beat lies behind its peak of the next beat."""
    beats = np.array([300, 700, 1100, 1500, 1600])
    peaks = np.array([335, 735, 1135, 1563])  # late by 35, but the last one early by 37
    lead = np.linspace(0, 1, 2000)
    r_peaks = beats_module._lead_r_peaks(peaks, beats, lead, FS)
    # The window around 1500 is moved by 35 too, but ends halfway to the next beat.
    np.testing.assert_array_equal(r_peaks, [335, 735, 1135, 1549, 1563])


@pytest.mark.parametrize("peaks", [[0, 1999], []])
def test_r_peaks_stand_off_the_ends_of_the_record(peaks: list[int]) -> None:
    """NeuroKit2 has no room for a wave there, and marks at the ends are dropped."""
    lead = np.abs(np.linspace(-1, 1, 2000))  # highest at the ends
    beats = np.array([12, 1987])
    r_peaks = beats_module._lead_r_peaks(np.array(peaks, int), beats, lead, FS)
    np.testing.assert_array_equal(r_peaks, [1, 1998])
    np.testing.assert_array_equal(beats_module._tops(lead, beats, FS), [1, 1998])


@given(st.integers(0, 2**32 - 1))
def test_r_peaks_of_a_lead_rise_with_the_beats(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = 20 + np.cumsum(rng.integers(100, 200, 20))
    beats = places[rng.random(20) < 0.8]
    shifted = places + rng.integers(-60, 61) + rng.integers(-20, 21, 20)
    peaks = shifted[(rng.random(20) < 0.7) & (shifted >= 0)]
    lead = rng.normal(0, 1, int(places[-1]) + 12)
    r_peaks = beats_module._lead_r_peaks(peaks[peaks < len(lead)], beats, lead, FS)
    assert (np.diff(r_peaks) > 0).all()
    assert (np.abs(r_peaks - beats) < 50).all()


def marks_of_one(**places: int) -> IntArray:
    """Return the marks of a single beat; -1 where none is given."""
    marks = np.full((1, len(Mark)), -1)
    for name, place in places.items():
        marks[0, Mark[name]] = place
    return marks


@pytest.mark.parametrize(
    ("own", "common", "expected"),
    [
        ({"QRS_ON": 100, "QRS_OFF": 150}, {"QRS_ON": 90, "QRS_OFF": 160}, (90, 160)),
        # never narrower
        ({"QRS_ON": 100, "QRS_OFF": 150}, {"QRS_ON": 105, "QRS_OFF": 145}, (100, 150)),
        # not into the P wave, nor into the T wave
        ({"P_OFF": 95, "QRS_ON": 100}, {"QRS_ON": 90}, (95, -1)),
        ({"QRS_OFF": 150, "T_ON": 155}, {"QRS_OFF": 160}, (-1, 155)),
        # beside a P wave that ends too late, or a T wave that begins too soon
        ({"P_OFF": 110, "QRS_ON": 100}, {"QRS_ON": 90}, (100, -1)),
        ({"QRS_OFF": 150, "T_ON": 140}, {"QRS_OFF": 160}, (-1, 160)),
        # what one of the two lacks
        ({}, {"QRS_ON": 90, "QRS_OFF": 160}, (-1, -1)),
        ({"QRS_ON": 100, "QRS_OFF": 150}, {}, (100, 150)),
    ],
)
def test_qrs_complexes_are_widened_up_to_their_neighbours(
    own: dict[str, int], common: dict[str, int], expected: tuple[int, int]
) -> None:
    marks = marks_of_one(**own)[None]
    widened = beats_module._widened(marks, marks_of_one(**common))[0, 0]
    assert (widened[Mark.QRS_ON], widened[Mark.QRS_OFF]) == expected
    others = [mark for mark in Mark if mark not in (Mark.QRS_ON, Mark.QRS_OFF)]
    np.testing.assert_array_equal(widened[others], marks[0, 0, others])


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ((50, 80, 95), (50, 80, 95)),
        ((50, 94, 120), (50, 94, 100)),  # ends where the common complex begins
        ((50, 101, 110), (-1, -1, -1)),  # an r wave
        ((10, 49, 60), (-1, -1, -1)),  # 62 ms from the others
    ],
)
def test_a_p_wave_is_near_the_others_and_before_the_common_qrs_complex(
    own: tuple[int, int, int], kept: tuple[int, int, int]
) -> None:
    wave = [Mark.P_ON, Mark.P_PEAK, Mark.P_OFF]
    marks = np.full((12, 1, len(Mark)), -1)
    marks[:, 0, wave] = 50, 80, 95
    marks[6, 0, wave] = own
    agreed = beats_module._agreed_p(marks, marks_of_one(QRS_ON=100), FS)
    assert tuple(agreed[6, 0, wave]) == kept
    np.testing.assert_array_equal(np.delete(agreed, 6, 0), np.delete(marks, 6, 0))
    # Without a common complex, a P wave can only be far away.
    agreed = beats_module._agreed_p(marks, marks_of_one(), FS)
    assert tuple(agreed[6, 0, wave]) == ((-1, -1, -1) if own[1] == 49 else own)


@pytest.mark.parametrize(
    ("p_wave", "t_wave", "p_kept", "t_kept"),
    [
        ((50, 60, 70), (200, 215, 230), True, True),
        ((50, 60, 69), (200, 215, 229), False, False),  # 38 and 58 ms
        ((50, 50, 90), (200, 260, 260), False, False),  # a peak that is an end
        ((60, 60, 60), (200, 200, 200), False, False),
        ((-1, 60, 62), (200, 215, -1), True, True),  # an end is unknown
    ],
)
def test_waves_too_narrow_are_dropped(
    p_wave: tuple[int, int, int],
    t_wave: tuple[int, int, int],
    p_kept: bool,
    t_kept: bool,
) -> None:
    marks = marks_of_one(QRS_ON=100, R_PEAK=120, QRS_OFF=140)
    marks[0, Mark.P_ON : Mark.P_OFF + 1] = p_wave
    marks[0, Mark.T_ON : Mark.T_OFF + 1] = t_wave
    (got,) = beats_module._wide_enough(marks, FS)
    p, qrs, t = got.reshape(3, 3).tolist()
    assert p == ([*p_wave] if p_kept else [-1, -1, -1])
    assert qrs == [100, 120, 140]
    assert t == ([*t_wave] if t_kept else [-1, t_wave[1], -1])


@pytest.mark.parametrize(
    "name",
    [
        "georgia/g1/E07501",
        "georgia/g1/E07502",
        "georgia/g1/E07508",
        "ptb/g1/S0004",
        "cpsc_2018/g1/A0006",
        "cpsc_2018_extra/g1/Q0077",
        "ptb/g1/S0002",
    ],
)
def test_features_of_records_that_were_wrong_once(shared_data: Path, name: str) -> None:
    """The r wave of V1 was a P wave, and the S wave the end of the QRS complex."""
    header = shared_data / "challenge-2020" / "training" / f"{name}.hea"
    if not header.exists():
        pytest.skip(f"{header} is not there")
    record = read_record(header)
    signal = band_passed(record.signal[:, : round(10 * record.fs)], record.fs)
    beats = find_beats(signal, record.fs, max_beats=50)
    check(beats, signal.shape[1], fs=record.fs)
    names = [each.name for each in FEATURES]
    values = compute(signal, beats, record.fs).tolist()
    row = dict(zip(names, values, strict=True))
    for lead in LEADS:
        assert row[f"{lead}_qrs_duration_ms"] >= 60
        for wave in ("q", "s"):
            assert not row[f"{lead}_{wave}_amplitude_mv"] > 0
        assert not row[f"{lead}_r_amplitude_mv"] <= 0
    if name.endswith("Q0077"):
        for lead in ("II", "III", "aVF", "V3", "V4", "V5", "V6"):
            assert row[f"{lead}_s_amplitude_mv"] < -0.4
        assert row["qrs_duration_ms"] > 100
    if name.endswith(("E07501", "E07502")):
        assert row["V1_s_amplitude_mv"] < -0.5 or row["V1_q_amplitude_mv"] < -0.5


def test_beats_close_together() -> None:
    times = np.array([0.5, 1.3, 1.54, 2.4, 3.2, 3.45, 4.3, 5.1, 5.9, 6.7, 7.5, 8.3])
    beats = find_beats(ecg(times), FS, max_beats=50)
    assert len(beats.r_peaks) == len(times)
    assert np.abs(beats.r_peaks - times * FS).max() <= 3
    check(beats, 5000)


def test_lead_peaks_apart_by_the_whole_tolerance() -> None:
    """Two leads that just touch each other make one beat between them."""
    signal = np.zeros((2, 1000))
    signal[:, 400:600] = np.sin(np.linspace(0, 30, 200))
    for distance in range(70, 80):
        peaks = [np.array([460]), np.array([460 + distance])]
        (beat,) = agreed_beats(peaks, signal, FS)
        assert 460 <= beat <= 460 + distance


@pytest.mark.parametrize("value", [0.0, 0.37, -5.0])
def test_flat_record(value: float) -> None:
    beats = find_beats(np.full((12, 5000), value), FS, max_beats=50)
    check(beats, 5000)
    assert beats.status == BeatStatus.NO_BEATS


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, 1e9, 0.0])
@pytest.mark.parametrize("n_bad", [1, 6, 11, 12])
def test_unusable_leads_cost_no_beats(bad: float, n_bad: int) -> None:
    times = regular(75)
    signal = ecg(times)
    if bad == 0.0 or abs(bad) > 1e6:
        signal[12 - n_bad :] = bad
    else:
        signal[12 - n_bad :, 2345] = bad
    beats = find_beats(signal, FS, max_beats=50)
    check(beats, 5000)
    if n_bad == 12:
        assert beats.status == BeatStatus.NO_BEATS
    else:
        assert beats.status == BeatStatus.OK
        assert len(beats.r_peaks) == len(times)
        assert (beats.fiducials[12 - n_bad :] == -1).all()
        assert (beats.fiducials[: 12 - n_bad, :, Mark.R_PEAK] >= 0).all()


def test_scale_does_not_matter() -> None:
    signal = ecg(regular(75))
    expected = find_beats(signal, FS, max_beats=50)
    for scale in (0.01, 1000.0):
        beats = find_beats(signal * scale, FS, max_beats=50)
        np.testing.assert_array_equal(beats.r_peaks, expected.r_peaks)
        assert (beats.fiducials == expected.fiducials).mean() > 0.999


@pytest.mark.parametrize("times", [[1.0], [1.0, 1.9], [0.7, 1.5, 2.3]])
@pytest.mark.parametrize("duration", [3.0, 10.0])
def test_few_beats(times: list[float], duration: float) -> None:
    beats = find_beats(ecg(np.array(times), duration), FS, max_beats=50)
    check(beats, round(duration * FS))
    assert np.abs(beats.r_peaks - np.array(times) * FS).max() <= 3
    if len(times) == 1:
        assert beats.status == BeatStatus.TOO_FEW_BEATS
        assert (beats.fiducials[..., Mark.R_PEAK] >= 0).all()
        assert (np.delete(beats.fiducials, Mark.R_PEAK, axis=2) == -1).all()
    else:
        assert beats.status == BeatStatus.OK
        assert (beats.fiducials[..., Mark.QRS_ON] >= 0).mean() > 0.9


@pytest.mark.parametrize("duration", [0.5, 1.0, 2.0, 3.9])
def test_short_records(duration: float) -> None:
    signal = ecg(regular(90, duration + 0.2), duration)
    beats = find_beats(signal, FS, max_beats=50)
    check(beats, signal.shape[1])
    assert len(beats.r_peaks) == sum(regular(90, duration + 0.2) < duration - 0.1)


@pytest.mark.parametrize("n_samples", [0, 1, 2, 3, 10, 100])
def test_tiny_records(n_samples: int) -> None:
    signal = np.random.default_rng(0).normal(0, 1, (12, n_samples))
    check(find_beats(signal, FS, max_beats=50), n_samples)


@pytest.mark.parametrize("fs", [50.0, 100.0, 257.0, 1000.0])
def test_other_sampling_rates(fs: float) -> None:
    times = regular(75)
    time = np.arange(round(10 * fs)) / fs
    fine = np.arange(5000) / FS
    signal = np.array([np.interp(time, fine, lead) for lead in ecg(times)])
    beats = find_beats(signal, fs, max_beats=50)
    assert beats.status == BeatStatus.OK
    assert len(beats.r_peaks) == len(times)
    assert np.abs(beats.r_peaks / fs - times).max() < max(0.01, 1.5 / fs)


def test_white_noise_has_hardly_any_beats() -> None:
    rng = np.random.default_rng(0)
    n_beats = 0
    for _ in range(5):
        signal = rng.normal(0, 0.2, (12, 5000))
        beats = find_beats(band_passed(signal), FS, max_beats=50)
        check(beats, 5000)
        n_beats += len(beats.r_peaks)
        # The limb leads are sums of two: the same noise stands in all of them.
        signal[2] = signal[1] - signal[0]
        signal[3] = -(signal[0] + signal[1]) / 2
        signal[4] = signal[0] - signal[1] / 2
        signal[5] = signal[1] - signal[0] / 2
        beats = find_beats(band_passed(signal), FS, max_beats=50)
        n_beats += len(beats.r_peaks)
    assert n_beats <= 2


def test_noise_in_a_third_of_the_leads_changes_nothing() -> None:
    times = regular(75)
    signal = ecg(times)
    noise = np.random.default_rng(0).normal(0, 2, (4, 5000))
    signal[[1, 5, 6, 9]] = band_passed(noise)
    beats = find_beats(signal, FS, max_beats=50)
    assert np.abs(beats.r_peaks - times * FS).max() <= 2
    assert len(beats.r_peaks) == len(times)


def test_more_beats_than_room() -> None:
    signal = ecg(regular(90))
    all_beats = find_beats(signal, FS, max_beats=50)
    beats = find_beats(signal, FS, max_beats=6)
    check(beats, 5000, max_beats=6)
    assert beats.status == BeatStatus.TOO_MANY_BEATS
    np.testing.assert_array_equal(beats.r_peaks, all_beats.r_peaks[:6])
    same = beats.fiducials == all_beats.fiducials[:, :6]
    assert same.all()
    assert find_beats(signal, FS, max_beats=1).fiducials.shape == (12, 1, 9)


def test_exactly_as_many_beats_as_room() -> None:
    times = regular(75)
    beats = find_beats(ecg(times), FS, max_beats=len(times))
    assert beats.status == BeatStatus.OK
    assert len(beats.r_peaks) == len(times)


def test_float32_gives_the_beats_of_float64() -> None:
    signal = ecg(regular(75)).astype(np.float32)
    expected = find_beats(signal.astype(np.float64), FS, max_beats=50)
    beats = find_beats(signal, FS, max_beats=50)  # type: ignore[arg-type]
    np.testing.assert_array_equal(beats.fiducials, expected.fiducials)


@settings(max_examples=25, deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.just(12), st.integers(0, 1500)),
        elements=st.floats(width=64),
        fill=st.sampled_from([0.0, np.nan, 1e308, 5e-324, -1.0]),
    )
)
def test_any_floats_give_a_status(signal: FloatArray) -> None:
    check(find_beats(signal, FS, max_beats=50), signal.shape[1])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-300, 1e-4, 1.0, 1e5, 1e150]))
def test_any_random_walk_gives_a_status(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    signal = rng.standard_t(1.5, (12, 1500)) * scale
    if rng.random() < 0.5:
        signal = np.cumsum(signal, axis=1)
    signal[rng.random(12) < 0.2] = 0
    check(find_beats(signal, FS, max_beats=50), 1500)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"signal": np.zeros((8, 5000))}, r"\(8, 5000\)"),
        ({"signal": np.zeros(5000)}, "expected"),
        ({"fs": 0.0}, "fs"),
        ({"fs": np.nan}, "fs"),
        ({"fs": np.inf}, "fs"),
        ({"max_beats": 0}, "max_beats"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    valid: dict[str, Any] = {
        "signal": np.zeros((12, 5000)),
        "fs": FS,
        "max_beats": 50,
    }
    with pytest.raises(ValueError, match=message):
        find_beats(**(valid | arguments))


def fail(*_: object, **__: object) -> None:
    raise ZeroDivisionError


def test_detector_failing_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurokit2.ecg_findpeaks", fail)
    beats = find_beats(ecg(regular(60)), FS, max_beats=50)
    assert beats.status == BeatStatus.DETECTOR_FAILED
    check(beats, 5000)


def test_delineation_failing_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurokit2.ecg_delineate", fail)
    times = regular(60)
    beats = find_beats(ecg(times), FS, max_beats=50)
    assert beats.status == BeatStatus.DETECTOR_FAILED
    assert len(beats.r_peaks) == len(times)
    assert (beats.fiducials[..., Mark.R_PEAK] >= 0).all()
    check(beats, 5000)


def test_a_lead_that_neurokit_cannot_delineate_costs_only_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signal, r_peaks = ecg(regular(60))[:3], np.array([np.arange(250, 4700, 500)] * 3)
    expected = delineate(signal, r_peaks, FS)
    together = delineation_module._delineate_together

    def fails_on_lead_1(signals: FloatArray, *arguments: Any) -> IntArray:
        if (signals == signal[1]).all(axis=1).any():
            raise IndexError
        return together(signals, *arguments)

    monkeypatch.setattr(delineation_module, "_delineate_together", fails_on_lead_1)
    marks = delineate(signal, r_peaks, FS)
    np.testing.assert_array_equal(marks[[0, 2]], expected[[0, 2]])
    assert (np.delete(marks[1], Mark.R_PEAK, axis=1) == -1).all()
    np.testing.assert_array_equal(marks[1, :, Mark.R_PEAK], r_peaks[1])


def neurokit_alone(lead: FloatArray, r_peaks: IntArray) -> dict[str, FloatArray]:
    import neurokit2

    _, waves = neurokit2.ecg_delineate(
        lead,
        r_peaks,
        sampling_rate=FS,
        method="prominence",
        max_p_basepoint_interval=delineation_module.MAX_P_MS,
    )
    return {name: np.array(marks, float) for name, marks in waves.items()}


@pytest.mark.filterwarnings("ignore:some peaks have a prominence of 0")
@pytest.mark.parametrize("n_beats", [2, 3, 5, 12])
def test_leads_together_get_the_marks_of_leads_alone(n_beats: int) -> None:
    rng = np.random.default_rng(n_beats)
    signals = rng.normal(0, 1, (5, 5000)).cumsum(axis=1)
    signals += 3 * rng.normal(0, 1, (5, 5000))
    r_peaks = np.array(
        [
            np.sort(rng.choice(np.arange(120, 4990, 90), n_beats, False))
            for _ in range(5)
        ]
    )
    marks = delineate(signals, r_peaks, FS)
    n_compared = 0
    for lead, peaks, got in zip(signals, r_peaks, marks, strict=True):
        alone = neurokit_alone(lead, peaks)
        for mark, name in delineation_module._NEUROKIT_NAMES.items():
            expected = alone[name]
            if len(expected) < n_beats:  # NeuroKit2 forgets marks at sample 0
                continue
            ours = np.where(got[:, mark] < 0, np.nan, got[:, mark])
            np.testing.assert_array_equal(ours, expected)
            n_compared += 1
    assert n_compared > 30


def test_long_records_are_delineated_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = ecg(regular(75))
    expected = find_beats(signal, FS, max_beats=50)
    for max_samples in (1, 20_000):
        monkeypatch.setattr(delineation_module, "MAX_SAMPLES", max_samples)
        beats = find_beats(signal, FS, max_beats=50)
        np.testing.assert_array_equal(beats.fiducials, expected.fiducials)


def ludb(folder: Path) -> list[tuple[FloatArray, list[dict[Mark | str, IntArray]]]]:
    """Return signals and annotations per lead of every fourth LUDB record."""
    import wfdb

    records = []
    for header in sorted((folder / "ludb" / "data").glob("*.hea"))[::4]:
        path = str(header.with_suffix(""))
        record = wfdb.rdrecord(path)
        names = [name.lower() for name in record.sig_name]
        order = [names.index(lead.lower()) for lead in LEADS]
        annotations = []
        for lead in LEADS:
            marks = wfdb.rdann(path, lead.lower())
            is_qrs = np.flatnonzero(np.array(marks.symbol) == "N")
            places: dict[Mark | str, IntArray] = {
                Mark.QRS_ON: marks.sample[is_qrs - 1],
                Mark.R_PEAK: marks.sample[is_qrs],
                Mark.QRS_OFF: marks.sample[is_qrs + 1],
                "ends": marks.sample[[0, -1]],
            }
            annotations.append(places)
        records.append((band_passed(record.p_signal.T[order]), annotations))
    return records


def test_beats_of_ludb(shared_data: Path) -> None:
    """The clinical floor: QRS complexes of all leads against cardiologists' marks."""
    if not (shared_data / "ludb" / "data").is_dir():
        pytest.skip(f"{shared_data / 'ludb'} is not there")
    n_hits = n_marks = n_found = 0
    errors: dict[Mark, list[float]] = {Mark.QRS_ON: [], Mark.QRS_OFF: []}
    for signal, annotations in ludb(shared_data):
        beats = find_beats(signal, FS, max_beats=50)
        check(beats, signal.shape[1])
        assert beats.status == BeatStatus.OK
        for lead, marks in enumerate(annotations):
            first, last = marks["ends"]
            found = beats.fiducials[lead]
            found = found[
                (found[:, Mark.R_PEAK] >= first) & (found[:, Mark.R_PEAK] <= last)
            ]
            distance = np.abs(marks[Mark.R_PEAK][:, None] - found[:, Mark.R_PEAK])
            hit = distance.min(axis=1) <= 0.15 * FS
            n_hits += int(hit.sum())
            n_marks += len(hit)
            n_found += len(found)
            nearest = found[distance.argmin(axis=1)[hit]]
            for mark, each in errors.items():
                ours = nearest[:, mark]
                difference = (ours - marks[mark][hit])[ours >= 0]
                each.extend((1000 * difference / FS).tolist())
    assert n_marks > 2000
    assert 2 * n_hits / (n_marks + n_found) > 0.997
    for each in errors.values():
        assert len(each) > 0.99 * n_marks
        assert abs(np.mean(each)) < 6  # ms; NeuroKit2 alone: 8 and -24
        assert np.std(each) < 18  # ms; NeuroKit2 alone: 19 and 24
