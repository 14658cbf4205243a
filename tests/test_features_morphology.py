"""Durations and amplitudes of waves whose marks are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features import Beats, BeatStatus, q_s_peaks
from ecgstore.features.morphology import wave_features
from ecgstore.features.table import WAVES
from ecgstore.record import LEADS, Mark

FS = 500.0
NAMES = [name for name, *_ in WAVES.definitions]
P_WAVE = [Mark.P_ON, Mark.P_PEAK, Mark.P_OFF]
QRS = [Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF]
BEAT = np.array([-100, -80, -55, -25, 0, 25, 90, 130, 170])  # marks around an R-peak
R_PEAKS = np.array([300, 700, 1100, 1520])


def marked(r_peaks: IntArray = R_PEAKS) -> Beats:
    """Return beats with all marks, the same in every lead."""
    marks = np.tile(r_peaks[:, None] + BEAT, (12, 1, 1))
    return Beats(r_peaks, marks, BeatStatus.OK)


def signal_of(beats: Beats, heights: dict[int, float]) -> FloatArray:
    """Return a level of 0.5 mV with single samples that stand out, scaled by lead."""
    signal = np.zeros((12, 2000))
    for delay, height in heights.items():
        signal[:, beats.r_peaks + delay] = height
    return 0.5 + signal * np.arange(1, 13)[:, None] / 10


def named(values: FloatArray) -> dict[str, dict[str, float]]:
    """Return the features by lead and name."""
    return {
        lead: dict(zip(NAMES, row.tolist(), strict=True))
        for lead, row in zip(LEADS, values, strict=True)
    }


HEIGHTS = {-80: 0.1, -10: -0.2, 0: 1.0, 12: -0.4, 130: 0.3}


def test_every_feature_of_known_marks() -> None:
    beats = marked()
    features = named(wave_features(signal_of(beats, HEIGHTS), beats, FS))
    expected = {
        "p_presence": 1,
        "p_duration_ms": 90,
        "pr_interval_ms": 150,
        "qrs_duration_ms": 100,
        "qt_interval_ms": 390,
        "qtc_bazett_ms": 390 / np.sqrt(0.8),
        "qtc_fridericia_ms": 390 / 0.8 ** (1 / 3),
        "p_amplitude_mv": 0.1,
        "q_amplitude_mv": -0.2,
        "r_amplitude_mv": 1.0,
        "s_amplitude_mv": -0.4,
        "t_amplitude_mv": 0.3,
    }
    for k, lead in enumerate(LEADS):
        for name, value in expected.items():
            gain = (k + 1) / 10 if name.endswith("_mv") else 1
            assert features[lead][name] == pytest.approx(value * gain), (lead, name)


def test_amplitudes_do_not_depend_on_the_baseline() -> None:
    beats = marked()
    signal = signal_of(beats, HEIGHTS)
    # another level for each beat
    drift = np.repeat([0.0, 1.0, -3.0, 0.2], [480, 400, 400, 720])
    np.testing.assert_allclose(
        wave_features(signal + drift, beats, FS), wave_features(signal, beats, FS)
    )


def test_the_isoelectric_level_is_that_before_qrs_onset() -> None:
    beats = marked()
    heights = HEIGHTS | dict.fromkeys(range(-35, -25), 0.05)
    features = named(wave_features(signal_of(beats, heights), beats, FS))
    assert features["V6"]["r_amplitude_mv"] == pytest.approx((1.0 - 0.05) * 1.2)


def test_one_odd_beat_does_not_move_the_medians() -> None:
    beats = marked()
    signal = signal_of(beats, HEIGHTS)
    expected = wave_features(signal, beats, FS)
    beats.fiducials[:, 2, [Mark.P_ON, Mark.T_OFF]] += [[-30, 60]]
    signal[:, 1100] = 9.0
    np.testing.assert_allclose(wave_features(signal, beats, FS), expected)


def test_missing_marks_are_left_out() -> None:
    beats = marked()
    beats.fiducials[:, :2, P_WAVE] = -1  # no P waves in half of the beats
    beats.fiducials[3] = -1  # a flat lead
    beats.fiducials[4, :, Mark.T_OFF] = -1  # no T offsets
    features = named(wave_features(signal_of(beats, HEIGHTS), beats, FS))
    assert features["I"]["p_presence"] == 0.5
    assert features["I"]["pr_interval_ms"] == 150
    assert np.isnan([*features["aVR"].values()]).all()
    undefined = {name for name, value in features["aVL"].items() if np.isnan(value)}
    assert undefined == {"qt_interval_ms", "qtc_bazett_ms", "qtc_fridericia_ms"}


def test_no_p_waves_at_all() -> None:
    beats = marked()
    beats.fiducials[..., P_WAVE] = -1
    features = named(wave_features(signal_of(beats, HEIGHTS), beats, FS))["V2"]
    assert features["p_presence"] == 0
    undefined = {name for name, value in features.items() if np.isnan(value)}
    assert undefined == {"p_duration_ms", "pr_interval_ms", "p_amplitude_mv"}


def test_one_beat_has_no_corrected_qt() -> None:
    beats = marked(np.array([300]))
    features = named(wave_features(signal_of(beats, HEIGHTS), beats, FS))["II"]
    undefined = {name for name, value in features.items() if np.isnan(value)}
    assert undefined == {"qtc_bazett_ms", "qtc_fridericia_ms"}


def test_beats_at_the_ends() -> None:
    """No isoelectric level before the begin, no marks behind the end."""
    beats = marked(np.array([28, 400, 800]))
    beats.fiducials[beats.fiducials < 0] = -1
    features = named(wave_features(signal_of(beats, HEIGHTS), beats, FS))["I"]
    assert features["r_amplitude_mv"] == pytest.approx(0.1)
    assert np.isfinite([*features.values()]).all()


@pytest.mark.parametrize("status", BeatStatus)
def test_no_beats(status: BeatStatus) -> None:
    for n_samples in (0, 5000):
        values = wave_features(np.zeros((12, n_samples)), Beats.none(status), FS)
        assert values.shape == (12, len(NAMES))
        assert np.isnan(values).all()


def test_nan_leads_without_marks_stay_out() -> None:
    beats = marked()
    signal = signal_of(beats, HEIGHTS)
    beats.fiducials[5] = -1
    expected = wave_features(signal, beats, FS)
    for bad in (np.nan, np.inf):
        signal[5] = bad
        np.testing.assert_array_equal(wave_features(signal, beats, FS), expected)


def plain_lowest(lead: FloatArray, begin: int, end: int) -> int:
    if begin < 0 or end < 0:
        return -1
    place = begin + int(np.argmin(lead[begin : end + 1]))
    return place if begin < place < end else -1


@given(st.integers(0, 2**32 - 1))
def test_q_and_s_equal_their_plain_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signal = rng.integers(-3, 4, (12, 200)).astype(float)
    marks = np.full((12, 5, 9), -1)
    marks[..., QRS] = np.sort(rng.integers(0, 200, (12, 5, 3)), axis=2)
    marks[rng.random(marks.shape) < 0.1] = -1
    found = q_s_peaks(signal, marks)
    assert found.shape == (12, 5, 2)
    assert found.dtype == np.int64
    for lead, lead_marks, lead_found in zip(signal, marks, found, strict=True):
        for beat, (q, s) in zip(lead_marks, lead_found, strict=True):
            on, r_peak, off = beat[QRS]
            assert q == plain_lowest(lead, on, r_peak)
            assert s == plain_lowest(lead, r_peak, off)


def test_q_and_s_are_absent_without_a_dip() -> None:
    signal = np.tile(np.r_[np.arange(10), np.arange(10)[::-1]], (12, 1)).astype(float)
    marks = np.full((12, 1, 9), -1)
    marks[:, 0, QRS] = 3, 9, 15
    assert (q_s_peaks(signal, marks) == -1).all()
    assert q_s_peaks(signal, marks[:, :0]).shape == (12, 0, 2)
