"""Describe the evidence of a P wave before each beat, and of those around it."""

from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.system.kernels import kernel

N_INPUTS: Final = 6
"""Log odds of the evidence before the beat, and of its median before the beats around;
logarithm of the deviation of the PR intervals; irregularity of the RR intervals;
logarithm of the number of leads, and its product with the second input: what many leads
show together is more certain."""

_LEAST: Final = 0.02
"""Evidence below this is none; also the least probability of which odds are taken."""

_LEAST_DEVIATION_S: Final = 0.002
_LARGEST_DEVIATION_S: Final = 0.06
_USUAL_DEVIATION_S: Final = 0.02
"""Bounds of the deviation of PR intervals in s, and what stands for that of one or two
intervals."""

_MOST_IRREGULAR: Final = 0.15
"""Beyond this, the rhythm says no more: in bigeminy, RR intervals alternate, and every
other beat has a P wave."""


@kernel
def write_inputs(
    strength: FloatArray,
    n_leads: IntArray,
    pr_s: FloatArray,
    r_s: FloatArray,
    around: int,
    out: FloatArray,
) -> None:
    """Set `out` of shape (n_beats, N_INPUTS) to what decides on P waves.

    Parameters
    ----------
    strength : ndarray of shape (n_beats,)
        Mean evidence of the leads, 0 to 1.
    n_leads : ndarray of shape (n_beats,)
        Number of leads that are usable there.
    pr_s : ndarray of shape (n_beats,)
        PR intervals in s; NaN without evidence.
    r_s : ndarray of shape (n_beats,)
        Times of the R-peaks in s, increasing.
    around : int
        Beats on either side that count as those around.
    """
    n_beats = len(strength)
    pr, evidence = np.empty(2 * around + 1), np.empty(2 * around + 1)
    for b in range(n_beats):
        first, end = max(b - around, 0), min(b + around + 1, n_beats)
        n = 0
        for k in range(first, end):
            if strength[k] > _LEAST:
                pr[n], evidence[n] = pr_s[k], strength[k]
                n += 1
        deviation = _USUAL_DEVIATION_S if n else _LARGEST_DEVIATION_S
        if n > 2:
            middle = _median(pr[:n])
            deviation = 0.0
            for k in range(n):
                deviation += abs(pr[k] - middle) / n
            deviation = min(deviation, _LARGEST_DEVIATION_S)
        out[b, 0] = _log_odds(strength[b])
        out[b, 1] = _log_odds(_median(evidence[:n]) if n else 0.0)
        out[b, 2] = np.log(deviation + _LEAST_DEVIATION_S)
        out[b, 3] = irregularity(r_s[first:end])
        out[b, 4] = np.log(max(n_leads[b], 1))
        out[b, 5] = out[b, 4] * out[b, 1]


@kernel
def _log_odds(evidence: float) -> float:
    """Return the logarithm of the odds of a probability, bounded."""
    return float(np.log((evidence + _LEAST) / (1 + _LEAST - evidence)))


@kernel
def irregularity(r_s: FloatArray) -> float:
    """Return the typical change from one RR interval to the next, relative to them.

    Medians: a few ectopic beats do not make a rhythm irregular. 0 for three beats or
    less.
    """
    n = len(r_s) - 1
    if n < 2:
        return 0.0
    intervals, changes = np.empty(n), np.empty(n - 1)
    for k in range(n):
        intervals[k] = r_s[k + 1] - r_s[k]
    for k in range(n - 1):
        changes[k] = abs(intervals[k + 1] - intervals[k])
    return min(_median(changes) / _median(intervals), _MOST_IRREGULAR)


@kernel
def _median(values: FloatArray) -> float:
    """Return the median of numbers, which are sorted in place."""
    values.sort()
    n = len(values)
    return float(values[(n - 1) // 2] + values[n // 2]) / 2


@kernel
def write_scores(inputs: FloatArray, weights: FloatArray, out: FloatArray) -> None:
    """Set `out` to the weighted sums of the inputs, plus the first weight."""
    for b in range(len(inputs)):
        total = weights[0]
        for k in range(inputs.shape[1]):
            total += weights[k + 1] * inputs[b, k]
        out[b] = total
