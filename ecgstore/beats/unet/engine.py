"""The engine "ecgstore": beats and waves of all leads by a small network."""

import functools
import math
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.beats.medians import median_of_rows
from ecgstore.beats.types import MIN_RR_S, Beats, BeatStatus, usable_leads
from ecgstore.beats.unet import (
    _decoding_kernels as decoding,
    _marks_kernels as kernels,
    _network_kernels as network,
)
from ecgstore.beats.unet._layers_kernels import PAD
from ecgstore.record import N_LEADS, Mark
from ecgstore.signals.gaps import interpolate_gaps

NETWORK_HZ: Final = 250.0
"""Sampling rate of what the network sees; its results come at half of it."""

CELL_S: Final = 2 / NETWORK_HZ
"""How long a cell of the network's results is, in s."""

WEIGHTS: Final = "weights.npz"

MAX_GAP_S: Final = 0.1
"""Missing samples are interpolated up to this long; a lead that misses more is out."""

LEAST_RANGE_MV: Final = 1e-9
"""A lead whose values all lie within this is constant, whatever its unit."""

MIN_RELATIVE_RANGE: Final = 0.004
"""A lead with less than this part of the usual range of the leads is flat.

Not less than a part of 1 mV, because the scale of a record shall not matter: rounding
to 1 uV leaves a range of 2 or 3 uV in a lead that was not connected.
"""

USUAL_RANGE_S: Final = 2.0
"""The usual range is the median over parts of the leads as long as this.

In each of them is a beat, unless the heart is slower than 30 a minute.
"""

P_SEEN: Final = 0.02
P_AGREED: Final = 0.4
P_CERTAIN: Final = 0.75
P_NEIGHBOURS: Final = 6
P_STEADY_S: Final = 0.008
P_CERTAIN_IF_STEADY: Final = 0.5
"""A beat has a P wave if the mean evidence of the leads is at least `P_AGREED`, and
that of up to 6 beats on either side, of those with any evidence, `P_CERTAIN`; less is
needed if three of four have some, and the PR intervals deviate little."""

MAX_R_DISTANCE_S: Final = 0.1
"""How far a lead's R-peak may be from the record's; beyond, the lead is destroyed."""

HEIGHT: Final = 4.0
"""The usual range of a lead as the network sees it."""

LIMIT: Final = 20.0
"""What is larger is cut off: a step or a spike."""

WINDOW: Final = 250
"""Samples at 250 Hz in which a lead's range is taken."""

QUANTILE: Final = 0.8
"""The usual range is this quantile of them: beats of 20 a minute are in every third."""

PART: Final = 1 << 14
"""Samples at 250 Hz that pass through the network at once: 66 s."""

OVERLAP: Final = 1 << 11
"""Samples that two parts share, more than twice what the network sees around one."""

HIGH: Final = 0.5
LOW: Final = 0.25
MIN_MASS: Final = 3.0
"""A QRS complex is a run of mean evidence above `LOW` that reaches `HIGH` and sums to
`MIN_MASS` cells of 8 ms."""

LEVEL: Final = 0.5
"""Evidence above which a lead has a P or a T wave."""

REACH_S: Final = (0.016, 0.016, 0.024)
"""How far the peaks of P, QRS and T move to an extremum of the signal, in s."""

SHORTEST_S: Final = (0.04, 0.02, 0.06)
"""Shortest P wave, QRS complex and T wave in s; what is shorter is none."""


@dataclass(frozen=True, eq=False, slots=True)
class Evidence:
    """What the network sees in a record.

    Attributes
    ----------
    leads : ndarray of shape (n_usable,)
        The leads that are neither flat nor missing.
    probabilities : ndarray of shape (n_usable, 7, n_cells)
        Probability that each cell of 8 ms holds no wave, or the part before or behind
        the peak of a P wave, a QRS complex or a T wave.
    """

    leads: IntArray
    probabilities: Float32Array


@functools.cache
def weights() -> Float32Array:
    """Return the weights of the network in the order of their use."""
    with files(__package__).joinpath(WEIGHTS).open("rb") as file, np.load(file) as data:
        values = np.asarray(data["weights"], np.float32)
    values.flags.writeable = False
    return values


def find_beats(signal: FloatArray, fs: float, max_beats: int) -> Beats:
    """Find beats and waves.

    Parameters and results are those of `ecgstore.beats.find_beats`, which
    checks them.
    """
    return find_beats_with(weights(), signal, fs, max_beats)


def find_beats_with(
    values: Float32Array, signal: FloatArray, fs: float, max_beats: int
) -> Beats:
    """Find beats and waves with other weights than the package's."""
    seen = network_evidence(signal, fs, values)
    if seen is None:
        return Beats.none(BeatStatus.NO_BEATS)
    evidence, voltages = seen
    return decode(evidence, voltages, fs, max_beats)


def network_evidence(
    signal: FloatArray, fs: float, values: Float32Array
) -> tuple[Evidence, FloatArray] | None:
    """Return what the network sees in the usable leads, and their voltages in mV."""
    if np.isnan(signal).any():
        signal = interpolate_gaps(signal, round(MAX_GAP_S * fs))
    leads = np.flatnonzero(_usable(signal, fs))
    step = fs / NETWORK_HZ
    n_samples = math.floor((signal.shape[1] - 1) / step) + 1
    if not len(leads) or n_samples < 2:
        return None
    voltages = signal if len(leads) == N_LEADS else signal[leads]
    voltages = np.ascontiguousarray(voltages)
    x = np.empty((len(leads), n_samples), np.float32)
    kernels.resample(voltages, step, x)
    kernels.centre_and_scale(x, WINDOW, QUANTILE, HEIGHT, LIMIT)
    return Evidence(leads, chances_of(x, values)), voltages


def _usable(signal: FloatArray, fs: float) -> BoolArray:
    """Return which leads are whole, and not flat next to the others."""
    usable = usable_leads(signal, LEAST_RANGE_MV)
    if usable.any():
        leads = signal if usable.all() else signal[usable]
        # Not the median of whole leads: one spike in half of them would decide.
        n_parts = max(int(leads.shape[1] / (USUAL_RANGE_S * fs)), 1)
        size = leads.shape[1] // n_parts
        parts = leads[:, : n_parts * size].reshape(len(leads), n_parts, size)
        usual = np.median(np.ptp(parts, axis=2))
        usable[usable] = np.ptp(leads, axis=1) > MIN_RELATIVE_RANGE * usual
    return usable


def chances_of(x: Float32Array, values: Float32Array) -> Float32Array:
    """Return the probabilities of the classes, of shape (n_leads, 7, n_cells).

    Long records pass in parts that overlap.
    """
    n_leads, n_samples = x.shape
    n_cells = n_samples // 2
    probabilities = np.empty((n_leads, network.N_CLASSES, n_cells), np.float32)
    begin = 0
    while True:
        end = min(begin + PART, n_samples)
        n = -(-(end - begin) // network.STEP) * network.STEP
        part = np.zeros((n_leads, n), np.float32)
        part[:, : end - begin] = x[:, begin:end]
        part[:, end - begin :] = x[:, end - 1 : end]  # no step at the end
        logits = np.zeros((n_leads, network.N_CLASSES, n // 2 + 2 * PAD), np.float32)
        network.forward(part, values, logits)
        got = np.empty((n_leads, network.N_CLASSES, (end - begin) // 2), np.float32)
        decoding.to_probabilities(logits, PAD, got)
        skipped = OVERLAP // 4 if begin else 0  # in cells
        probabilities[:, :, begin // 2 + skipped : end // 2] = got[:, :, skipped:]
        if end == n_samples:
            return probabilities
        begin += PART - OVERLAP


def decode(
    evidence: Evidence, voltages: FloatArray, fs: float, max_beats: int
) -> Beats:
    """Return the beats that the evidence shows."""
    probabilities, leads = evidence.probabilities, evidence.leads
    n_leads, n_cells = len(leads), probabilities.shape[2]
    waves = np.empty((3, n_leads + 1, n_cells), np.float32)
    for wave, name in zip(waves, (decoding.P, decoding.QRS, decoding.T), strict=True):
        decoding.wave_evidence(probabilities, name, wave)
    begins = np.empty(n_cells // 2 + 1, np.int64)
    ends = np.empty_like(begins)
    n_beats = decoding.find_complexes(
        waves[1, n_leads], HIGH, LOW, MIN_MASS, MIN_RR_S / CELL_S, begins, ends
    )
    # A complex that an end of the record cuts into is no beat: where its onset or
    # offset is, and whether it is one at all, cannot be seen.
    whole = np.flatnonzero((begins[:n_beats] > 0) & (ends[:n_beats] < n_cells))
    begins, ends = begins[whole], ends[whole]
    if not len(begins):
        return Beats.none(BeatStatus.NO_BEATS)
    # Complexes are far enough apart, but of R and R' the peak may be at the near ends.
    while True:
        places = _marks_of(probabilities, waves, begins, ends, voltages, fs)
        r_peaks = np.median(places[:, :, Mark.R_PEAK], axis=0).astype(np.int64)
        if (np.diff(r_peaks) >= MIN_RR_S * fs).all():
            break
        masses = [
            waves[1, n_leads, k:m].sum() for k, m in zip(begins, ends, strict=True)
        ]
        kept = _stronger(r_peaks, np.array(masses), MIN_RR_S * fs)
        begins, ends = begins[kept], ends[kept]
    _keep_near(places, r_peaks, math.floor(MAX_R_DISTANCE_S * fs))
    fiducials = np.full((N_LEADS, len(r_peaks), len(Mark)), -1, np.int64)
    fiducials[leads] = places
    status = BeatStatus.OK
    if len(r_peaks) > max_beats:
        status = BeatStatus.TOO_MANY_BEATS
    return Beats(r_peaks[:max_beats], fiducials[:, :max_beats], status)


def _marks_of(
    probabilities: Float32Array,
    waves: Float32Array,
    begins: IntArray,
    ends: IntArray,
    voltages: FloatArray,
    fs: float,
) -> IntArray:
    """Return the marks of complexes in each lead as samples, -1 where absent.

    `waves` has, for P, QRS and T, the evidence of each lead and then their mean.
    """
    marks = np.empty((len(probabilities), len(begins), len(Mark)))
    strength = np.empty(marks.shape[:2])
    decoding.place_marks(
        probabilities,
        waves[0],
        waves[1],
        waves[2],
        begins,
        ends,
        LEVEL,
        strength,
        marks,
    )
    pr_s = CELL_S * median_of_rows(
        (marks[..., Mark.R_PEAK] - marks[..., Mark.P_PEAK]).T
    )
    present = has_p_wave(strength.mean(axis=0), pr_s)
    marks[:, ~present, : Mark.P_OFF + 1] = np.nan
    places = np.empty(marks.shape, np.int64)
    reaches = np.array([round(s * fs) for s in REACH_S])
    shortest = np.array([round(s * fs) for s in SHORTEST_S])
    kernels.settle(marks, voltages, CELL_S * fs, reaches, shortest, places)
    return places


def _stronger(r_peaks: IntArray, masses: FloatArray, min_distance: float) -> BoolArray:
    """Return which beats are left if the stronger of any two too close is kept."""
    kept = np.zeros(len(r_peaks), np.bool_)
    for b in np.argsort(-masses, kind="stable"):
        kept[b] = (np.abs(r_peaks[kept] - r_peaks[b]) >= min_distance).all()
    return kept


def has_p_wave(strength: FloatArray, pr_s: FloatArray) -> BoolArray:
    """Return which beats have a P wave.

    Parameters
    ----------
    strength : ndarray of shape (n_beats,)
        Of each lead the highest evidence of the P wave before a beat in any cell, 0
        where it is below `LEVEL`, mean of the leads.
    pr_s : ndarray of shape (n_beats,)
        Time from the P to the R-peak in s, median of the leads; NaN without any.

    Returns
    -------
    ndarray of shape (n_beats,)
        Whether the leads agree that there is one, and the beats around are not in
        doubt. In sinus rhythm the evidence is near 1, or 0 before ventricular beats; in
        atrial fibrillation it is anything between. Where it is weak before nearly all
        beats but comes at the same time, it is a flat P wave.

    Examples
    --------
    >>> pr = np.array([0.16, np.nan, 0.16, 0.16])
    >>> has_p_wave(np.array([0.98, 0.0, 0.99, 0.97]), pr).tolist()
    [True, False, True, True]
    >>> pr = np.array([0.10, 0.16, 0.21, np.nan])
    >>> has_p_wave(np.array([0.9, 0.4, 0.6, 0.0]), pr).tolist()
    [False, False, False, False]
    """
    present = np.empty(len(strength), np.bool_)
    scratch = np.empty(2 * P_NEIGHBOURS + 1)
    decoding.has_p_wave(
        strength,
        pr_s,
        P_SEEN,
        P_AGREED,
        P_CERTAIN,
        P_CERTAIN_IF_STEADY,
        P_STEADY_S,
        P_NEIGHBOURS,
        scratch,
        present,
    )
    return present


def _keep_near(marks: IntArray, r_peaks: IntArray, furthest: int) -> None:
    """Move R-peaks that are too far from the record's, and drop marks in their way."""
    own = marks[..., Mark.R_PEAK]
    moved = np.clip(own, r_peaks - furthest, r_peaks + furthest)
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
    """Drop the P and T waves of a lead that lack a mark."""
    for on in (Mark.P_ON, Mark.T_ON):
        wave = marks[:, on : on + 3]
        wave[(wave < 0).any(axis=1)] = -1
