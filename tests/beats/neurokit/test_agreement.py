"""The beats of a record, by a vote of its leads."""

from collections.abc import Callable

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.beats.neurokit.agreement import agreed_beats

FS = 500.0
Ecg = Callable[..., FloatArray]


def test_beats_do_not_jitter_with_the_leads_that_detect_them(ecg: Ecg) -> None:
    """V1-V5 lead the others by 40 ms; each beat is lost in another half of the leads.

    Without the leads' offsets, the times would jump by up to 40 ms.
    """
    rng = np.random.default_rng(0)
    true = np.arange(300, 4800, 400)
    offsets = np.where(np.isin(np.arange(12), [6, 7, 8, 9, 10]), -20, 0)
    signal = ecg(true / FS)
    detected = np.zeros((12, len(true)), bool)
    for column in detected.T:
        column[rng.permutation(12)[:6]] = True
    lead_peaks = [
        true[row] + offset for row, offset in zip(detected, offsets, strict=True)
    ]
    beats = agreed_beats(lead_peaks, signal, FS)
    assert len(beats) == len(true)
    assert np.ptp(beats - true) <= 1


def test_a_beat_needs_half_of_the_leads(ecg: Ecg) -> None:
    true = np.sort(np.r_[np.arange(300, 4800, 400), 2100])
    signal = ecg(true / FS)
    for n_votes, expected in ((5, len(true) - 1), (6, len(true))):
        fewer = true[true != 2100]
        lead_peaks = [true if k < n_votes else fewer for k in range(12)]
        assert len(agreed_beats(lead_peaks, signal, FS)) == expected


def test_a_beat_in_a_long_gap_needs_a_quarter_of_the_leads(ecg: Ecg) -> None:
    true = np.arange(300, 4800, 400)
    signal = ecg(true / FS)
    for n_votes, expected in ((2, len(true) - 1), (3, len(true))):
        lead_peaks = [true if k < n_votes else np.delete(true, 4) for k in range(12)]
        assert len(agreed_beats(lead_peaks, signal, FS)) == expected


def test_detections_of_a_quarter_of_the_leads_in_a_pause_are_no_beat(ecg: Ecg) -> None:
    """Neither soon after a beat, nor where the signal is flat."""
    true = np.delete(np.arange(300, 4800, 400), [4, 5])  # 1500 to 2700
    for extra in (1690, 2100, 2510):
        signal = ecg(true / FS)
        lead_peaks = [np.sort(np.r_[true, extra])] * 5 + [true] * 7
        np.testing.assert_array_equal(agreed_beats(lead_peaks, signal, FS), true)
        signal = ecg(np.sort(np.r_[true, extra]) / FS)  # now it is steep
        n_beats = len(agreed_beats(lead_peaks, signal, FS))
        assert n_beats == len(true) + (extra == 2100)


def test_t_waves_are_no_beats(ecg: Ecg) -> None:
    """Even if every detector takes them for beats, as they do in pauses."""
    true = np.arange(300, 4800, 800)
    lead_peaks = [np.sort(np.r_[true, true + 125])] * 12
    beats = agreed_beats(lead_peaks, ecg(true / FS), FS)
    np.testing.assert_array_equal(beats, true)


def test_peaks_as_far_apart_as_the_tolerance_are_one_beat() -> None:
    """Two leads that just touch each other make one beat between them."""
    signal = np.zeros((2, 1000))
    signal[:, 400:600] = np.sin(np.linspace(0, 30, 200))
    for distance in range(70, 80):
        peaks = [np.array([460]), np.array([460 + distance])]
        (beat,) = agreed_beats(peaks, signal, FS)
        assert 460 <= beat <= 460 + distance
