"""Beats and marks that follow from the network's evidence."""

import math
from typing import Final, NamedTuple

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.beats.medians import median_of_rows
from ecgstore.beats.types import MIN_RR_S, Beats, BeatStatus
from ecgstore.beats.unet import _decoding_kernels as decoding, _marks_kernels as kernels
from ecgstore.beats.unet.evidence import CELL_S, Evidence
from ecgstore.beats.unet.p_waves import has_p_wave, p_wave_inputs
from ecgstore.record import Mark

MAX_R_DISTANCE_S: Final = 0.1
"""Largest distance of a lead's R-peak from the record's; farther ones are moved."""

P_LEVEL: Final = 0.1
T_LEVEL: Final = 0.5
"""Least evidence of a P or a T wave in a lead; P waves have further rules."""

REACH_S: Final = (0.016, 0.016, 0.024)
"""How far the peaks of P, QRS and T may move to an extremum of the signal, in s."""

SHORTEST_S: Final = (0.04, 0.02, 0.06)
"""Shortest P wave, QRS complex and T wave in s; shorter ones are left out."""


class Rules(NamedTuple):
    """Thresholds of the decoding, see `RULES` for the package's own.

    Attributes
    ----------
    qrs_high, qrs_low, qrs_mass : float
        A QRS complex is a run of mean evidence above `qrs_low` that reaches `qrs_high`
        and whose sum is at least `qrs_mass` cells of 8 ms.
    p_weights : tuple of float
        A beat has a P wave if the first of these weights, plus the inputs of
        `p_wave_inputs` times the others, is positive.
    """

    qrs_high: float
    qrs_low: float
    qrs_mass: float
    p_weights: tuple[float, ...]


RULES: Final = Rules(
    qrs_high=0.5,
    qrs_low=0.25,
    qrs_mass=2.0,
    p_weights=(-4.854, 0.568, 0.471, -1.319, -19.282, -1.29, 0.331),
)
"""Chosen by ``python -m bench.beats.choose_rules``."""


def decode(
    evidence: Evidence, voltages: FloatArray, fs: float, rules: Rules = RULES
) -> Beats:
    """Return the beats and marks that follow from the network's output.

    Marks and `voltages` are those of the usable leads.
    """
    waves, begins, ends = _complexes(evidence, rules)
    n_leads = len(evidence.leads)
    # Complexes are far enough apart, but their R-peaks may be too close: R' of one and
    # R of the next.
    while len(begins):
        places = _marks_of(evidence, waves, begins, ends, voltages, fs, rules)
        lead_peaks = places[:, :, Mark.R_PEAK].T
        marked = (lead_peaks >= 0).any(axis=1)  # in some lead
        if not marked.all():
            begins, ends = begins[marked], ends[marked]
            continue
        medians = median_of_rows(np.where(lead_peaks >= 0, lead_peaks, np.nan))
        r_peaks = medians.astype(np.int64)
        if (np.diff(r_peaks) >= MIN_RR_S * fs).all():
            break
        masses = [
            waves[1, n_leads, k:m].sum() for k, m in zip(begins, ends, strict=True)
        ]
        kept = _stronger(r_peaks, np.array(masses), MIN_RR_S * fs)
        begins, ends = begins[kept], ends[kept]
    else:
        return Beats.none(BeatStatus.NO_BEATS, n_leads)
    _keep_near(places, r_peaks, math.floor(MAX_R_DISTANCE_S * fs))
    return Beats(r_peaks, places, BeatStatus.OK)


def _complexes(
    evidence: Evidence, rules: Rules
) -> tuple[Float32Array, IntArray, IntArray]:
    """Return the evidence of the waves, and where the QRS complexes begin and end.

    The first of shape (3, n_leads + 1, n_cells) holds the evidence of P, QRS and T:
    that of each lead, and in the last row their mean.
    """
    probabilities, usable = evidence.probabilities, evidence.usable
    n_leads, n_cells = len(probabilities), probabilities.shape[2]
    waves = np.empty((3, n_leads + 1, n_cells), np.float32)
    for wave, name in zip(waves, (decoding.P, decoding.QRS, decoding.T), strict=True):
        decoding.wave_evidence(probabilities, usable, name, wave)
    begins = np.empty(n_cells // 2 + 1, np.int64)
    ends = np.empty_like(begins)
    n_beats = decoding.find_complexes(
        waves[1, n_leads],
        rules.qrs_high,
        rules.qrs_low,
        rules.qrs_mass,
        MIN_RR_S / CELL_S,
        begins,
        ends,
    )
    # A complex that is cut off by an end of the record does not count: its onset or
    # offset is unknown, and it may be something else.
    whole = np.flatnonzero((begins[:n_beats] > 0) & (ends[:n_beats] < n_cells))
    return waves, begins[whole], ends[whole]


def _marks_of(
    evidence: Evidence,
    waves: Float32Array,
    begins: IntArray,
    ends: IntArray,
    voltages: FloatArray,
    fs: float,
    rules: Rules,
) -> IntArray:
    """Return the marks of each lead and complex in samples, -1 where absent."""
    strength, marks = _marks_in_cells(evidence, waves, begins, ends)
    present = has_p_wave(p_wave_inputs(strength, marks), rules.p_weights)
    marks[:, ~present, : Mark.P_OFF + 1] = np.nan
    places = np.empty(marks.shape, np.int64)
    reaches = np.array([round(s * fs) for s in REACH_S])
    shortest = np.array([round(s * fs) for s in SHORTEST_S])
    kernels.settle(marks, voltages, CELL_S * fs, reaches, shortest, places)
    return places


def _marks_in_cells(
    evidence: Evidence, waves: Float32Array, begins: IntArray, ends: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return the evidence of P waves, and the marks of each lead and complex.

    Of shape (n_leads, n_beats) and (n_leads, n_beats, 9); marks are NaN where absent.
    """
    marks = np.empty((len(evidence.probabilities), len(begins), len(Mark)))
    strength = np.empty(marks.shape[:2])
    decoding.place_marks(
        evidence.probabilities,
        evidence.usable,
        waves[0],
        waves[1],
        waves[2],
        begins,
        ends,
        P_LEVEL,
        T_LEVEL,
        strength,
        marks,
    )
    return strength, marks


def p_wave_decisions(
    evidence: Evidence, fs: float, rules: Rules = RULES
) -> tuple[FloatArray, FloatArray]:
    """Return the R-peak of each beat in samples, and what decides on its P wave.

    The latter are those of `p_wave_inputs`.
    """
    waves, begins, ends = _complexes(evidence, rules)
    strength, marks = _marks_in_cells(evidence, waves, begins, ends)
    r_peaks = median_of_rows(marks[..., Mark.R_PEAK].T) * CELL_S * fs
    return r_peaks, p_wave_inputs(strength, marks)


def _stronger(r_peaks: IntArray, masses: FloatArray, min_distance: float) -> BoolArray:
    """Return which beats remain if of any two too close the stronger is kept."""
    kept = np.zeros(len(r_peaks), np.bool_)
    for b in np.argsort(-masses, kind="stable"):
        kept[b] = (np.abs(r_peaks[kept] - r_peaks[b]) >= min_distance).all()
    return kept


def _keep_near(marks: IntArray, r_peaks: IntArray, furthest: int) -> None:
    """Move R-peaks that are too far from the record's, and drop marks they pass."""
    own = marks[..., Mark.R_PEAK]
    if len(own) == 1:  # the record's R-peaks are those of this lead
        return
    moved = np.clip(own, r_peaks - furthest, r_peaks + furthest)
    moved[own < 0] = -1
    for lead, b in np.argwhere(moved != own):
        place = moved[lead, b]
        marks[lead, b, Mark.R_PEAK] = place
        in_time = marks[lead].reshape(-1)  # a view: all marks of the lead
        k = b * len(Mark) + Mark.R_PEAK
        before, after = in_time[:k], in_time[k + 1 :]
        after[(after >= 0) & (after <= place)] = -1
        before[before >= place] = -1
        _drop_incomplete(marks[lead])


def _drop_incomplete(marks: IntArray) -> None:
    """Drop the P and T waves of a lead without all three marks."""
    for on in (Mark.P_ON, Mark.T_ON):
        wave = marks[:, on : on + 3]
        wave[(wave < 0).any(axis=1)] = -1
