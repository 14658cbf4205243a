"""Synthetic ECGs for the tests of the engine "neurokit"."""

from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from ecgstore.arrays import FloatArray

FS: Final = 500.0

WAVES: Final = (
    (-0.16, 0.020, 0.12),
    (-0.030, 0.008, -0.10),
    (0.0, 0.010, 1.0),
    (0.032, 0.010, -0.25),
    (0.25, 0.045, 0.30),
)
"""Time from the R-peak in s, width in s, and height in mV of P, Q, R, S and T."""

GAINS: Final = (0.7, 1.0, 0.3, -0.85, 0.2, 0.65, -0.4, 0.5, 0.8, 1.2, 1.1, 0.9)


@pytest.fixture(scope="session")
def ecg() -> Callable[..., FloatArray]:
    """Return a function that gives a 12-lead ECG with beats at some times in s."""
    return make_ecg


def make_ecg(
    beat_times: FloatArray,
    duration: float = 10.0,
    noise: float = 0.01,
    p_wave: bool = True,
) -> FloatArray:
    """Return a 12-lead ECG in mV at 500 Hz, band-passed."""
    time = np.arange(round(duration * FS)) / FS
    shortest = np.diff(beat_times).min(initial=1.0)
    beat = np.zeros_like(time)
    for beat_time in beat_times:
        for delay, width, height in WAVES[0 if p_wave else 1 :]:
            # The QRS complex keeps its place; P and T move with the heart rate.
            scale = min(1, shortest**0.5) if abs(delay) > 0.1 else 1
            place = beat_time + delay * scale
            beat += height * np.exp(-((time - place) ** 2) / (2 * width**2))
    rng = np.random.default_rng(0)
    leads = np.array(GAINS)[:, None] * beat
    noisy = leads + rng.normal(0, noise, leads.shape)
    sections = butter(2, [0.5, 40], "bandpass", fs=FS, output="sos")
    return np.asarray(sosfiltfilt(sections, noisy, axis=1))
