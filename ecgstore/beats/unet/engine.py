"""The engine "ecgstore": beats and waves of all leads with a small network."""

import functools
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, NamedTuple, TypeVar

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.beats.medians import median_of_rows
from ecgstore.beats.types import MAX_VOLTAGE_MV, MIN_RR_S, Beats, BeatStatus
from ecgstore.beats.unet import (
    _decoding_kernels as decoding,
    _marks_kernels as kernels,
    _network_kernels as network,
    _presence_kernels as presence,
    _silence_kernels as silence,
)
from ecgstore.beats.unet._layers_kernels import PAD
from ecgstore.beats.unet._scaling_kernels import scale
from ecgstore.beats.unet.pieces import Read, find_in_pieces
from ecgstore.beats.unet.silence import silent_spans
from ecgstore.errors import EcgStoreError
from ecgstore.record import Mark
from ecgstore.signals.gaps import interpolate_gaps

NETWORK_HZ: Final = 250.0
"""Sampling rate of the network's input; its output has half of it."""

CELL_S: Final = 2 / NETWORK_HZ
"""Duration of a cell of the network's output in s."""

WEIGHTS: Final = "weights.npz"

MAX_GAP_S: Final = 0.1
"""Longest gap of missing samples that is interpolated; in longer ones, a lead is not
usable."""

LEAST_SPANS: Final = 16
"""A lead that is usable in fewer spans of 64 ms, 1 s in total, is left out."""

LEAST_RANGE_MV: Final = 1e-9
"""A lead is constant if its range is not larger than this, whatever its unit."""

MIN_RELATIVE_RANGE: Final = 0.004
"""A lead is flat if its range is smaller than this fraction of the usual range.

The limit is relative, so that the scale of a record does not matter. It is not 0,
because rounding to 1 uV leaves a range of 2 or 3 uV in a lead that was not connected.
"""

USUAL_RANGE_S: Final = 2.0
"""The usual range is the median over segments of the leads of this length.

Each of them holds a beat, unless the heart rate is below 30 per minute.
"""

P_NEIGHBOURS: Final = 6
"""Beats on either side of a beat that have a say in whether it has a P wave."""

MAX_R_DISTANCE_S: Final = 0.1
"""Largest distance of a lead's R-peak from the record's; farther ones are moved."""

HEIGHT: Final = 4.0
"""Usual range of a lead in the network's input."""

LIMIT: Final = 8.0
"""Larger values of the input, steps or spikes, are clipped."""

PART: Final = 1 << 14
"""Length of the parts in which long records pass the network, in samples: 66 s."""

OVERLAP: Final = 1 << 11
"""Samples that two parts share: more than twice the network's receptive field."""

P_LEVEL: Final = 0.1
T_LEVEL: Final = 0.5
"""Least evidence of a P or a T wave in a lead; P waves have further rules."""

REACH_S: Final = (0.016, 0.016, 0.024)
"""How far the peaks of P, QRS and T may move to an extremum of the signal, in s."""

SHORTEST_S: Final = (0.04, 0.02, 0.06)
"""Shortest P wave, QRS complex and T wave in s; shorter ones are left out."""


Floats = TypeVar("Floats", FloatArray, Float32Array)


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
    qrs_high=0.4,
    qrs_low=0.25,
    qrs_mass=4.0,
    p_weights=(-4.832, 0.483, 0.089, -1.513, -21.738, -0.889, 0.22),
)
"""Chosen by ``python -m bench.beats.choose_rules``."""


@dataclass(frozen=True, eq=False, slots=True)
class Evidence:
    """The network's output for a record.

    Attributes
    ----------
    leads : ndarray of shape (n_usable,)
        Indices of the leads that are usable at any time.
    probabilities : ndarray of shape (n_usable, 7, n_cells)
        Probabilities of the classes of each cell of 8 ms: no wave, and the parts before
        and behind the peak of a P wave, a QRS complex and a T wave.
    usable : ndarray of shape (n_usable, n_cells)
        In which cells each of these leads is neither silent nor missing.
    """

    leads: IntArray
    probabilities: Float32Array
    usable: BoolArray


@functools.cache
def weights() -> Float32Array:
    """Return the weights of the network in the order of use."""
    with files(__package__).joinpath(WEIGHTS).open("rb") as file, np.load(file) as data:
        values = np.asarray(data["weights"], np.float32)
    values.flags.writeable = False
    return values


def find_beats(
    signal: FloatArray, fs: float, max_beats: int | None, leads: Sequence[str]
) -> Beats:
    """Find beats and waves.

    Parameters and results are those of `ecgstore.beats.find_beats`, which checks the
    parameters. All leads are treated alike, whatever their names.
    """
    return find_beats_with(weights(), signal, fs, max_beats)


def find_beats_with(
    values: Float32Array,
    signal: FloatArray,
    fs: float,
    max_beats: int | None = None,
    rules: Rules = RULES,
) -> Beats:
    """Find beats and waves with other weights, or by other rules."""
    return _find(
        values,
        rules,
        lambda begin, end: np.asarray(signal[:, begin:end], np.float64),
        signal.shape[1],
        fs,
        max_beats,
    )


def find_beats_read(read: Read, n_samples: int, fs: float) -> Beats:
    """Find beats and waves of a record that is read piece by piece.

    Parameters
    ----------
    read : callable
        Returns the voltages in mV from one sample to another, of shape (n_leads, n),
        band-pass filtered, NaN where a sample is missing.
    n_samples : int
        Length of the record.
    fs : float
        Sampling rate in Hz, at least 50.

    Returns
    -------
    Beats
        The same as for the whole signal, with less memory.
    """
    return _find(weights(), RULES, read, n_samples, fs, None)


def _find(
    values: Float32Array,
    rules: Rules,
    read: Read,
    n_samples: int,
    fs: float,
    max_beats: int | None,
) -> Beats:
    """Find the beats of a record in pieces, one for a short record."""
    if values.shape != (network.N_WEIGHTS,):  # others would be read beyond their end
        raise EcgStoreError(
            f"weights of the delineator have the shape {values.shape}; expected "
            f"({network.N_WEIGHTS},): train them again"
        )
    find = functools.partial(_find_at_once, values, rules, fs)
    return find_in_pieces(find, read, n_samples, fs, max_beats)


def _find_at_once(
    values: Float32Array, rules: Rules, fs: float, signal: FloatArray
) -> Beats:
    """Find all beats of a signal in memory."""
    output = network_evidence(signal, fs, values)
    if output is None:
        return Beats.none(BeatStatus.NO_BEATS, len(signal))
    evidence, voltages = output
    beats = decode(evidence, voltages, fs, rules)
    fiducials = np.full((len(signal), *beats.fiducials.shape[1:]), -1, np.int64)
    fiducials[evidence.leads] = beats.fiducials
    return Beats(beats.r_peaks, fiducials, beats.status)


def network_evidence(
    signal: FloatArray, fs: float, values: Float32Array
) -> tuple[Evidence, FloatArray] | None:
    """Return the network's output for the usable leads, and their voltages in mV.

    None without a usable lead, or if the record is too short.
    """
    missing = None
    if np.isnan(signal).any():
        signal = interpolate_gaps(signal, round(MAX_GAP_S * fs))
        missing = np.isnan(signal)
        signal = interpolate_gaps(signal, signal.shape[1])  # the network needs numbers
    x = _at_network_rate(np.ascontiguousarray(signal), fs)
    if x.shape[1] < 2:
        return None
    leads = np.flatnonzero(_usable(x))
    if not len(leads):
        return None
    voltages, x = _rows(signal, leads), _rows(x, leads)
    usable = ~silent_spans(x)
    if missing is not None:
        step = fs / NETWORK_HZ
        for row, lead in zip(usable, leads, strict=True):
            places = np.flatnonzero(missing[lead]) / (step * network.STEP)
            # Linear interpolation spreads a sample over `step` or 1 on either side.
            reach = max(1 / step, 1) / network.STEP
            for shift in (-reach, 0.0, reach):
                row[np.clip((places + shift).astype(np.int64), 0, len(row) - 1)] = False
    heard = usable.sum(axis=1) >= min(LEAST_SPANS, usable.shape[1])
    if not heard.all():
        leads, voltages, x = leads[heard], voltages[heard], x[heard]
        usable = usable[heard]
        if not len(leads):
            return None
    for row, spans in zip(x, usable, strict=True):
        scale(row, spans, network.STEP, HEIGHT, LIMIT)
    probabilities = class_probabilities(x, usable, values)
    n_cells = probabilities.shape[2]
    cells = np.repeat(usable, network.STEP // 2, axis=1)[:, :n_cells]
    return Evidence(leads, probabilities, np.ascontiguousarray(cells)), voltages


def _rows(values: Floats, leads: IntArray) -> Floats:
    """Return some leads, as an array whose rows are contiguous."""
    return np.ascontiguousarray(values if len(leads) == len(values) else values[leads])


def network_input(voltages: FloatArray, fs: float) -> Float32Array:
    """Return leads as the network's input, of shape (n_leads, n_samples) at 250 Hz.

    All leads are usable all the time.
    """
    x = _at_network_rate(voltages, fs)
    usable = np.ones(-(-x.shape[1] // network.STEP), np.bool_)
    for row in x:
        scale(row, usable, network.STEP, HEIGHT, LIMIT)
    return x


def _at_network_rate(voltages: FloatArray, fs: float) -> Float32Array:
    """Return leads at 250 Hz, in mV."""
    step = fs / NETWORK_HZ
    n_samples = max(math.floor((voltages.shape[1] - 1) / step) + 1, 0)
    x = np.empty((len(voltages), n_samples), np.float32)
    kernels.resample(voltages, step, x)
    return x


def _usable(x: Float32Array) -> BoolArray:
    """Return which leads hold voltages and are not flat, relative to the others.

    Leads are given at 250 Hz.
    """
    low, high = x.min(axis=1), x.max(axis=1)
    in_range = (low > -MAX_VOLTAGE_MV) & (high < MAX_VOLTAGE_MV)
    usable = np.zeros(len(x), np.bool_)
    usable[in_range] = high[in_range] - low[in_range] > LEAST_RANGE_MV
    if len(x) == 1 or not usable.any():
        return usable
    # Of segments, not of whole leads: a spike in half of the leads would decide.
    size = min(round(USUAL_RANGE_S * NETWORK_HZ), x.shape[1])
    ranges = np.empty((len(x), x.shape[1] // size), np.float32)
    silence.write_ranges(x, size, ranges)
    usual = np.median(ranges[usable])
    usable[usable] = (high - low)[usable] > MIN_RELATIVE_RANGE * usual
    return usable


class _Memory(threading.local):
    """Arrays of each thread that are used again for the next record of a length.

    To touch new memory for every record would take a sixth of the time.
    """

    def __init__(self) -> None:
        self._size = (0, 0)
        nothing = np.empty(0, np.float32)
        self._arrays = (nothing, nothing, nothing)

    def of(
        self, n_leads: int, n_samples: int
    ) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Return the network's input, memory and output."""
        if (n_leads, n_samples) != self._size:
            n_logits = n_samples // 2 + 2 * PAD
            self._arrays = (
                np.zeros((n_leads, n_samples), np.float32),
                np.zeros(network.memory_size(n_leads, n_samples), np.float32),
                np.zeros((n_leads, network.N_CLASSES, n_logits), np.float32),
            )
            self._size = n_leads, n_samples
        return self._arrays


_memory = _Memory()


def class_probabilities(
    x: Float32Array, usable: BoolArray, values: Float32Array
) -> Float32Array:
    """Return the probabilities of the classes, of shape (n_leads, 7, n_cells).

    `x` of shape (n_leads, n_samples) is the network's input, and `usable` says which
    leads count in each span of `STEP` samples. Long records pass the network in parts
    that overlap.
    """
    n_leads, n_samples = x.shape
    n_cells = n_samples // 2
    probabilities = np.empty((n_leads, network.N_CLASSES, n_cells), np.float32)
    begin = 0
    while True:
        end = min(begin + PART, n_samples)
        n = -(-(end - begin) // network.STEP) * network.STEP
        part, memory, logits = _memory.of(n_leads, n)
        part[:, : end - begin] = x[:, begin:end]
        part[:, end - begin :] = x[:, end - 1 : end]  # avoids a step at the end
        first = begin // network.STEP
        spans = np.ascontiguousarray(usable[:, first : first + n // network.STEP])
        network.forward(part, spans, values, memory, logits)
        of_part = np.empty((n_leads, network.N_CLASSES, (end - begin) // 2), np.float32)
        decoding.to_probabilities(logits, PAD, of_part)
        skipped = OVERLAP // 4 if begin else 0  # in cells
        probabilities[:, :, begin // 2 + skipped : end // 2] = of_part[:, :, skipped:]
        if end == n_samples:
            return probabilities
        begin += PART - OVERLAP


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
    present = has_p_wave(p_wave_inputs(strength, marks), rules)
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


def p_wave_inputs(strength: FloatArray, marks: FloatArray) -> FloatArray:
    """Return what decides whether each beat has a P wave.

    In sinus rhythm the evidence is near 1, or 0 before ventricular beats, and the PR
    interval is steady. In atrial fibrillation the evidence is anything between, the PR
    intervals of f waves scatter, and the RR intervals are irregular.

    Parameters
    ----------
    strength : ndarray of shape (n_leads, n_beats)
        Highest evidence in a cell of the P wave before each beat; 0 below `P_LEVEL`,
        NaN where the lead is not usable.
    marks : ndarray of shape (n_leads, n_beats, 9)
        In cells, NaN where absent.

    Returns
    -------
    ndarray of shape (n_beats, 6)
        Log odds of the mean evidence of the leads, and of its median over the beats
        around that have any; logarithm of the mean deviation of their PR intervals from
        the median, in s; median change of the RR intervals relative to their median;
        logarithm of the number of leads, and its product with the second value.
    """
    peaks = CELL_S * marks[..., Mark.R_PEAK]
    pr_s = median_of_rows((peaks - CELL_S * marks[..., Mark.P_PEAK]).T)
    known = np.isfinite(strength)
    n_leads = known.sum(axis=0)
    mean = np.where(known, strength, 0).sum(axis=0) / np.maximum(n_leads, 1)
    mean[np.isnan(pr_s)] = 0
    r_s = median_of_rows(peaks.T)
    inputs = np.empty((len(mean), presence.N_INPUTS))
    presence.write_inputs(mean, n_leads, pr_s, r_s, P_NEIGHBOURS, inputs)
    return inputs


def has_p_wave(inputs: FloatArray, rules: Rules = RULES) -> BoolArray:
    """Return which beats have a P wave, by the inputs of `p_wave_inputs`."""
    scores = np.empty(len(inputs))
    presence.write_scores(inputs, np.array(rules.p_weights), scores)
    return scores > 0


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
