"""Decode the network's probabilities of waves to beats and marks.

Times are fractional, in cells of 8 ms; cell k is centred on k. The evidence of a wave
is the probability that a cell belongs to it. Summed over the cells around an edge, it
gives the expected place of the edge to a fraction of a cell.
"""

from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.system.kernels import kernel

P: Final = 1
QRS: Final = 3
T: Final = 5
"""Class of the part before the peak; the class of the part behind is the next one."""

_TAIL: Final = 0.02
"""A wave ends where its evidence falls below this."""

_BUMP: Final = 0.1
"""A wave also ends where its evidence rises by more than this: another one begins."""

_CLEAR: Final = 0.3
"""Evidence of a P wave that ends a T wave, if it is larger than that of the T wave: the
P wave of a fast rhythm, or of a long PR interval, lies on it."""

QRS_ODDS: Final = 2.0
"""Class weight of QRS complexes in training, relative to "no wave".

It multiplies the odds of the cells at the edges, so that complexes are 3 to 4 ms too
long at either end. Before an edge is placed, the odds are divided by it again. This is
not done for P waves, whose class weight is 1.5: their offsets would scatter more.
"""

_OWN_QRS: Final = 0.4
"""A lead with less evidence of a complex is marked by the mean of all leads."""

_QRS_MARGIN: Final = 6
"""A lead's complex may begin 48 ms before that of all leads, and end 48 ms behind."""

_P_REACH: Final = 63
_T_REACH: Final = 100
"""The search for a P wave begins 0.5 s before the QRS complex, and the search for a
T wave ends 0.8 s behind it."""


@kernel
def to_probabilities(logits: Float32Array, pad: int, out: Float32Array) -> None:
    """Set `out` of shape (n_leads, 7, n) to the softmax of the padded logits."""
    n = out.shape[2]
    highest = np.empty(n, np.float32)
    total = np.empty(n, np.float32)
    bits = np.empty(n, np.int32)
    power = bits.view(np.float32)
    for lead in range(len(out)):
        first = logits[lead, 0][pad : pad + n]
        for t in range(n):
            highest[t] = first[t]
        for i in range(1, out.shape[1]):
            row = logits[lead, i][pad : pad + n]
            for t in range(n):
                highest[t] = max(highest[t], row[t])
        total[:] = 0
        for i in range(out.shape[1]):
            row, to = logits[lead, i][pad : pad + n], out[lead, i]
            for t in range(n):
                # exp(x) = 2 ** whole * 2 ** part; the polynomial is the Taylor series
                # of 2 ** part at 0, exact to 2e-7 for a part from -0.5 to 0.5.
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
def wave_evidence(
    probabilities: Float32Array, usable: BoolArray, wave: int, out: Float32Array
) -> None:
    """Set each row of `out` to a lead's evidence of a wave, and the last to their mean.

    It is limited to 1, because two rounded probabilities may sum to a little more, and
    0 where the lead is not usable; the mean is that of the leads usable in each cell.
    """
    n_leads = len(probabilities)
    mean = out[n_leads]
    mean[:] = 0
    n_usable = np.zeros(len(mean), np.float32)
    for lead in range(n_leads):
        row, before, after = (
            out[lead],
            probabilities[lead, wave],
            probabilities[lead, wave + 1],
        )
        for t in range(len(row)):
            part = np.float32(usable[lead, t])  # 0 or 1
            row[t] = min(before[t] + after[t], np.float32(1)) * part
            mean[t] += row[t]
            n_usable[t] += part
    for t in range(len(mean)):
        mean[t] /= max(n_usable[t], np.float32(1))


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
    """Find QRS complexes in the mean evidence of the leads; return their number.

    A complex is a run of cells above `low` that reaches `high` and whose sum, its mass,
    is at least `min_mass`. Of two complexes nearer than `min_rr`, the one with less
    mass is left out.
    """
    n, n_complexes = len(evidence), 0
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
            n_complexes -= 1
        if n_complexes == len(begins):
            break
        begins[n_complexes], ends[n_complexes] = begin, t
        last_mass, last_centre = mass, centre
        n_complexes += 1
    return n_complexes


@kernel
def strongest_run(
    evidence: Float32Array, low: int, high: int, level: float
) -> tuple[int, float, float]:
    """Return place and value of the maximum, and the sum, of the strongest run.

    A run is a series of cells from `low` to `high` (excluded) above `level`; the
    strongest one has the largest sum. Without a run, the sum is 0.
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
def _unweighted(evidence: float, odds: float) -> float:
    """Return the probability after dividing its odds by `odds`."""
    probability = float(evidence)
    return probability / (probability + odds * (1 - probability))


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

    Onset and offset are at their expected places under the evidence, after its odds
    have been divided by `odds`, given that there is a wave at `top`. The peak is the
    boundary between the part before and the part behind it with the fewest wrong cells,
    not its expected place: in a biphasic wave that would lie between the two possible
    peaks.
    """
    highest = max(_unweighted(evidence[top], odds), 1e-6)  # no division by zero
    first, total = top, highest
    while (
        first > low
        and evidence[first - 1] >= _TAIL
        and evidence[first - 1] <= evidence[first] + _BUMP
    ):
        first -= 1
        total += _unweighted(evidence[first], odds)
    marks[0] = top + 0.5 - total / highest
    last, total = top, highest
    while (
        last < high - 1
        and evidence[last + 1] >= _TAIL
        and evidence[last + 1] <= evidence[last] + _BUMP
    ):
        last += 1
        total += _unweighted(evidence[last], odds)
    marks[2] = top - 0.5 + total / highest
    right, best, split = 0.0, 0.0, first
    for k in range(first, last + 1):
        right += 2 * before[k] - evidence[k]
        if right > best:
            best, split = right, k + 1
    # Between cells `split - 1` and `split`, where both parts are equally likely.
    part = 0.5
    if first < split <= last:
        above = 2 * before[split - 1] - evidence[split - 1]
        below = 2 * before[split] - evidence[split]
        part = min(max(above / max(above - below, 1e-6), 0.0), 1.0)
    marks[1] = min(max(split - 1 + part, marks[0]), marks[2])
    return first, last


@kernel
def _next_wave(evidence: Float32Array, other: Float32Array, top: int, high: int) -> int:
    """Return where another wave begins on the descending limb of a wave, else `high`.

    There its evidence is high enough, and larger than that of the wave with `top`.
    """
    for k in range(top + 1, high):
        if other[k] >= _CLEAR and other[k] > evidence[k]:
            return k
    return high


@kernel
def place_marks(
    probabilities: Float32Array,
    usable: BoolArray,
    p: Float32Array,
    qrs: Float32Array,
    t: Float32Array,
    begins: IntArray,
    ends: IntArray,
    p_level: float,
    t_level: float,
    strength: FloatArray,
    marks: FloatArray,
) -> None:
    """Set the marks of each lead and beat, NaN where absent.

    `p`, `qrs` and `t` have a row of evidence per lead, and their mean in the last row.
    `strength` of shape (n_leads, n_beats) is set to the highest evidence in any cell of
    the P wave, 0 if none is above `p_level`, and NaN where it is unknown because the
    lead is not usable. A P or T wave that includes the first or the last cell is cut
    off by the end of the record: its onset or offset is set to a place outside. One
    that is cut off by cells in which the lead is not usable is left out, and if a QRS
    complex is, the whole beat is left out in that lead.
    """
    n_leads, n_beats, n = len(probabilities), len(begins), qrs.shape[1]
    mean = qrs[n_leads]
    marks[:] = np.nan
    strength[:] = 0
    mean_before = np.empty(0, np.float32)  # computed if a lead needs it
    for lead in range(n_leads):
        floor = 0
        for b in range(n_beats):
            next_begin = begins[b + 1] if b + 1 < n_beats else n
            if not usable[lead, begins[b] : ends[b]].all():
                strength[lead, b] = np.nan
                floor = ends[b]
                continue
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
                if len(mean_before) == 0:
                    mean_before = _mean_before(probabilities, usable)
                first, last = place_wave(
                    mean, mean_before, top, low, high, QRS_ODDS, marks[lead, b, 3:6]
                )
            if _is_cut(usable[lead], first, last):
                marks[lead, b, 3:6] = np.nan
                strength[lead, b] = np.nan
                floor = last + 1
                continue
            # The P wave lies behind the waves of the beat before.
            low = max(floor, first - _P_REACH)
            top, value, total = strongest_run(p[lead], low, first, p_level)
            if total > 0:
                begin, end = place_wave(
                    p[lead],
                    probabilities[lead, P],
                    top,
                    floor,
                    first,
                    1.0,
                    marks[lead, b, 0:3],
                )
                strength[lead, b] = value
                if begin == 0 and p[lead, 0] >= p_level:
                    marks[lead, b, 0] = -1
                if _is_cut(usable[lead], begin, end):
                    marks[lead, b, 0:3] = np.nan
                    strength[lead, b] = np.nan
            elif not usable[lead, low:first].all():
                strength[lead, b] = np.nan
            floor = last + 1
            # The T wave ends before the QRS complex of the next beat.
            high = min(next_begin, last + _T_REACH)
            top, value, total = strongest_run(t[lead], floor, high, t_level)
            if total > 0:
                begin, floor = place_wave(
                    t[lead],
                    probabilities[lead, T],
                    top,
                    floor,
                    _next_wave(t[lead], p[lead], top, next_begin),
                    1.0,
                    marks[lead, b, 6:9],
                )
                if floor == n - 1 and t[lead, floor] >= t_level:
                    marks[lead, b, 8] = n + 1
                if _is_cut(usable[lead], begin, floor):
                    marks[lead, b, 6:9] = np.nan
                floor += 1


@kernel
def _mean_before(probabilities: Float32Array, usable: BoolArray) -> Float32Array:
    """Return the usable leads' mean probability of the part before an R-peak."""
    n_leads, n = usable.shape
    mean = np.zeros(n, np.float32)
    n_usable = np.zeros(n, np.float32)
    for lead in range(n_leads):
        for k in range(n):
            n_usable[k] += np.float32(usable[lead, k])
    for lead in range(n_leads):
        for k in range(n):
            if usable[lead, k]:
                mean[k] += probabilities[lead, QRS, k] / n_usable[k]
    return mean


@kernel
def _is_cut(usable: BoolArray, first: int, last: int) -> bool:
    """Return whether a wave includes or touches a cell that is not usable."""
    return bool(not usable[max(first - 1, 0) : last + 2].all())
