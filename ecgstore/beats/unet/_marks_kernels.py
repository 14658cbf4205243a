"""Resample the network's input, and convert its cells back to samples."""

from typing import Final

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.system.kernels import kernel

R_WAVE: Final = 0.25
R_HIGHER: Final = 0.15
"""Least height of an R', and of its excess over R, as fractions of the range."""


@kernel
def resample(signal: FloatArray, step: float, out: Float32Array) -> None:
    """Set `out` to the signal at every `step` samples, beginning with the first.

    Each value is an average with triangular weights over `step` samples on either side:
    linear interpolation if `step` is below 1, and a filter against aliasing above.
    """
    n = signal.shape[1]
    reach = max(step, 1.0)
    for lead in range(len(signal)):
        row, to = signal[lead], out[lead]
        first = 0
        if step == 2 and len(to) > 2:  # the usual 500 Hz, several times as fast
            _average(row, 0, 1, step, reach, to)
            first = min((n - 2) // 2 + 1, len(to))
            for k in range(1, first):
                to[k] = (row[2 * k - 1] + 2 * row[2 * k] + row[2 * k + 1]) / 4
        _average(row, first, len(to), step, reach, to)


@kernel
def _average(
    row: FloatArray,
    begin: int,
    end: int,
    step: float,
    reach: float,
    to: Float32Array,
) -> None:
    """Set some values of `to` to averages with triangular weights."""
    n = len(row)
    for k in range(begin, end):
        centre = k * step
        first = max(int(np.ceil(centre - reach)), 0)
        last = min(int(np.floor(centre + reach)), n - 1)
        total, weights = 0.0, 0.0
        for j in range(first, last + 1):
            weight = reach - abs(j - centre)
            total += weight * row[j]
            weights += weight
        to[k] = total / weights


@kernel
def highest_near(row: FloatArray, place: int, reach: int, on: int, off: int) -> int:
    """Return the extremum near a place and strictly inside a wave, or the place itself.

    Heights are measured from the line through the wave's ends. A maximum at the border
    of the search lies on a slope and is no extremum.
    """
    low, high = max(place - reach, on + 1), min(place + reach, off - 1)
    base, slope = row[on], (row[off] - row[on]) / (off - on)
    best, best_height = place, -1.0
    for t in range(low, high + 1):
        height = abs(row[t] - base - slope * (t - on))
        if height > best_height:
            best, best_height = t, height
    return place if abs(best - place) == reach else best


@kernel
def nearest_peak(row: FloatArray, place: int, reach: int, on: int, off: int) -> int:
    """Return the local extremum nearest to a place inside a wave, or the place itself.

    The nearest, not the largest one: an r wave may stand beside a deep S wave.
    """
    for distance in range(reach + 1):
        for t in (place - distance, place + distance):
            if on < t < off and (row[t] - row[t - 1]) * (row[t + 1] - row[t]) <= 0:
                return t
    return place


@kernel
def higher_side(row: FloatArray, place: int, on: int, off: int) -> int:
    """Return the higher of the two peaks beside a dip inside a wave."""
    before, after = place, place
    while before - 1 > on and row[before - 1] >= row[before]:
        before -= 1
    while after + 1 < off and row[after + 1] >= row[after]:
        after += 1
    return before if row[before] > row[after] else after


@kernel
def r_peak(row: FloatArray, place: int, reach: int, on: int, off: int) -> int:
    """Return the R-peak of a QRS complex, near the place where the network expects it.

    It is the extremum nearest to the place, unless another positive wave inside the
    complex is clearly higher: of R and R', LUDB's cardiologists mark the higher one.
    The dip of a notched R wave is an extremum too, but the mark belongs on the higher
    peak beside it.
    """
    low, high = row[on], row[on]
    for t in range(on + 1, off):
        low, high = min(low, row[t]), max(high, row[t])
    span = high - low
    place = nearest_peak(row, place, reach, on, off)
    is_top = row[place] >= row[place - 1] and row[place] >= row[place + 1]
    if not is_top and row[place] - row[on] >= R_WAVE * span:
        place = higher_side(row, place, on, off)
    best = place
    for t in range(on + 1, off):
        is_peak = row[t] > row[t - 1] and row[t] >= row[t + 1]
        if is_peak and row[t] > row[best]:
            best = t
    is_wave = row[best] - row[on] >= R_WAVE * span
    return best if is_wave and row[best] - row[place] >= R_HIGHER * span else place


@kernel
def settle(
    marks: FloatArray,
    signal: FloatArray,
    cell: float,
    reaches: IntArray,
    shortest: IntArray,
    out: IntArray,
) -> None:
    """Set `out` to the marks in samples, with peaks at extrema; -1 where absent.

    Parameters
    ----------
    marks : ndarray of shape (n_leads, n_beats, 9)
        In cells, in order of time, NaN where absent; QRS complexes are complete. P and
        T waves that do not lie inside the signal are left out.
    signal : ndarray of shape (n_leads, n_samples)
        At least three samples.
    cell : float
        Samples per cell.
    reaches : ndarray of shape (3,)
        How far the peaks of P, QRS and T may move, in samples.
    shortest : ndarray of shape (3,)
        Shortest P wave, QRS complex and T wave, in samples. Shorter waves are left out;
        of shorter QRS complexes only the R-peak is kept.
    out : ndarray of shape (n_leads, n_beats, 9)
        Sample indices.
    """
    n = signal.shape[1]
    out[:] = -1
    for lead in range(marks.shape[0]):
        row = signal[lead]
        for b in range(marks.shape[1]):
            for wave in range(3):
                first = 3 * wave
                if np.isnan(marks[lead, b, first]):
                    continue
                on = int(np.round(marks[lead, b, first] * cell))
                place = int(np.round(marks[lead, b, first + 1] * cell))
                off = int(np.round(marks[lead, b, first + 2] * cell))
                is_qrs = wave == 1
                inside = on >= 1 and off <= n - 2
                on, off = min(max(on, 0), n - 1), min(max(off, 0), n - 1)
                wide = off - on >= max(shortest[wave], 2)
                place = min(max(place, 1), n - 2)
                if not wide and not is_qrs:
                    continue
                if off - on >= 2:
                    place = min(max(place, on + 1), off - 1)
                    if is_qrs:
                        place = r_peak(row, place, reaches[wave], on, off)
                    else:
                        place = highest_near(row, place, reaches[wave], on, off)
                    place = min(max(place, 1), n - 2)
                if is_qrs:
                    out[lead, b, first + 1] = place
                    if wide and on >= 1 and on < place:
                        out[lead, b, first] = on
                    if wide and off <= n - 2 and off > place:
                        out[lead, b, first + 2] = off
                elif inside:
                    out[lead, b, first] = on
                    out[lead, b, first + 1] = place
                    out[lead, b, first + 2] = off
