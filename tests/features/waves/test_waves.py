"""Durations and amplitudes of waves whose marks are known."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats import Beats, BeatStatus
from ecgstore.features import q_s_peaks
from ecgstore.features.feature import Inputs, Values
from ecgstore.features.rr.definitions import RR
from ecgstore.features.waves.definitions import WAVES
from ecgstore.record import LEADS, Mark

FS = 500.0
NAMES = [feature.name for feature in WAVES.definitions]
P_NAMES = {"p_duration_ms", "pr_interval_ms", "p_amplitude_mv", "p_area_mv_ms"}
QTC_NAMES = {name for name in NAMES if name.startswith("qtc_")}
P_WAVE = [Mark.P_ON, Mark.P_PEAK, Mark.P_OFF]
QRS = [Mark.QRS_ON, Mark.R_PEAK, Mark.QRS_OFF]
BEAT = np.array([-100, -80, -55, -25, 0, 25, 90, 130, 170])  # marks around an R-peak
R_PEAKS = np.array([300, 700, 1100, 1520])
GAINS = np.arange(5, 17) / 10


def wave_features(signal: FloatArray, beats: Beats, fs: float) -> FloatArray:
    """Return all features of the group, of the record and of its leads."""
    inputs, values = Inputs(signal, beats, fs, "neurokit"), Values()
    RR.compute(inputs, values)
    return WAVES.compute(inputs, values)


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


HEIGHTS = {-80: 0.1, -10: -0.22, 0: 1.0, 12: -0.4, 130: 0.3}
HEIGHTS |= {25: 0.02, 45: 0.04, 55: 0.06, 65: 0.05}  # J, and 40, 60, 80 ms later


def test_every_feature_of_known_marks_has_its_value() -> None:
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
        "qtc_framingham_ms": 390 + 154 * (1 - 0.8),
        "qtc_hodges_ms": 390 + 1.75 * (75 - 60),
        "jt_interval_ms": 290,
        "tpeak_tend_ms": 80,
        "r_peak_time_ms": 50,
        "q_duration_ms": 32,  # from -25 to -9 samples
        "p_amplitude_mv": 0.1,
        "q_amplitude_mv": -0.22,
        "r_amplitude_mv": 1.0,
        "s_amplitude_mv": -0.4,
        "t_amplitude_mv": 0.3,
        "qrs_range_mv": 1.4,
        "j_level_mv": 0.02,
        "st40_level_mv": 0.04,
        "st60_level_mv": 0.06,
        "st80_level_mv": 0.05,
        "st_slope_mv_per_s": (0.05 - 0.02) / 0.08,
        "p_area_mv_ms": 2 * 0.1,
        "qrs_area_mv_ms": 2 * (-0.22 + 1.0 - 0.4 + 0.02 / 2),  # ends count by half
        "t_area_mv_ms": 2 * 0.3,
        "r_to_rs_ratio": 1 / 1.4,
        "t_to_r_ratio": 0.3,
    }
    flags = {"t_sign", "pathological_q"}
    assert {*expected} | flags == {*NAMES}
    for lead, gain_mv in zip(("", *LEADS), [np.median(GAINS), *GAINS], strict=True):
        for name, value in expected.items():
            gain = gain_mv if "_mv" in name else 1
            assert features[lead][name] == pytest.approx(value * gain), (lead, name)
    t_signs = (0.3 * GAINS >= 0.1).astype(float)
    deep_q = (0.22 * GAINS >= 0.1).astype(float)
    for name, values in (("t_sign", t_signs), ("pathological_q", deep_q)):
        assert [features[lead][name] for lead in LEADS] == values.tolist()
        assert features[""][name] == pytest.approx(values.mean())


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
        for name in P_NAMES:
            assert np.isnan(features[lead][name]) == absent
    assert features["V6"]["p_duration_ms"] == 90


def test_the_r_amplitude_is_undefined_without_an_r_wave() -> None:
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
    no_t_off = {"qt_interval_ms", "jt_interval_ms", "tpeak_tend_ms", "t_area_mv_ms"}
    assert undefined == no_t_off | QTC_NAMES


def test_beats_for_which_a_lead_is_silent_are_not_without_p_waves() -> None:
    """As on paper, where each lead is shown for a time."""
    beats = marked()
    beats.fiducials[:, 1:] = -1  # one of four beats in most leads
    beats.fiducials[1] = marked().fiducials[1]
    features = named(wave_features(signal_of(marked(), HEIGHTS), beats, FS))
    for lead in ("", "II", "V5"):
        assert features[lead]["p_presence"] == 1
        assert features[lead]["pr_interval_ms"] == 150


def test_p_features_are_undefined_without_p_waves() -> None:
    beats = marked()
    beats.fiducials[..., P_WAVE] = -1
    features = named(wave_features(signal_of(beats, HEIGHTS), beats, FS))["V2"]
    assert features["p_presence"] == 0
    undefined = {name for name, value in features.items() if np.isnan(value)}
    assert undefined == P_NAMES


def test_one_beat_has_no_corrected_qt() -> None:
    beats = marked(np.array([300]))
    features = named(wave_features(signal_of(beats, HEIGHTS), beats, FS))["II"]
    undefined = {name for name, value in features.items() if np.isnan(value)}
    assert undefined == QTC_NAMES


def test_beats_at_the_ends_leave_all_features_defined() -> None:
    """No isoelectric level before the begin, no marks behind the end."""
    beats = marked(np.array([28, 400, 800]))
    beats.fiducials[beats.fiducials < 0] = -1
    features = named(wave_features(signal_of(beats, HEIGHTS), beats, FS))["I"]
    assert features["r_amplitude_mv"] == pytest.approx(GAINS[0])
    assert np.isfinite([*features.values()]).all()


@pytest.mark.parametrize("status", BeatStatus)
def test_features_are_undefined_without_beats(status: BeatStatus) -> None:
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


def test_a_qs_complex_is_pathological_however_short() -> None:
    beats = marked()
    for depth, flag in ((-0.09, 0), (-0.2, 1)):
        signal = np.zeros((12, 2000))
        signal[:, beats.r_peaks] = depth
        features = named(wave_features(signal, beats, FS))["V3"]
        assert features["q_duration_ms"] == 52
        assert np.isnan(features["r_amplitude_mv"])
        assert features["pathological_q"] == flag
    signal[:, beats.r_peaks + 10] = 0.5  # qR, and the Q wave is gone after 14 ms
    signal[:, beats.r_peaks[0] - 18 : beats.r_peaks[0]] = -0.2
    beats.fiducials[..., Mark.R_PEAK] += 10
    beats.fiducials[..., Mark.QRS_ON] = beats.r_peaks[:, None].T - 6
    features = named(wave_features(signal, beats, FS))["V3"]
    assert features["q_duration_ms"] == 14
    assert features["pathological_q"] == 0


def test_a_q_wave_in_few_beats_is_no_flag() -> None:
    beats = marked()
    signal = signal_of(beats, HEIGHTS | {-10: 0.0})
    signal[:, 300 - 12] -= 0.5
    features = named(wave_features(signal, beats, FS))["V5"]
    assert features["q_duration_ms"] >= 28
    assert features["pathological_q"] == 0


def test_st_levels_need_the_time() -> None:
    beats = marked()
    beats.fiducials[:, :3, Mark.QRS_OFF] = -1
    signal = signal_of(beats, HEIGHTS)[:, : R_PEAKS[3] + 25 + 35]
    beats.fiducials[beats.fiducials >= signal.shape[1]] = -1
    features = named(wave_features(signal, beats, FS))["I"]
    assert features["st40_level_mv"] == pytest.approx(0.04 * GAINS[0])
    undefined = {name for name, value in features.items() if np.isnan(value)}
    assert {"st80_level_mv", "st_slope_mv_per_s"} <= undefined
    assert "st60_level_mv" not in undefined


def test_marks_behind_the_end_are_refused() -> None:
    beats = marked()
    for function in (
        lambda signal: wave_features(signal, beats, FS),
        lambda signal: q_s_peaks(signal, beats.fiducials),
    ):
        with pytest.raises(ValueError, match="up to sample 1690 do not fit"):
            function(np.zeros((12, 1690)))
        with pytest.raises(ValueError, match="marks of 12 leads"):
            function(np.zeros((11, 2000)))


def plain_q_s(lead: FloatArray, beats: IntArray) -> list[list[int]]:
    """Return Q and S of the beats of one lead, by their definition."""
    q_s = [[-1, -1] for _ in beats]
    wave = 0  # 0: Q, 1: S
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
        wave = max(wave, int(bool(rises) and np.median(rises) >= 0.03))
        for b, place in places.items():
            if q_s[b][wave] < 0 or lead[place] < lead[q_s[b][wave]]:
                q_s[b][wave] = place
    return q_s


@given(st.integers(0, 2**32 - 1))
def test_q_and_s_equal_their_plain_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signal = rng.integers(-3, 4, (12, 200)).astype(float)
    marks = np.full((12, 5, 9), -1)
    marks[..., QRS] = np.sort(rng.integers(0, 200, (12, 5, 3)), axis=2)
    marks[rng.random(marks.shape) < 0.1] = -1
    places = q_s_peaks(signal, marks)
    assert places.shape == (12, 5, 2)
    assert places.dtype == np.int64
    for lead, lead_marks, lead_places in zip(signal, marks, places, strict=True):
        assert lead_places.tolist() == plain_q_s(lead, lead_marks[:, QRS])


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


def test_noise_on_a_tiny_r_wave_does_not_exchange_q_and_s() -> None:
    """The same dip is an S wave in all beats, or a Q wave in all of them."""
    signal = np.zeros((12, 500))
    marks = np.full((12, 5, 9), -1)
    for b, r in enumerate([0.01, 0.02, 0.035, 0.04, 0.05]):
        at = 50 + 80 * b
        signal[:, at + 2 : at + 8] = r, -0.4, -1.0, 0.0, 0.2, 0.1
        marks[:, b, QRS] = at, at + 6, at + 12
    places = q_s_peaks(signal, marks)
    assert (places[..., 0] == -1).all()
    assert (places[..., 1] == 50 + 80 * np.arange(5) + 4).all()


def test_no_q_wave_follows_an_s_wave() -> None:
    """Not either if the beats with the later dip are others than with the first."""
    signal = np.zeros((12, 300))
    marks = np.full((12, 3, 9), -1)
    for b, values in enumerate([[0.1, -0.5, 0.2], [0.1, -0.5, 0.2], [-0.2, 0, -0.6]]):
        at = 50 + 80 * b
        signal[:, at + 2 : at + 5] = values
        marks[:, b, QRS] = at, at + 4 - 2 * (b == 2), at + 8
    places = q_s_peaks(signal, marks)
    assert (places[..., 0] == -1).all()
    assert places[0, :, 1].tolist() == [53, 133, 214]


@pytest.mark.parametrize(
    ("level", "amplitude"), [(0.0, -0.05), (-0.03, -0.02), (-0.1, np.nan)]
)
def test_q_is_located_from_qrs_onset_and_measured_from_the_isoelectric_level(
    level: float, amplitude: float
) -> None:
    """The level before QRS onset lies below the voltage there in two of the cases."""
    beats = marked()
    signal = np.zeros((12, 2000))
    for r in beats.r_peaks:
        signal[:, r - 40 : r - 25] = level
        signal[:, r - 10] = -0.05
        signal[:, r] = 1.0
    places = q_s_peaks(signal, beats.fiducials)
    assert (places[..., 0] == beats.r_peaks - 10).all()
    features = named(wave_features(signal, beats, FS))["V1"]
    assert features["q_amplitude_mv"] == pytest.approx(amplitude, nan_ok=True)
    assert features["q_duration_ms"] == 32


def test_q_and_s_are_absent_without_a_dip() -> None:
    signal = np.tile(np.r_[np.arange(10), np.arange(10)[::-1]], (12, 1)).astype(float)
    marks = np.full((12, 1, 9), -1)
    marks[:, 0, QRS] = 3, 9, 15
    assert (q_s_peaks(signal, marks) == -1).all()
    assert q_s_peaks(signal, marks[:, :0]).shape == (12, 0, 2)


def test_marks_that_do_not_fit_are_refused() -> None:
    signal, beats = np.zeros((12, 2000)), marked()
    more = Beats(np.arange(100, 1900, 100), beats.fiducials, beats.status)
    with pytest.raises(
        ValueError, match="18 R-peaks and marks of 4 beats; expected the same"
    ):
        wave_features(signal, more, FS)
    short = Beats(beats.r_peaks, beats.fiducials[..., :8], beats.status)
    with pytest.raises(ValueError, match="expected 9 for each beat"):
        wave_features(signal, short, FS)
