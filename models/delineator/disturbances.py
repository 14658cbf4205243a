"""Disturb the leads of a training example: noise, steps, spikes, lost electrodes."""

from typing import Final

import numpy as np
from scipy.signal import butter, sosfilt

from ecgstore.arrays import BoolArray, Float32Array

NOISE_BANDS: Final = ((0.5, 40.0), (0.1, 2.0), (5.0, 40.0), (15.0, 100.0), (3.0, 12.0))
"""Bands of noise in Hz."""

_N_NOISE_SAMPLES: Final = 1 << 17
_DRIFT: Final = 1
"""Position of the band of baseline drift, which is larger than other noise."""

_FS: Final = 250.0


class Noise:
    """Coloured noise to draw from, with a standard deviation of 1."""

    def __init__(self, rng: np.random.Generator) -> None:
        rows = []
        for low, high in NOISE_BANDS:
            sections = butter(2, [low, high], "bandpass", fs=_FS, output="sos")
            coloured = sosfilt(sections, rng.normal(0, 1, _N_NOISE_SAMPLES + 5000))
            coloured = coloured[5000:]
            rows.append(coloured / coloured.std())
        self._rows = np.array(rows, np.float32)

    def draw(self, band: int, n: int, rng: np.random.Generator) -> Float32Array:
        """Return `n` samples of noise in one of the bands."""
        begin = int(rng.integers(_N_NOISE_SAMPLES - n))
        noise: Float32Array = self._rows[band, begin : begin + n]
        return noise


def disturb(signal: Float32Array, noise: Noise, rng: np.random.Generator) -> None:
    """Add noise and artefacts to leads at 250 Hz, and invert or ruin some, in place."""
    n = signal.shape[1]
    noisy = rng.random() < 0.6
    common = np.exp(rng.uniform(np.log(0.003), np.log(0.1)))
    if len(signal) < 3 and rng.random() < 0.3:
        common *= 3  # records of few leads are worn in motion
    if rng.random() < 0.05:
        signal *= -1
    for row in signal:
        size = float(np.ptp(row))
        if noisy and rng.random() < 0.7:
            band = int(rng.integers(len(NOISE_BANDS)))
            amount = size * common * np.exp(rng.normal(0, 0.5))
            if band == _DRIFT:
                amount *= 3
            row += amount * noise.draw(band, n, rng)
        if rng.random() < 0.05:
            hertz = rng.choice([50.0, 60.0])
            phase = 2 * np.pi * (hertz * np.arange(n) / _FS + rng.random())
            row += size * rng.uniform(0, 0.1) * np.sin(phase)
        if rng.random() < 0.08:
            row *= -1
        if len(signal) > 3 and rng.random() < 0.03:  # hardly a signal
            band = int(rng.integers(len(NOISE_BANDS)))
            row *= rng.uniform(0, 0.3)
            row += size * rng.uniform(0.1, 2) * noise.draw(band, n, rng)
        if rng.random() < 0.05:  # a burst
            where = int(rng.integers(n - 300))
            length = int(rng.integers(10, 300))
            band = int(rng.integers(len(NOISE_BANDS)))
            burst = noise.draw(band, length, rng)
            row[where : where + length] += size * rng.uniform(0.1, 2) * burst
        if rng.random() < 0.06:
            _add_spikes(row, size, rng)
        if rng.random() < 0.05:
            _add_jump(row, size, rng)
        if rng.random() < 0.04:  # a step of the gain
            row[int(rng.integers(n)) :] *= np.exp(rng.normal(0, 0.6))


def _add_spikes(row: Float32Array, size: float, rng: np.random.Generator) -> None:
    """Add some spikes of 4 to 30 ms and of any height."""
    for _ in range(int(rng.integers(1, 5))):
        place, width = int(rng.integers(len(row) - 10)), int(rng.integers(1, 8))
        shape = np.hanning(width + 2)[1:-1]
        height = size * np.exp(rng.uniform(np.log(0.2), np.log(10)))
        part = row[place : place + width]
        part += (height * rng.choice([-1, 1]) * shape)[: len(part)]


def _add_jump(row: Float32Array, size: float, rng: np.random.Generator) -> None:
    """Add a jump of the baseline that decays, as behind a high-pass filter."""
    place = int(rng.integers(len(row)))
    height = size * np.exp(rng.uniform(np.log(0.2), np.log(5))) * rng.choice([-1, 1])
    decay = np.exp(-np.arange(len(row) - place) / (_FS * rng.uniform(0.1, 1.0)))
    row[place:] += height * decay


def draw_usable(
    n_leads: int, n_spans: int, spans_per_s: float, rng: np.random.Generator
) -> BoolArray:
    """Return which leads are usable in which spans of a training example.

    Mostly all; else the leads follow each other as on paper, or electrodes come off for
    a time or for all of it.
    """
    usable = np.ones((n_leads, n_spans), np.bool_)
    if n_leads == 1:
        if rng.random() < 0.05:
            _lose_some(usable, rng)
        return usable
    draw = rng.random()
    if draw < 0.1 and n_leads > 2:
        _lay_out(usable, spans_per_s, rng)
    elif draw < 0.17:
        _lose_some(usable, rng)
    elif draw < 0.32:
        usable[rng.permutation(n_leads)[: int(rng.integers(1, n_leads))]] = False
    return usable


def _lay_out(usable: BoolArray, spans_per_s: float, rng: np.random.Generator) -> None:
    """Let groups of leads follow each other every 2.5 s, some leads last throughout."""
    n_leads, n_spans = usable.shape
    n_columns = int(rng.choice([2, 4]))
    column_of_lead = np.sort(np.arange(n_leads) % n_columns)[rng.permutation(n_leads)]
    begin = rng.uniform(0, 2.5 * n_columns)
    column = ((np.arange(n_spans) / spans_per_s + begin) // 2.5).astype(int) % n_columns
    usable &= column_of_lead[:, None] == column
    if rng.random() < 0.7:
        usable[rng.permutation(n_leads)[: int(rng.integers(1, 3))]] = True


def _lose_some(usable: BoolArray, rng: np.random.Generator) -> None:
    """Let some leads be lost at a time, from a time on, or until then."""
    n_leads, n_spans = usable.shape
    lost = rng.random(n_leads) < rng.uniform(0.2, 0.8)
    first, last = np.sort(rng.integers(0, n_spans, 2))
    draw = rng.random()
    if draw < 0.3:
        first = 0
    elif draw < 0.6:
        last = n_spans
    usable[lost, first:last] = False
