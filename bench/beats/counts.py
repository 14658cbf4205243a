"""Count detected marks that agree with the experts', as EC57 does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.models.delineator.databases.annotated import WAVE_OF, WAVES, Annotation
from ecgstore.record import Mark

MATCH_S: Final = 0.15
"""Largest distance between two marks of the same event, in s (ANSI/AAMI EC57)."""

TIGHT_S: Final = {
    Mark.P_ON: 0.05,
    Mark.P_PEAK: 0.05,
    Mark.P_OFF: 0.05,
    Mark.QRS_ON: 0.04,
    Mark.R_PEAK: 0.04,
    Mark.QRS_OFF: 0.04,
    Mark.T_ON: 0.05,
    Mark.T_PEAK: 0.075,
    Mark.T_OFF: 0.1,
}
"""Tolerances in s that are tighter than the 150 ms of EC57.

Those of onsets and offsets are usual in comparisons of delineators, after Martinez et
al. 2004, IEEE Trans Biomed Eng 51:570-581. Those of peaks, for which none are usual,
lie between those of the onset and the offset of the same wave.
"""

FARTHEST_EDGE_S: Final = 0.4
"""An onset or offset is no farther from the peak of its wave than this, in s."""

CHALLENGE_2019_S: Final = {Mark.R_PEAK: 0.075}
"""Tolerance of the China Physiological Signal Challenge 2019."""


@dataclass(frozen=True, eq=False, slots=True)
class Counts:
    """Agreement of detected marks of one kind with the annotated ones of a record.

    Attributes
    ----------
    n_annotated, n_detected : int
        Marks that count.
    n_tight : int
        Hits within the tight tolerance.
    errors_ms : ndarray of shape (n_hits,)
        Detected - annotated time of the hits.
    """

    n_annotated: int
    n_detected: int
    n_tight: int
    errors_ms: FloatArray

    def __add__(self, other: Self) -> Self:
        """Return the counts of both."""
        return type(self)(
            self.n_annotated + other.n_annotated,
            self.n_detected + other.n_detected,
            self.n_tight + other.n_tight,
            np.concatenate([self.errors_ms, other.errors_ms]),
        )


def match(
    annotated: FloatArray, detected: FloatArray, tolerance: float
) -> list[tuple[int, int]]:
    """Return pairs of positions in both arrays, each mark at most once, nearest first.

    The marks of a pair are no further apart than the tolerance, in samples.
    """
    distance = np.abs(np.subtract.outer(annotated, detected))
    near = np.argwhere(distance <= tolerance)
    order = np.argsort(distance[near[:, 0], near[:, 1]], kind="stable")
    pairs: list[tuple[int, int]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for i, j in near[order].tolist():
        if i not in taken[0] and j not in taken[1]:
            pairs.append((i, j))
            taken[0].add(i)
            taken[1].add(j)
    return pairs


def present(samples: FloatArray) -> FloatArray:
    """Return the sample indices in the order of time, without absent ones (-1, NaN)."""
    return np.sort(samples[samples >= 0])


def count(
    mark: Mark,
    annotation: Annotation,
    detected: Sequence[FloatArray],
    fs: float,
    tight_s: float,
) -> Counts:
    """Return the counts of one kind of mark.

    A detected mark matches the nearest annotated one within `MATCH_S`. Annotated marks
    outside of the annotated spans count neither as hits nor as missed. A detected mark
    that matches none is a false positive if it lies in an annotated span, unless it may
    be an onset or offset that was left out of an annotated wave.

    Parameters
    ----------
    mark : Mark
    annotation : Annotation
        Of one lead, or of several together.
    detected : sequence of ndarray of shape (n_marks,)
        The sample indices in each lead that was annotated. Of several, every annotated
        mark is compared with the lead whose mark is nearest (Martinez et al. 2004, IEEE
        Trans Biomed Eng 51:570-581), and false positives of several leads within
        `MATCH_S` are one.
    fs : float
        Sampling rate in Hz.
    tight_s : float
        Tight tolerance in s.
    """
    annotated = annotation.marks()[mark]
    spans = annotation.spans[WAVE_OF[mark]]
    errors = np.full(len(annotated), np.inf)
    left_out = _spans_of_edges_left_out(mark, annotation, fs)
    extra = []
    for lead in map(present, detected):
        pairs = match(annotated, lead, MATCH_S * fs)
        for i, j in pairs:
            error = lead[j] - annotated[i]
            if abs(error) < abs(errors[i]):
                errors[i] = error
        unmatched = np.delete(lead, [j for _, j in pairs])
        extra.append(unmatched[inside(unmatched, spans) & ~inside(unmatched, left_out)])
    together = np.sort(np.concatenate(extra))
    n_extra = len(together)
    if len(detected) > 1:
        n_extra = _n_groups(together, MATCH_S * fs)
    errors = errors[inside(annotated, spans)]
    hits = errors[np.isfinite(errors)]
    return Counts(
        n_annotated=len(errors),
        n_detected=len(hits) + n_extra,
        n_tight=int((np.abs(hits) <= tight_s * fs).sum()),
        errors_ms=1000 * hits / fs,
    )


def _spans_of_edges_left_out(
    mark: Mark, annotation: Annotation, fs: float
) -> FloatArray:
    """Return where onsets or offsets may be that were left out of annotated waves."""
    onset, peak, _ = WAVES[WAVE_OF[mark]]
    if mark == peak:
        return np.empty((0, 2))
    peaks = annotation.peaks_without(mark)
    reach = FARTHEST_EDGE_S * fs
    before, behind = (reach, 0.0) if mark == onset else (0.0, reach)
    return np.stack([peaks - before, peaks + behind], axis=1)


def inside(samples: FloatArray, spans: FloatArray) -> BoolArray:
    """Return which sample indices lie in one of the spans, ends included."""
    begins, ends = spans[:, :1], spans[:, 1:]
    return np.asarray(((samples >= begins) & (samples <= ends)).any(axis=0), np.bool_)


def _n_groups(samples: FloatArray, distance: float) -> int:
    """Return the number of groups that are no longer than a distance, in samples."""
    n_groups, begin = 0, -np.inf
    for sample in samples:
        if sample - begin > distance:
            n_groups, begin = n_groups + 1, sample
    return n_groups
