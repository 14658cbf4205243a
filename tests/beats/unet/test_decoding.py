"""Probabilities with waves at known places are decoded to marks at these places."""

import numpy as np
import pytest

from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.beats.types import Beats
from ecgstore.beats.unet import _decoding_kernels as decoding, _marks_kernels as kernels
from ecgstore.beats.unet.decoding import decode
from ecgstore.beats.unet.evidence import CELL_S, Evidence
from ecgstore.beats.unet.inputs import NETWORK_HZ
from ecgstore.record import Mark

WAVES = ((Mark.P_ON, decoding.P), (Mark.QRS_ON, decoding.QRS), (Mark.T_ON, decoding.T))
AROUND_R_S = np.array([-0.2, -0.16, -0.11, -0.05, 0.0, 0.05, 0.18, 0.26, 0.34])
"""Times of a beat's marks from its R-peak in s."""


def covered(begin: float, end: float, n_cells: int) -> FloatArray:
    """Return which part of each cell lies in a span; cell k is centred on k."""
    edges = np.arange(n_cells + 1) - 0.5
    return np.diff(np.clip(edges, begin, end))


def evidence_of(marks: IntArray, n_samples: int, fs: float) -> Evidence:
    """Return the output of a network that knows the marks; -1 is no wave.

    Its probabilities are 0 or 1 except in cells in which a wave begins or ends. There
    the odds of QRS complexes are multiplied by their class weight in training.
    """
    n_cells = (int((n_samples - 1) * NETWORK_HZ / fs) + 1) // 2
    cells = marks / (CELL_S * fs)
    probabilities = np.zeros((len(marks), 7, n_cells))
    for lead in range(len(marks)):
        for b in range(marks.shape[1]):
            for mark, name in WAVES:
                on, peak, off = cells[lead, b, mark : mark + 3]
                if marks[lead, b, mark] >= 0:
                    probabilities[lead, name] += covered(on, peak, n_cells)
                    probabilities[lead, name + 1] += covered(peak, off, n_cells)
    qrs = probabilities[:, decoding.QRS : decoding.QRS + 2]
    total = qrs.sum(axis=1, keepdims=True)
    qrs *= decoding.QRS_ODDS / (1 + (decoding.QRS_ODDS - 1) * total)
    probabilities[:, 0] = 1 - probabilities.sum(axis=1)
    leads = np.arange(len(marks))
    usable = np.ones((len(marks), n_cells), np.bool_)
    return Evidence(leads, np.asarray(probabilities, np.float32), usable)


def random_marks(
    rr_s: FloatArray, fs: float, n_leads: int = 12, seed: int = 0
) -> IntArray:
    """Return marks of beats with a jitter of up to 8 ms in each lead."""
    rng = np.random.default_rng(seed)
    r_s = 0.5 + np.cumsum(rr_s)
    shape = (n_leads, len(r_s), len(Mark))
    jitter = rng.uniform(-0.008, 0.008, shape)
    marks: IntArray = np.rint((r_s[:, None] + AROUND_R_S + jitter) * fs).astype(int)
    return marks


def decoded(marks: IntArray, n_samples: int, fs: float) -> Beats:
    """Return the beats decoded, with voltages of 0 that move no peak."""
    voltages = np.zeros((len(marks), n_samples))
    return decode(evidence_of(marks, n_samples, fs), voltages, fs)


@pytest.mark.parametrize("fs", [125.0, 250.0, 360.0, 500.0, 1000.0])
def test_marks_are_where_the_evidence_is(fs: float) -> None:
    """To the sample, and without a bias."""
    true = random_marks(np.linspace(0.7, 1.1, 20), fs)
    marks = decoded(true, int(20 * fs), fs).fiducials
    assert marks.shape == true.shape
    errors = marks - true
    edges = [mark for mark in Mark if "PEAK" not in mark.name]
    assert np.abs(errors[..., edges]).max() <= 0.5 + 1e-3
    # On which side of a cell's middle a peak lies is known exactly, how far is not.
    assert np.abs(errors).max() <= 0.5 + 0.1 * CELL_S * fs
    for mark in Mark:
        assert abs(errors[..., mark].mean()) < 0.1, mark.name


@pytest.mark.parametrize("fs", [125.0, 250.0, 360.0, 500.0, 1000.0])
def test_peaks_are_where_the_voltage_is(fs: float) -> None:
    true = random_marks(np.full(10, 0.9), fs)
    voltages = np.zeros((12, int(12 * fs)))
    peaks = [Mark.P_PEAK, Mark.R_PEAK, Mark.T_PEAK]
    for lead, places in zip(voltages, true[..., peaks], strict=True):
        lead[places] = 1.0
    # The network's peaks have errors of up to 8 ms.
    shifted = true.copy()
    errors = np.random.default_rng(1).integers(-1, 2, true[..., peaks].shape)
    shifted[..., peaks] += errors
    evidence = evidence_of(shifted, voltages.shape[1], fs)
    marks = decode(evidence, voltages, fs).fiducials
    np.testing.assert_array_equal(marks[..., peaks], true[..., peaks])


@pytest.mark.parametrize("fs", [100.0, 125.0, 250.0, 257.0, 360.0, 500.0, 1000.0])
def test_resampling_moves_nothing_in_time(fs: float) -> None:
    """A ramp whose values are the times of its samples keeps them."""
    for source, target in ((fs, NETWORK_HZ), (NETWORK_HZ, fs)):
        ramp = np.arange(int(2 * source))[None] / source
        step = source / target
        out = np.empty((1, int((ramp.shape[1] - 1) / step) + 1), np.float32)
        kernels.resample(ramp, step, out)
        times = np.arange(out.shape[1]) / target
        reach = max(step, 1) / source  # at the ends, half of the triangle is missing
        inner = (times >= reach) & (times <= ramp[0, -1] - reach)
        # In samples; the triangle's weights are uneven where the rates have no ratio.
        errors = source * (out[0, inner] - times[inner])
        assert np.abs(errors).max() < 0.05
        assert abs(errors.mean()) < 2e-3
        assert inner.sum() > 0.9 * len(times)


def irregular_rr(n_beats: int) -> FloatArray:
    """Return RR intervals as in atrial fibrillation, in s."""
    return np.random.default_rng(2).uniform(0.65, 1.4, n_beats)


def with_p_evidence(marks: IntArray, n_samples: int, fs: float, p: float) -> Evidence:
    """Return evidence in which P waves have a probability of at most `p`."""
    evidence = evidence_of(marks, n_samples, fs)
    probabilities: Float32Array = evidence.probabilities
    some = probabilities[:, decoding.P : decoding.P + 2]
    probabilities[:, 0] += np.float32(1 - p) * some.sum(axis=1)
    some *= np.float32(p)
    return evidence


def test_p_waves_of_an_irregular_rhythm_are_kept() -> None:
    """Neither the rhythm nor beats without P waves affect other P waves."""
    fs, n_samples = 500.0, 12_000
    marks = random_marks(irregular_rr(20), fs)
    voltages = np.zeros((12, n_samples))
    everywhere = decode(with_p_evidence(marks, n_samples, fs, 0.97), voltages, fs)
    assert (everywhere.fiducials >= 0).all()
    # In one beat of three only.
    some = marks.copy()
    without = np.arange(20) % 3 != 1
    some[:, without, : Mark.P_OFF + 1] = -1
    beats = decode(with_p_evidence(some, n_samples, fs, 0.97), voltages, fs)
    present = beats.fiducials[..., : Mark.P_OFF + 1] >= 0
    assert (present == ~without[:, None]).all()


def test_uncertain_p_waves_with_a_constant_pr_interval_are_kept() -> None:
    """In a regular rhythm: flat P waves. Uncertain ones of an irregular one are not."""
    fs, n_samples = 500.0, 12_000
    for rr_s, kept in ((np.full(20, 0.8), True), (irregular_rr(20), False)):
        marks = random_marks(rr_s, fs)
        beats_at = marks[0, :, Mark.R_PEAK] - marks[0, 0, Mark.R_PEAK]
        marks[...] = marks[0, 0] + beats_at[None, :, None]
        evidence = with_p_evidence(marks, n_samples, fs, 0.6)
        beats = decode(evidence, np.zeros((12, n_samples)), fs)
        assert (beats.fiducials[..., Mark.P_PEAK] >= 0).all() == kept


@pytest.mark.parametrize("fs", [250.0, 500.0])
def test_waves_cut_off_by_an_end_of_the_record_have_no_marks(fs: float) -> None:
    marks = random_marks(np.full(5, 0.9), fs, n_leads=3)
    whole = evidence_of(marks, int(8 * fs), fs)
    cell = round(CELL_S * fs)
    first = int(marks[:, 0, Mark.P_PEAK].max()) // cell
    last = int(marks[:, -1, Mark.T_PEAK].min()) // cell
    # In two leads, a P wave begins with the third cell, and a T wave ends early.
    for lead in (1, 2):
        marks[lead, 0, : Mark.P_OFF + 1] = first * cell + np.array([2, 5, 8]) * cell
        marks[lead, -1, Mark.T_ON :] = last * cell - np.array([11, 6, 2]) * cell
    probabilities = evidence_of(marks, int(8 * fs), fs).probabilities
    probabilities[0] = whole.probabilities[0]
    evidence = Evidence(
        whole.leads,
        np.ascontiguousarray(probabilities[:, :, first : last + 1]),
        np.ascontiguousarray(whole.usable[:, first : last + 1]),
    )
    voltages = np.zeros((3, (last - first + 1) * cell))
    got = decode(evidence, voltages, fs).fiducials[:3]
    assert got.shape[1] == 5
    expected = marks - first * cell
    expected[0, 0, : Mark.P_OFF + 1] = -1
    expected[0, -1, Mark.T_ON :] = -1
    np.testing.assert_array_equal(got >= 0, expected >= 0)
    assert np.abs(got - expected).max() <= 0.5 + 0.1 * cell
