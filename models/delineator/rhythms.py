"""Change the rhythm and beats of an excerpt: rates, blocks, fibrillation, pacing."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.models.delineator.records import BANDS, FS, TrainingRecord
from ecgstore.signals.preprocess import bandpass

SMALLEST_STRETCH: Final = 0.02
"""Of the time between two beats, in a simulated tachycardia."""

_WIDE_QRS: Final = 0.1
_LONG_PQ: Final = 0.15
_NO_P: Final = 0.2
_F_WAVES: Final = 0.85
_PACING: Final = 0.05
"""Chances: wide complexes, a long PQ interval, no P waves, then f waves or flutter
waves, and a pacing spike before each complex."""

_P_MARGIN: Final = 5
"""Samples at 500 Hz by which the line that replaces a P wave is longer on each side."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is done to all excerpts of one example.

    Attributes
    ----------
    has_p_waves, has_f_waves : bool
        Without P waves, there may be waves of fibrillation or flutter.
    is_paced : bool
        Whether a pacing spike stands before each complex.
    """

    has_p_waves: bool
    has_f_waves: bool
    is_paced: bool


def draw_rhythm(rng: np.random.Generator) -> Rhythm:
    """Return the rhythm of an example."""
    has_p_waves = rng.random() >= _NO_P
    return Rhythm(
        has_p_waves,
        not has_p_waves and rng.random() < _F_WAVES,
        rng.random() < _PACING,
    )


def changed(
    record: TrainingRecord,
    leads: IntArray,
    band: int,
    rhythm: Rhythm,
    rng: np.random.Generator,
) -> tuple[Float32Array, list[IntArray]]:
    """Return the signal of some leads of a record, and their classes, in a rhythm."""
    signal = record.signals[band, leads]
    classes = [record.classes[lead] for lead in leads]
    if not rhythm.has_p_waves:
        for k, lead in enumerate(leads):
            classes[k] = _remove_p(signal[k], record.edges[lead], classes[k])
    if rhythm.is_paced:
        _add_pacing(signal, [record.edges[lead] for lead in leads], classes, band, rng)
    return signal, classes


def _remove_p(row: Float32Array, edges: FloatArray, classes: IntArray) -> IntArray:
    """Replace the P waves of a lead by straight lines; return the new classes."""
    starts = np.flatnonzero((classes[:-1] == 1) & (classes[1:] == 2))
    for k in starts:
        begin = max(int(edges[k]) - _P_MARGIN, 0)
        end = min(int(edges[k + 2]) + _P_MARGIN, len(row) - 1)
        row[begin:end] = np.linspace(row[begin], row[end], end - begin)
    without = classes.copy()
    without[starts] = 0
    without[starts + 1] = 0
    return without


def _add_pacing(
    signal: Float32Array,
    edges: list[FloatArray],
    classes: list[IntArray],
    band: int,
    rng: np.random.Generator,
) -> None:
    """Add a spike, as filtered as the record, shortly before each complex."""
    onsets = [e[:-1][c == 3] for e, c in zip(edges, classes, strict=True)]
    first = max(onsets, key=len)
    pulse = _pulse(band)
    reach = len(pulse) // 2
    sizes = np.ptp(signal, axis=1) * np.exp(rng.normal(-1.0, 0.7, len(signal)))
    sizes *= rng.choice([-1.0, 1.0], len(signal))
    before = int(rng.integers(2, 25))
    for onset in first.astype(int):
        place = onset - before
        if reach <= place < signal.shape[1] - reach:
            signal[:, place - reach : place + reach + 1] += sizes[:, None] * pulse


def _pulse(band: int) -> Float32Array:
    """Return a pulse of 2 ms under a filter, with a height of 1."""
    impulse = np.zeros((1, 4001))
    impulse[0, 2000] = 1
    pulse = bandpass(impulse, FS, *BANDS[band])[0, 1900:2101]
    return np.asarray(pulse / pulse.max(), np.float32)


def time_stretch(
    record: TrainingRecord, rhythm: Rhythm, rng: np.random.Generator
) -> FloatArray:
    """Return the factor by which the duration of each sample of a record changes.

    A record is stretched as a whole, and in addition between its beats, since the heart
    rate changes mostly by the time between T and P.
    """
    quiet = record.quiet
    spread = 0.12 if rng.random() < 0.7 else 0.35
    whole = float(np.clip(np.exp(rng.normal(0, spread)), 0.45, 2.0))
    stretch = np.full(len(quiet), whole)
    if rng.random() < _WIDE_QRS:
        stretch[record.in_qrs] *= rng.uniform(1.2, 2.2)
    if rng.random() < _LONG_PQ:
        stretch[record.in_pq] *= np.exp(rng.uniform(np.log(1.5), np.log(8)))
    draw = rng.random()
    if not rhythm.has_p_waves and draw < 0.8:
        draw = 1.0
    if draw < 0.4:
        return stretch
    if draw < 0.6:
        stretch[quiet] *= rng.uniform(SMALLEST_STRETCH, 1)
    elif draw < 0.68:  # a tachycardia
        stretch[quiet] *= SMALLEST_STRETCH
        stretch *= rng.uniform(0.5, 0.9)
    elif draw < 0.82:
        stretch[quiet] *= np.exp(rng.uniform(0, np.log(10)))
    else:  # an irregular rhythm
        steps = np.flatnonzero(np.diff(quiet.astype(np.int8), prepend=0) == 1)
        for begin, end in pairwise([*steps, len(quiet)]):
            gap = begin + np.flatnonzero(quiet[begin:end])
            stretch[gap] *= np.exp(rng.uniform(np.log(SMALLEST_STRETCH), np.log(4)))
    return stretch


def f_waves(n_leads: int, n: int, fs: float, rng: np.random.Generator) -> Float32Array:
    """Return waves of fibrillation or flutter of a height of about 1.

    Fibrillation has 4 to 9 waves per second of a frequency and a height that wander;
    flutter has 3.5 to 6 equal ones. The leads differ in shape and phase.
    """
    is_flutter = rng.random() < 0.4
    seconds = n / fs
    knots = np.linspace(0, seconds, max(int(4 * seconds), 2))
    times = np.arange(n) / fs
    rate = np.full(len(knots), rng.uniform(3.5, 6.0))
    if not is_flutter:
        rate = rng.uniform(4, 9) * np.exp(np.cumsum(rng.normal(0, 0.08, len(knots))))
        rate = np.clip(rate, 3.5, 11)
    phase = np.cumsum(np.interp(times, knots, rate)) / fs
    waves = np.zeros((n_leads, n), np.float32)
    n_harmonics = 4
    for row in waves:
        shift = rng.uniform(0, 1)
        for k in range(1, n_harmonics + 1):
            size = rng.normal(0, 1) * k ** -rng.uniform(1, 2) if k > 1 else 1.0
            row += size * np.sin(2 * np.pi * k * (phase + shift) + rng.uniform(0, 6.3))
        if not is_flutter:
            heights = np.exp(np.cumsum(rng.normal(0, 0.25, len(knots))))
            heights /= heights.mean()
            row *= np.interp(times, knots, heights)
        row /= np.ptp(row) + 1e-12
    return waves
