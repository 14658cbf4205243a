"""From the network's evidence of waves to beats and marks.

Times are in cells of 8 ms, fractional; cell k lies around k. A wave's evidence is the
probability that a cell lies in it, so its sum over an edge is where the edge is
expected: sharp to a fraction of a cell if the network is sure.
"""

from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.system.kernels import kernel

P: Final = 1
QRS: Final = 3
T: Final = 5
"""The class of the part before the peak; that of the part behind follows."""

_TAIL: Final = 0.02
"""A wave ends where its evidence falls below this, ..."""

_BUMP: Final = 0.1
"""... or rises by more than this on the way out: another wave begins."""

QRS_ODDS: Final = 2.0
"""How much more than "no wave" training counts a cell of a QRS complex.

It makes the network take cells at the edges for one, by these odds: complexes come out
3 to 4 ms too long at either end. Where the sums place an edge, the odds are taken out
again. Not so for P waves, which count 1.5 times: it would scatter their offsets.
"""

_OWN_QRS: Final = 0.4
"""A lead with less evidence of a complex than this gets the marks of all leads."""

_QRS_MARGIN: Final = 6
"""How far a lead's complex may reach beyond that of all leads: 48 ms."""

_P_REACH: Final = 63
_T_REACH: Final = 100
"""Where the search for a P wave begins, and for a T wave ends: 0.5 s before, and
0.8 s behind the QRS complex."""


@kernel
def to_probabilities(logits: Float32Array, pad: int, out: Float32Array) -> None:
    """Set `out` of shape (n_leads, 7, n) to the softmax of the padded logits."""
    n = out.shape[2]
    highest = np.empty(n, np.float32)
    total = np.empty(n, np.float32)
    bits = np.empty(n, np.int32)
    power = bits.view(np.float32)
    for lead in range(len(out)):
        highest[:] = logits[lead, 0][pad : pad + n]
        for i in range(1, out.shape[1]):
            row = logits[lead, i][pad : pad + n]
            for t in range(n):
                highest[t] = max(highest[t], row[t])
        total[:] = 0
        for i in range(out.shape[1]):
            row, to = logits[lead, i][pad : pad + n], out[lead, i]
            for t in range(n):
                # exp(x) = 2 ** whole * 2 ** part; the polynomial is the Taylor series
                # of 2 ** part at 0 for a part of -0.5 to 0.5, good to 2e-7.
                x = max((row[t] - highest[t]) * np.float32(1.4426950408889634), -100)
                whole = np.floor(np.float32(x) + np.float32(0.5))
                y = (np.float32(x) - whole) * np.float32(0.6931471805599453)
                series = np.float32(1 / 720) * y + np.float32(1 / 120)
                series = series * y + np.float32(1 / 24)
                series = series * y + np.float32(1 / 6)
                series = series * y + np.float32(1 / 2)
                series = series * y + np.float32(1)
                series = series * y + np.float32(1)
                bits[t] = (np.int32(whole) + np.int32(127)) << np.int32(23)
                to[t] = series
            for t in range(n):
                to[t] *= power[t]
                total[t] += to[t]
        for i in range(out.shape[1]):
            to = out[lead, i]
            for t in range(n):
                to[t] /= total[t]


@kernel
def wave_evidence(probabilities: Float32Array, wave: int, out: Float32Array) -> None:
    """Set each row of `out` to a lead's evidence of a wave, the last to their mean.

    All of it is within 0 and 1: two probabilities may sum to a little more.
    """
    n_leads = len(probabilities)
    mean = out[n_leads]
    mean[:] = 0
    for lead in range(n_leads):
        row, before, after = (
            out[lead],
            probabilities[lead, wave],
            probabilities[lead, wave + 1],
        )
        for t in range(len(row)):
            row[t] = min(before[t] + after[t], np.float32(1))
            mean[t] += row[t]
    for t in range(len(mean)):
        mean[t] /= np.float32(n_leads)


@kernel
def find_complexes(
    evidence: Float32Array,
    high: float,
    low: float,
    min_mass: float,
    min_rr: float,
    begins: IntArray,
    ends: IntArray,
) -> int:
    """Find QRS complexes in the evidence of all leads together; return their number.

    A complex is a run of evidence above `low` that reaches `high` and sums to
    `min_mass` cells. Of two nearer than `min_rr` the smaller is left out.
    """
    n, n_found = len(evidence), 0
    last_mass, last_centre = 0.0, -1e9
    t = 0
    while t < n:
        if not evidence[t] >= low:  # also where it is NaN
            t += 1
            continue
        begin = t
        highest, mass, moment = 0.0, 0.0, 0.0
        while t < n and evidence[t] >= low:
            highest = max(highest, evidence[t])
            mass += evidence[t]
            moment += evidence[t] * t
            t += 1
        if highest < high or mass < min_mass:
            continue
        centre = moment / mass
        if centre - last_centre < min_rr:
            if mass <= last_mass:
                continue
            n_found -= 1
        if n_found == len(begins):
            break
        begins[n_found], ends[n_found] = begin, t
        last_mass, last_centre = mass, centre
        n_found += 1
    return n_found


@kernel
def strongest_run(
    evidence: Float32Array, low: int, high: int, level: float
) -> tuple[int, float, float]:
    """Return place and value of the top, and the sum, of the run with the largest sum.

    Runs are cells of `low` to `high` (excluded) above `level`; a sum of 0 is none.
    """
    best_sum, best_top, best_place = 0.0, 0.0, -1
    total, top, place = 0.0, 0.0, -1
    for t in range(low, high):
        if evidence[t] >= level:
            total += evidence[t]
            if evidence[t] > top:
                top, place = evidence[t], t
        if evidence[t] < level or t == high - 1:
            if total > best_sum:
                best_sum, best_top, best_place = total, top, place
            total, top, place = 0.0, 0.0, -1
    return best_place, best_top, best_sum


@kernel
def _fair(evidence: float, odds: float) -> float:
    """Return a probability whose odds are divided by `odds`."""
    chance = float(evidence)
    return chance / (chance + odds * (1 - chance))


@kernel
def place_wave(
    evidence: Float32Array,
    before: Float32Array,
    top: int,
    low: int,
    high: int,
    odds: float,
    marks: FloatArray,
) -> tuple[int, int]:
    """Set the marks of the wave around `top`; return its first and last cell.

    Onset and offset are where the sum of the evidence expects them, after the odds of
    the wave against the rest have been divided by `odds`. The peak is where the part
    before it turns into the part behind it with the fewest wrong cells: it may be one
    of two, as in a biphasic wave, and the expected place between them is none.
    """
    first, total = top, _fair(evidence[top], odds)
    while (
        first > low
        and evidence[first - 1] >= _TAIL
        and evidence[first - 1] <= evidence[first] + _BUMP
    ):
        first -= 1
        total += _fair(evidence[first], odds)
    marks[0] = top + 0.5 - total
    last, total = top, _fair(evidence[top], odds)
    while (
        last < high - 1
        and evidence[last + 1] >= _TAIL
        and evidence[last + 1] <= evidence[last] + _BUMP
    ):
        last += 1
        total += _fair(evidence[last], odds)
    marks[2] = top - 0.5 + total
    right, best, split = 0.0, 0.0, first
    for k in range(first, last + 1):
        right += 2 * before[k] - evidence[k]
        if right > best:
            best, split = right, k + 1
    # The place between the cells `split - 1` and `split` where both parts are equal.
    part = 0.5
    if first < split <= last:
        above = 2 * before[split - 1] - evidence[split - 1]
        below = 2 * before[split] - evidence[split]
        part = min(max(above / max(above - below, 1e-6), 0.0), 1.0)
    marks[1] = min(max(split - 1 + part, marks[0]), marks[2])
    return first, last


@kernel
def place_marks(
    probabilities: Float32Array,
    p: Float32Array,
    qrs: Float32Array,
    t: Float32Array,
    begins: IntArray,
    ends: IntArray,
    level: float,
    strength: FloatArray,
    marks: FloatArray,
) -> None:
    """Set the marks of each lead and beat, NaN where there is none.

    A P or a T wave that is still on in the first or the last cell is cut off by the
    end of the record: its onset or offset is set to a place outside.
    `p`, `qrs` and `t` have a row per lead and their mean below. `strength` of shape
    (n_leads, n_beats) is set to the highest evidence in any cell of the P wave, 0 where
    there is none above `level`.
    """
    n_leads, n_beats, n = len(probabilities), len(begins), qrs.shape[1]
    mean = qrs[n_leads]
    marks[:] = np.nan
    strength[:] = 0
    mean_before = np.zeros(n, np.float32)
    for lead in range(n_leads):
        for k in range(n):
            mean_before[k] += probabilities[lead, QRS, k] / np.float32(n_leads)
    for lead in range(n_leads):
        floor = 0
        for b in range(n_beats):
            next_begin = begins[b + 1] if b + 1 < n_beats else n
            low = max(begins[b] - _QRS_MARGIN, floor)
            high = min(ends[b] + _QRS_MARGIN, next_begin)
            top = begins[b]
            for k in range(begins[b], ends[b]):
                if qrs[lead, k] > qrs[lead, top]:
                    top = k
            if qrs[lead, top] >= _OWN_QRS:
                first, last = place_wave(
                    qrs[lead],
                    probabilities[lead, QRS],
                    top,
                    low,
                    high,
                    QRS_ODDS,
                    marks[lead, b, 3:6],
                )
            else:
                top = begins[b] + int(mean[begins[b] : ends[b]].argmax())
                first, last = place_wave(
                    mean, mean_before, top, low, high, QRS_ODDS, marks[lead, b, 3:6]
                )
            # The P wave: behind the waves of the beat before.
            low = max(floor, first - _P_REACH)
            top, value, total = strongest_run(p[lead], low, first, level)
            if total > 0:
                begin, _ = place_wave(
                    p[lead],
                    probabilities[lead, P],
                    top,
                    floor,
                    first,
                    1.0,
                    marks[lead, b, 0:3],
                )
                strength[lead, b] = value
                if begin == 0 and p[lead, 0] >= level:
                    marks[lead, b, 0] = -1
            floor = last + 1
            # The T wave: up to the QRS complex of the next beat.
            high = min(next_begin, last + _T_REACH)
            top, value, total = strongest_run(t[lead], floor, high, level)
            if total > 0:
                _, floor = place_wave(
                    t[lead],
                    probabilities[lead, T],
                    top,
                    floor,
                    next_begin,
                    1.0,
                    marks[lead, b, 6:9],
                )
                if floor == n - 1 and t[lead, floor] >= level:
                    marks[lead, b, 8] = n + 1
                floor += 1


@kernel
def has_p_wave(
    strength: FloatArray,
    pr: FloatArray,
    seen: float,
    agreed: float,
    certain: float,
    certain_if_steady: float,
    steady: float,
    n_around: int,
    scratch: FloatArray,
    out: BoolArray,
) -> None:
    """Set `out` to whether each beat has a P wave; see the delineator.

    `scratch` has room for the PR intervals of `2 * n_around + 1` beats.
    """
    n_beats = len(strength)
    for b in range(n_beats):
        out[b] = False
        if strength[b] < agreed:
            continue
        first, last = max(b - n_around, 0), min(b + n_around + 1, n_beats)
        n, total = 0, 0.0
        for k in range(first, last):
            if strength[k] > seen:
                scratch[n] = pr[k]
                total += strength[k]
                n += 1
        intervals = scratch[:n]
        intervals.sort()
        middle = 0.5 * (intervals[(n - 1) // 2] + intervals[n // 2])
        spread = 0.0
        for k in range(n):
            spread += abs(intervals[k] - middle) / n
        enough = n >= 4 and 4 * n >= 3 * (last - first)
        is_steady = enough and spread <= steady
        out[b] = total / n >= (certain_if_steady if is_steady else certain)
