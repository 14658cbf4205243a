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
GAINS = np.arange(5, 17) / 10


def marked(r_peaks: IntArray = R_PEAKS) -> Beats:
    """Return beats with all marks, the same in every lead."""
    marks = np.tile(r_peaks[:, None] + BEAT, (12, 1, 1))
    return Beats(r_peaks, marks, BeatStatus.OK)


def signal_of(beats: Beats, heights: dict[int, float]) -> FloatArray:
    """Return a level of 0.5 mV with single samples that stand out, scaled by lead."""
    signal = np.zeros((12, 2000))
    for delay, height in heights.items():
        signal[:, beats.r_peaks + delay] = height
    return 0.5 + signal * GAINS[:, None]


def named(values: FloatArray) -> dict[str, dict[str, float]]:
    """Return the features by lead, "" for the record, and name."""
    return {
        lead: dict(zip(NAMES, row.tolist(), strict=True))
        for lead, row in zip(("", *LEADS), values, strict=True)
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
    for lead, gain_mv in zip(("", *LEADS), [np.median(GAINS), *GAINS], strict=True):
        for name, value in expected.items():
            gain = gain_mv if name.endswith("_mv") else 1
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
    assert features["V6"]["r_amplitude_mv"] == pytest.approx((1.0 - 0.05) * GAINS[-1])


def test_the_isoelectric_level_leaves_out_the_p_wave() -> None:
    beats = marked()
    for p_off, level in ((-25, 0.0), (-26, 0.3), (-33, 0.3), (-55, 0.3)):
        signal = signal_of(beats, HEIGHTS | dict.fromkeys(range(-40, -25), 0.3))
        beats.fiducials[..., Mark.P_OFF] = beats.r_peaks + p_off
        signal[:, beats.r_peaks + p_off - 1] = 7.0  # inside the P wave
        features = named(wave_features(signal, beats, FS))["aVF"]
        assert features["r_amplitude_mv"] == pytest.approx((1.0 - level) * GAINS[5])


def test_the_qrs_duration_of_the_record_sees_the_wide_leads() -> None:
    beats = marked()
    beats.fiducials[:2, :, Mark.QRS_OFF] += 30  # 60 ms longer in two leads
    features = named(wave_features(signal_of(beats, HEIGHTS), beats, FS))
    assert features["I"]["qrs_duration_ms"] == 160
    assert features["V6"]["qrs_duration_ms"] == 100
    # The 90th percentile of 12 values lies 0.9 of the way from the 10th to the 11th.
    assert features[""]["qrs_duration_ms"] == pytest.approx(100 + 0.9 * 60)
    beats.fiducials[1, :, Mark.QRS_OFF] -= 30
    features = named(wave_features(signal_of(beats, HEIGHTS), beats, FS))
    assert features[""]["qrs_duration_ms"] == 100


@pytest.mark.parametrize(("n_without", "absent"), [(2, False), (3, True)])
def test_p_waves_in_few_beats_have_no_duration(n_without: int, absent: bool) -> None:
    beats = marked()
    beats.fiducials[:7, :n_without, P_WAVE] = -1  # in most of the leads
    features = named(wave_features(signal_of(beats, HEIGHTS), beats, FS))
    for lead in ("", "II"):
        assert features[lead]["p_presence"] == 1 - n_without / 4
        for name in ("p_duration_ms", "pr_interval_ms", "p_amplitude_mv"):
            assert np.isnan(features[lead][name]) == absent
    assert features["V6"]["p_duration_ms"] == 90


def test_no_r_wave() -> None:
    beats = marked()
    features = named(wave_features(signal_of(beats, HEIGHTS | {0: -1.0}), beats, FS))
    assert np.isnan(features["II"]["r_amplitude_mv"])
    assert features["II"]["q_amplitude_mv"] == pytest.approx(-GAINS[1])
    assert np.isfinite(features["II"]["t_amplitude_mv"])


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
    assert features["r_amplitude_mv"] == pytest.approx(GAINS[0])
    assert np.isfinite([*features.values()]).all()


@pytest.mark.parametrize("status", BeatStatus)
def test_no_beats(status: BeatStatus) -> None:
    for n_samples in (0, 5000):
        values = wave_features(np.zeros((12, n_samples)), Beats.none(status), FS)
        assert values.shape == (1 + 12, len(NAMES))
        assert np.isnan(values).all()


def test_nan_leads_without_marks_stay_out() -> None:
    beats = marked()
    signal = signal_of(beats, HEIGHTS)
    beats.fiducials[5] = -1
    expected = wave_features(signal, beats, FS)
    for bad in (np.nan, np.inf):
        signal[5] = bad
        np.testing.assert_array_equal(wave_features(signal, beats, FS), expected)


def plain_q_s(lead: FloatArray, beats: IntArray) -> list[list[int]]:
    """Return Q and S of the beats of one lead, by their definition."""
    found = [[-1, -1] for _ in beats]
    for side in (0, 1):
        places, rises = {}, []
        for b, (on, r_peak, off) in enumerate(beats):
            if min(on, r_peak, off) < 0:
                continue
            begin, end = ((on, r_peak), (r_peak + 1, off))[side]
            if begin > end:
                continue
            place = begin + int(np.argmin(lead[begin : end + 1]))
            is_r_peak = side == 1 and lead[r_peak] <= lead[place]
            if is_r_peak or lead[place] > lead[on] - 0.03:
                continue
            places[b] = place
            rises.append(lead[on : place + 1].max() - lead[on])
        kind = int(bool(rises) and np.median(rises) >= 0.03)  # 0: Q, 1: S
        for b, place in places.items():
            if found[b][kind] < 0 or lead[place] < lead[found[b][kind]]:
                found[b][kind] = place
    return found


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
        assert lead_found.tolist() == plain_q_s(lead, lead_marks[:, QRS])


def one_beat(values: list[float], on: int, r_peak: int, off: int) -> list[int]:
    marks = np.full((12, 1, 9), -1)
    marks[:, 0, QRS] = on, r_peak, off
    q, s = q_s_peaks(np.tile(values, (12, 1)), marks)[0, 0].tolist()
    return [q, s]


@pytest.mark.parametrize(
    ("values", "marks", "expected"),
    [
        # the bottom of S is the offset itself
        ([0, 0, 1, 0, -0.5, -0.9, -0.4], (1, 2, 5), [-1, 5]),
        # an r wave before the dip, and the R-peak behind it: rSR'
        ([0, 0, 0.2, -0.8, 0.0, 0.6, 0.1], (1, 5, 6), [-1, 3]),
        # no r wave: qR
        ([0, 0, 0.02, -0.8, 0.0, 0.6, 0.1], (1, 5, 6), [3, -1]),
        # a single dip that holds the mark of the R-peak: QS
        ([0, 0, -0.3, -0.8, -0.2, 0.0, 0.0], (1, 3, 5), [3, -1]),
        # a notch above the level is no S wave
        ([0, 0, 1, 0.2, 0.4, 0.1, 0], (1, 2, 6), [-1, -1]),
        # two dips behind an r wave: the deeper one
        ([0, 0, 0.2, -0.8, 0.6, -0.9, 0], (1, 4, 6), [-1, 5]),
    ],
)
def test_q_and_s_of_known_complexes(
    values: list[float], marks: tuple[int, int, int], expected: list[int]
) -> None:
    assert one_beat(values, *marks) == expected


def test_a_tiny_r_wave_does_not_come_and_go_with_noise() -> None:
    """The same dip is an S wave in all beats, or a Q wave in all of them."""
    signal = np.zeros((12, 500))
    marks = np.full((12, 5, 9), -1)
    for b, r in enumerate([0.01, 0.02, 0.035, 0.04, 0.05]):
        at = 50 + 80 * b
        signal[:, at + 2 : at + 8] = r, -0.4, -1.0, 0.0, 0.2, 0.1
        marks[:, b, QRS] = at, at + 6, at + 12
    found = q_s_peaks(signal, marks)
    assert (found[..., 0] == -1).all()
    assert (found[..., 1] == 50 + 80 * np.arange(5) + 4).all()


def test_q_and_s_are_absent_without_a_dip() -> None:
    signal = np.tile(np.r_[np.arange(10), np.arange(10)[::-1]], (12, 1)).astype(float)
    marks = np.full((12, 1, 9), -1)
    marks[:, 0, QRS] = 3, 9, 15
    assert (q_s_peaks(signal, marks) == -1).all()
    assert q_s_peaks(signal, marks[:, :0]).shape == (12, 0, 2)
