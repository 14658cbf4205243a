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
_P_ON_T: Final = 0.12
_WIDE_QRS_WITH_P_ON_T: Final = 0.5
"""Chances: wide complexes, a long PQ interval, no P waves, then f waves or flutter
waves, a pacing spike before each complex, P waves on T waves, then wide complexes."""

_P_PLACES: Final = (0.2, 1.4)
"""Where P waves begin that are moved: 0 is the peak of the T wave before, 1 its end."""

_SAME_P_S: Final = 0.08
"""Onsets of one P wave in two leads are not farther apart than this, in s."""

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
    p_place : float or None
        Where P waves are moved: their onset, in parts of the time from the peak of the
        T wave before to its end.
    """

    has_p_waves: bool
    has_f_waves: bool
    is_paced: bool
    p_place: float | None


def draw_rhythm(rng: np.random.Generator) -> Rhythm:
    """Return the rhythm of an example."""
    has_p_waves = rng.random() >= _NO_P
    moves_p = has_p_waves and rng.random() < _P_ON_T
    return Rhythm(
        has_p_waves,
        not has_p_waves and rng.random() < _F_WAVES,
        rng.random() < _PACING,
        rng.uniform(*_P_PLACES) if moves_p else None,
    )


def changed(
    record: TrainingRecord,
    leads: IntArray,
    band: int,
    rhythm: Rhythm,
    rng: np.random.Generator,
) -> tuple[Float32Array, list[FloatArray], list[IntArray]]:
    """Return signal, edges and classes of some leads of a record, in a rhythm."""
    signal = record.signals[band, leads]
    edges = [record.edges[lead] for lead in leads]
    classes = [record.classes[lead] for lead in leads]
    if not rhythm.has_p_waves:
        for k in range(len(leads)):
            classes[k] = _remove_p(signal[k], edges[k], classes[k])
    elif rhythm.p_place is not None:
        moves = _moves_of_p(edges, classes, rhythm.p_place)
        height = float(np.exp(rng.normal(0, 0.3)))
        for k in range(len(leads)):
            edges[k], classes[k] = _move_p(
                signal[k], edges[k], classes[k], moves, height
            )
    if rhythm.is_paced:
        _add_pacing(signal, edges, classes, band, rng)
    return signal, edges, classes


def _moves_of_p(
    edges: list[FloatArray], classes: list[IntArray], place: float
) -> FloatArray:
    """Return the onsets of P waves behind T waves, and how far to move them back.

    Of shape (n_waves, 2), in samples, by the marks of the lead that has most of them.
    """
    moves_of_leads = []
    for borders, spans in zip(edges, classes, strict=True):
        moves = []
        for k in range(2, len(spans) - 1):
            if tuple(spans[k - 2 : k + 2]) != (6, 0, 1, 2):
                continue
            t_peak, t_end, onset = borders[k - 2 : k + 1]
            to = t_peak + place * (t_end - t_peak)
            moves.append((onset, max(onset - to, 0.0)))
        moves_of_leads.append(moves)
    return np.array(max(moves_of_leads, key=len)).reshape(-1, 2)


def _move_p(
    row: Float32Array,
    edges: FloatArray,
    classes: IntArray,
    moves: FloatArray,
    height: float,
) -> tuple[FloatArray, IntArray]:
    """Move P waves of a lead back, on or near the T waves before, in place.

    Return the new edges and classes. A T wave ends where a P wave begins on it. A wave
    that would begin before the peak of its T wave stays where it is.
    """
    borders: list[float] = []
    spans: list[int] = []
    k = 0
    while k < len(classes):
        near = abs(moves[:, 0] - edges[k]) <= _SAME_P_S * FS
        to = edges[k] - moves[near][:1, 1].sum()
        if (
            tuple(classes[k : k + 3]) == (1, 2, 0)
            and spans[-2:] == [6, 0]
            and near.any()
            and to > borders[-2] + 1
        ):
            _move_wave(row, edges[k], edges[k + 2], edges[k] - to, height)
            if to <= borders[-1]:  # on the T wave
                del borders[-1], spans[-1]
            length = edges[k + 1] - edges[k], edges[k + 2] - edges[k + 1]
            borders += [to, to + length[0], to + sum(length)]
            spans += [1, 2, 0]
            k += 3
        else:
            borders.append(edges[k])
            spans.append(int(classes[k]))
            k += 1
    return np.array([*borders, edges[-1]]), np.array(spans)


def _move_wave(
    row: Float32Array, onset: float, offset: float, shift: float, height: float
) -> None:
    """Replace a wave by a straight line, and add it `shift` samples earlier."""
    begin = max(int(onset) - _P_MARGIN, 0)
    end = min(int(offset) + _P_MARGIN, len(row) - 1)
    line = np.linspace(row[begin], row[end], end - begin)
    wave = row[begin:end] - line
    row[begin:end] = line
    first = begin - round(shift)
    if first >= 0:
        row[first : first + len(wave)] += height * wave


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
    moves_p = rhythm.p_place is not None
    if rng.random() < (_WIDE_QRS_WITH_P_ON_T if moves_p else _WIDE_QRS):
        stretch[record.in_qrs] *= rng.uniform(1.2, 2.2)
    if not moves_p and rng.random() < _LONG_PQ:
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
