"""The engine "neurokit" on synthetic and real ECGs, and on other signals."""

import functools
from collections.abc import Callable
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
from ecgstore.features import FEATURES, compute
from ecgstore.record import LEADS, Mark
from ecgstore.sources import read_record

FS = 500.0
P_DELAY_S, T_DELAY_S = -0.16, 0.25
"""Time from the R-peak to the P and the T peak of the synthetic ECG."""
Ecg = Callable[..., FloatArray]

find_beats = functools.partial(beats.find_beats, engine="neurokit")


def band_passed(signal: FloatArray, fs: float = FS) -> FloatArray:
    sections = butter(2, [0.5, 40], "bandpass", fs=fs, output="sos")
    return np.asarray(sosfiltfilt(sections, signal, axis=1))


def regular(rate: float, duration: float = 10.0) -> FloatArray:
    return np.arange(0.4, duration - 0.3, 60 / rate)


def assert_valid(
    beats: Beats, n_samples: int, max_beats: int = 50, fs: float = FS
) -> None:
    """Assert what holds for the result of any search for beats."""
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
def test_every_beat_is_detected_once(ecg: Ecg, rate: float) -> None:
    times = regular(rate)
    signal = ecg(times)
    beats = find_beats(signal, FS, max_beats=50)
    assert_valid(beats, signal.shape[1])
    assert beats.status == BeatStatus.OK
    assert len(beats.r_peaks) == len(times)
    assert np.abs(beats.r_peaks - times * FS).max() <= 2
    assert (beats.fiducials[..., Mark.R_PEAK] >= 0).all()
    # QRS complexes are delineated at any rate, P and T waves where there is room.
    assert (beats.fiducials[..., [Mark.QRS_ON, Mark.QRS_OFF]] >= 0).mean() > 0.99
    if rate <= 90:
        peaks = beats.fiducials[:, 1:-1, [Mark.P_PEAK, Mark.T_PEAK]]
        assert (peaks >= 0).mean() > 0.9


def test_waves_are_marked_at_their_times(ecg: Ecg) -> None:
    times = regular(60)
    beats = find_beats(ecg(times, noise=0.002), FS, max_beats=50)
    for mark, delay in ((Mark.P_PEAK, P_DELAY_S), (Mark.T_PEAK, T_DELAY_S)):
        marks = beats.fiducials[:, 1:-1, mark]
        error = marks / FS - (times[1:-1] + delay)
        assert np.abs(error[marks >= 0]).max() < 0.02


def test_waves_of_avr_are_negative(ecg: Ecg) -> None:
    signal = ecg(regular(60))
    beats = find_beats(signal, FS, max_beats=50)
    avr = LEADS.index("aVR")
    p_peaks = beats.fiducials[avr, 1:, Mark.P_PEAK]
    assert (signal[avr, p_peaks] < -0.03).all()


def test_p_waves_need_the_agreement_of_the_leads(ecg: Ecg) -> None:
    """Without a P wave, NeuroKit2 marks a wave of the noise, in any lead."""
    times = np.cumsum(np.random.default_rng(0).uniform(0.5, 1.1, 11))
    with_p = find_beats(ecg(times, noise=0.02), FS, max_beats=50)
    without = find_beats(ecg(times, noise=0.02, p_wave=False), FS, max_beats=50)
    assert (with_p.fiducials[:, 1:, Mark.P_PEAK] >= 0).mean() > 0.9
    assert (without.fiducials[:, 1:, Mark.P_PEAK] >= 0).mean() < 0.3
    assert len(without.r_peaks) == len(times)


def test_beats_of_an_inverted_record_are_detected(ecg: Ecg) -> None:
    times = regular(70)
    beats = find_beats(-ecg(times), FS, max_beats=50)
    assert_valid(beats, 5000)
    assert len(beats.r_peaks) == len(times)
    assert np.abs(beats.r_peaks - times * FS).max() <= 0.05 * FS


def test_beats_of_swapped_arm_leads_are_detected(ecg: Ecg) -> None:
    times = regular(70)
    signal = ecg(times)
    signal[[0, 1, 2, 3, 4]] = -signal[0], signal[2], signal[1], signal[4], signal[3]
    beats = find_beats(signal, FS, max_beats=50)
    assert len(beats.r_peaks) == len(times)


def test_beats_near_the_ends_are_detected(ecg: Ecg) -> None:
    times = np.r_[0.08, np.arange(0.9, 9.5, 0.8), 9.88]
    beats = find_beats(ecg(times), FS, max_beats=50)
    assert np.abs(beats.r_peaks - times * FS).max() <= 3


def test_beats_cut_off_by_the_ends_are_left_out(ecg: Ecg) -> None:
    times = np.r_[0.004, np.arange(0.8, 9.5, 0.8), 9.994]
    beats = find_beats(ecg(times), FS, max_beats=50)
    assert len(beats.r_peaks) == len(times) - 2


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
def test_known_difficult_records_have_correct_features(
    shared_data: Path, name: str
) -> None:
    """The r wave of V1 was marked as P wave, the S wave as end of the complex."""
    header = shared_data / "challenge-2020" / "training" / f"{name}.hea"
    if not header.exists():
        pytest.skip(f"{header} is not there")
    record = read_record(header)
    signal = band_passed(record.signal[:, : round(10 * record.fs)], record.fs)
    beats = find_beats(signal, record.fs, max_beats=50)
    assert_valid(beats, signal.shape[1], fs=record.fs)
    names = [feature.name for feature in FEATURES]
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


def test_beats_close_together_are_detected(ecg: Ecg) -> None:
    times = np.array([0.5, 1.3, 1.54, 2.4, 3.2, 3.45, 4.3, 5.1, 5.9, 6.7, 7.5, 8.3])
    beats = find_beats(ecg(times), FS, max_beats=50)
    assert len(beats.r_peaks) == len(times)
    assert np.abs(beats.r_peaks - times * FS).max() <= 3
    assert_valid(beats, 5000)


@pytest.mark.parametrize("value", [0.0, 0.37, -5.0])
def test_a_flat_record_has_no_beats(value: float) -> None:
    beats = find_beats(np.full((12, 5000), value), FS, max_beats=50)
    assert_valid(beats, 5000)
    assert beats.status == BeatStatus.NO_BEATS


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, 1e9, 0.0])
@pytest.mark.parametrize("n_bad", [1, 6, 11, 12])
def test_unusable_leads_do_not_affect_the_beats(
    ecg: Ecg, bad: float, n_bad: int
) -> None:
    times = regular(75)
    signal = ecg(times)
    if bad == 0.0 or abs(bad) > 1e6:
        signal[12 - n_bad :] = bad
    else:
        signal[12 - n_bad :, 2345] = bad
    beats = find_beats(signal, FS, max_beats=50)
    assert_valid(beats, 5000)
    if n_bad == 12:
        assert beats.status == BeatStatus.NO_BEATS
    else:
        assert beats.status == BeatStatus.OK
        assert len(beats.r_peaks) == len(times)
        assert (beats.fiducials[12 - n_bad :] == -1).all()
        assert (beats.fiducials[: 12 - n_bad, :, Mark.R_PEAK] >= 0).all()


def test_beats_do_not_depend_on_the_amplitude(ecg: Ecg) -> None:
    signal = ecg(regular(75))
    expected = find_beats(signal, FS, max_beats=50)
    for scale in (0.01, 1000.0):
        beats = find_beats(signal * scale, FS, max_beats=50)
        np.testing.assert_array_equal(beats.r_peaks, expected.r_peaks)
        assert (beats.fiducials == expected.fiducials).mean() > 0.999


@pytest.mark.parametrize("times", [[1.0], [1.0, 1.9], [0.7, 1.5, 2.3]])
@pytest.mark.parametrize("duration", [3.0, 10.0])
def test_few_beats_are_detected(ecg: Ecg, times: list[float], duration: float) -> None:
    beats = find_beats(ecg(np.array(times), duration), FS, max_beats=50)
    assert_valid(beats, round(duration * FS))
    assert np.abs(beats.r_peaks - np.array(times) * FS).max() <= 3
    if len(times) == 1:
        assert beats.status == BeatStatus.TOO_FEW_BEATS
        assert (beats.fiducials[..., Mark.R_PEAK] >= 0).all()
        assert (np.delete(beats.fiducials, Mark.R_PEAK, axis=2) == -1).all()
    else:
        assert beats.status == BeatStatus.OK
        assert (beats.fiducials[..., Mark.QRS_ON] >= 0).mean() > 0.9


@pytest.mark.parametrize("duration", [0.5, 1.0, 2.0, 3.9])
def test_beats_of_short_records_are_detected(ecg: Ecg, duration: float) -> None:
    signal = ecg(regular(90, duration + 0.2), duration)
    beats = find_beats(signal, FS, max_beats=50)
    assert_valid(beats, signal.shape[1])
    assert len(beats.r_peaks) == sum(regular(90, duration + 0.2) < duration - 0.1)


@pytest.mark.parametrize("n_samples", [0, 1, 2, 3, 10, 100])
def test_records_of_few_samples_give_a_valid_result(n_samples: int) -> None:
    signal = np.random.default_rng(0).normal(0, 1, (12, n_samples))
    assert_valid(find_beats(signal, FS, max_beats=50), n_samples)


@pytest.mark.parametrize("fs", [50.0, 100.0, 257.0, 1000.0])
def test_beats_are_detected_at_other_sampling_rates(ecg: Ecg, fs: float) -> None:
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
        assert_valid(beats, 5000)
        n_beats += len(beats.r_peaks)
        # The limb leads are sums of two: the same noise stands in all of them.
        signal[2] = signal[1] - signal[0]
        signal[3] = -(signal[0] + signal[1]) / 2
        signal[4] = signal[0] - signal[1] / 2
        signal[5] = signal[1] - signal[0] / 2
        beats = find_beats(band_passed(signal), FS, max_beats=50)
        n_beats += len(beats.r_peaks)
    assert n_beats <= 2


def test_noise_in_a_third_of_the_leads_changes_nothing(ecg: Ecg) -> None:
    times = regular(75)
    signal = ecg(times)
    noise = np.random.default_rng(0).normal(0, 2, (4, 5000))
    signal[[1, 5, 6, 9]] = band_passed(noise)
    beats = find_beats(signal, FS, max_beats=50)
    assert np.abs(beats.r_peaks - times * FS).max() <= 2
    assert len(beats.r_peaks) == len(times)


def test_beats_beyond_max_beats_are_dropped(ecg: Ecg) -> None:
    signal = ecg(regular(90))
    all_beats = find_beats(signal, FS, max_beats=50)
    beats = find_beats(signal, FS, max_beats=6)
    assert_valid(beats, 5000, max_beats=6)
    assert beats.status == BeatStatus.TOO_MANY_BEATS
    np.testing.assert_array_equal(beats.r_peaks, all_beats.r_peaks[:6])
    same = beats.fiducials == all_beats.fiducials[:, :6]
    assert same.all()
    assert find_beats(signal, FS, max_beats=1).fiducials.shape == (12, 1, 9)


def test_as_many_beats_as_max_beats_are_kept(ecg: Ecg) -> None:
    times = regular(75)
    beats = find_beats(ecg(times), FS, max_beats=len(times))
    assert beats.status == BeatStatus.OK
    assert len(beats.r_peaks) == len(times)


def test_float32_gives_the_beats_of_float64(ecg: Ecg) -> None:
    signal = ecg(regular(75)).astype(np.float32)
    expected = find_beats(signal.astype(np.float64), FS, max_beats=50)
    beats = find_beats(signal, FS, max_beats=50)
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
    assert_valid(find_beats(signal, FS, max_beats=50), signal.shape[1])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-300, 1e-4, 1.0, 1e5, 1e150]))
def test_any_random_walk_gives_a_status(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    signal = rng.standard_t(1.5, (12, 1500)) * scale
    if rng.random() < 0.5:
        signal = np.cumsum(signal, axis=1)
    signal[rng.random(12) < 0.2] = 0
    assert_valid(find_beats(signal, FS, max_beats=50), 1500)


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
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    valid: dict[str, Any] = {
        "signal": np.zeros((12, 5000)),
        "fs": FS,
        "max_beats": 50,
    }
    with pytest.raises(ValueError, match=message):
        find_beats(**(valid | arguments))


def fail(*_: object, **__: object) -> None:
    raise ZeroDivisionError


def test_failures_of_the_detector_in_all_leads_give_a_status(
    ecg: Ecg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurokit2.ecg_findpeaks", fail)
    beats = find_beats(ecg(regular(60)), FS, max_beats=50)
    assert beats.status == BeatStatus.DETECTOR_FAILED
    assert_valid(beats, 5000)


def test_failures_of_delineation_in_all_leads_keep_the_r_peaks(
    ecg: Ecg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurokit2.ecg_delineate", fail)
    times = regular(60)
    beats = find_beats(ecg(times), FS, max_beats=50)
    assert beats.status == BeatStatus.DETECTOR_FAILED
    assert len(beats.r_peaks) == len(times)
    assert (beats.fiducials[..., Mark.R_PEAK] >= 0).all()
    assert_valid(beats, 5000)


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


def test_qrs_complexes_of_ludb_are_detected(shared_data: Path) -> None:
    """QRS complexes of all leads are near the cardiologists' marks."""
    if not (shared_data / "ludb" / "data").is_dir():
        pytest.skip(f"{shared_data / 'ludb'} is not there")
    n_hits = n_marks = n_detected = 0
    errors: dict[Mark, list[float]] = {Mark.QRS_ON: [], Mark.QRS_OFF: []}
    for signal, annotations in ludb(shared_data):
        beats = find_beats(signal, FS, max_beats=50)
        assert_valid(beats, signal.shape[1])
        assert beats.status == BeatStatus.OK
        for lead, marks in enumerate(annotations):
            first, last = marks["ends"]
            detected = beats.fiducials[lead]
            r_peaks = detected[:, Mark.R_PEAK]
            detected = detected[(r_peaks >= first) & (r_peaks <= last)]
            distance = np.abs(marks[Mark.R_PEAK][:, None] - detected[:, Mark.R_PEAK])
            hit = distance.min(axis=1) <= 0.15 * FS
            n_hits += int(hit.sum())
            n_marks += len(hit)
            n_detected += len(detected)
            nearest = detected[distance.argmin(axis=1)[hit]]
            for mark, errors_ms in errors.items():
                samples = nearest[:, mark]
                difference = (samples - marks[mark][hit])[samples >= 0]
                errors_ms.extend((1000 * difference / FS).tolist())
    assert n_marks > 2000
    assert 2 * n_hits / (n_marks + n_detected) > 0.997
    for errors_ms in errors.values():
        assert len(errors_ms) > 0.99 * n_marks
        assert abs(np.mean(errors_ms)) < 6  # NeuroKit2 alone: 8 and -24
        assert np.std(errors_ms) < 18  # NeuroKit2 alone: 19 and 24
