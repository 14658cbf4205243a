"""Waves by NeuroKit2: signals in one call, and signals for which it fails."""

from collections.abc import Callable
from typing import Any

import neurokit2
import numpy as np
import pytest

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats import find_beats
from ecgstore.beats.neurokit import delineation
from ecgstore.beats.neurokit.delineation import delineate
from ecgstore.record import Mark

FS = 500.0
Ecg = Callable[..., FloatArray]


def test_a_failure_in_one_lead_does_not_affect_the_others(
    ecg: Ecg,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signal, r_peaks = (
        ecg(np.arange(0.4, 9.7, 1.0))[:3],
        np.array([np.arange(250, 4700, 500)] * 3),
    )
    expected = delineate(signal, r_peaks, FS)
    original = neurokit2.ecg_delineate

    def fail_on_lead_1(line: FloatArray, *arguments: Any, **options: Any) -> Any:
        if signal[1].max() in line:
            raise IndexError
        return original(line, *arguments, **options)

    monkeypatch.setattr("neurokit2.ecg_delineate", fail_on_lead_1)
    marks = delineate(signal, r_peaks, FS)
    np.testing.assert_array_equal(marks[[0, 2]], expected[[0, 2]])
    assert (np.delete(marks[1], Mark.R_PEAK, axis=1) == -1).all()
    np.testing.assert_array_equal(marks[1, :, Mark.R_PEAK], r_peaks[1])


def neurokit_alone(lead: FloatArray, r_peaks: IntArray) -> dict[str, FloatArray]:
    _, waves = neurokit2.ecg_delineate(
        lead,
        r_peaks,
        sampling_rate=FS,
        method="prominence",
        max_p_basepoint_interval=delineation.MAX_P_MS,
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
        for mark, name in delineation.NEUROKIT_NAMES.items():
            expected = alone[name]
            if len(expected) < n_beats:  # NeuroKit2 forgets marks at sample 0
                continue
            actual = np.where(got[:, mark] < 0, np.nan, got[:, mark])
            np.testing.assert_array_equal(actual, expected)
            n_compared += 1
    assert n_compared > 30


def test_long_records_are_delineated_in_parts(
    ecg: Ecg, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = ecg(np.arange(0.4, 9.7, 0.8))
    expected = find_beats(signal, FS, max_beats=50, engine="neurokit")
    for max_samples in (1, 20_000):
        monkeypatch.setattr(delineation, "MAX_SAMPLES", max_samples)
        beats = find_beats(signal, FS, max_beats=50, engine="neurokit")
        np.testing.assert_array_equal(beats.fiducials, expected.fiducials)
