"""Which beats have a P wave, by the evidence of the network."""

import numpy as np
import pytest

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.beats.unet import _presence_kernels as presence
from ecgstore.beats.unet.decoding import RULES
from ecgstore.beats.unet.evidence import CELL_S
from ecgstore.beats.unet.p_waves import has_p_wave, p_wave_inputs
from ecgstore.record import Mark
from tests.beats.unet.kernels import assert_equals_python


def decided(
    strength: FloatArray, pr_s: FloatArray, rr_s: FloatArray | float = 0.8
) -> BoolArray:
    """Return which beats have a P wave; evidence of shape (n_leads, n_beats) or one."""
    strength = np.atleast_2d(strength)
    n_leads, n_beats = strength.shape
    marks = np.full((n_leads, n_beats, 9), np.nan)
    r_s = 1 + np.cumsum(np.broadcast_to(rr_s, n_beats))
    marks[..., Mark.R_PEAK] = r_s / CELL_S
    marks[..., Mark.P_PEAK] = np.where(strength > 0, r_s - pr_s, np.nan) / CELL_S
    return has_p_wave(p_wave_inputs(strength, marks), RULES.p_weights)


STEADY = np.full(12, 0.16)
SINUS = np.full(12, 0.98)


def test_every_beat_of_a_sinus_rhythm_has_one() -> None:
    assert decided(SINUS, STEADY).all()
    assert decided(np.tile(SINUS, (12, 1)), STEADY).all()


@pytest.mark.parametrize("n_leads", [1, 12])
@pytest.mark.parametrize("ectopic", [[5], [0, 11], [2, 3], [1, 4, 8]])
def test_ectopic_beats_erase_no_other_p_wave(n_leads: int, ectopic: list[int]) -> None:
    """They come early, have none themselves, and a weak beat is no reason either."""
    strength, rr_s = SINUS.copy(), np.full(12, 0.8)
    strength[ectopic] = 0
    for k in ectopic:
        rr_s[k], rr_s[(k + 1) % 12] = 0.5, 1.1
    expected = np.delete(np.arange(12), ectopic)
    for weak in (0.0, 0.3):
        strength[ectopic] = weak
        found = decided(np.tile(strength, (n_leads, 1)), STEADY, rr_s)
        assert found[expected].all()


def test_three_of_twelve_leads_that_see_nothing_erase_none() -> None:
    strength = np.tile(SINUS, (12, 1))
    strength[:3] = 0
    assert decided(strength, STEADY).all()


def test_leads_that_are_not_usable_do_not_count() -> None:
    strength = np.tile(SINUS, (12, 1))
    strength[:9] = np.nan
    assert decided(strength, STEADY).all()


def test_clear_p_waves_are_kept_in_any_rhythm() -> None:
    """Bigeminy, sinus arrhythmia, any: if the PR intervals are steady."""
    rng = np.random.default_rng(0)
    for n_leads in (1, 2, 12):
        for _ in range(50):
            rr_s = rng.uniform(0.4, 1.4, 12)
            pr_s = STEADY + rng.uniform(-0.008, 0.008, 12)
            assert decided(np.tile(SINUS, (n_leads, 1)), pr_s, rr_s).all()


def test_scattered_evidence_in_an_irregular_rhythm_is_fibrillation() -> None:
    rng = np.random.default_rng(0)
    n_found = 0
    for _ in range(50):
        strength = rng.uniform(0.2, 0.95, 12)
        pr_s = rng.uniform(0.1, 0.3, 12)
        n_found += decided(strength, pr_s, rng.uniform(0.5, 1.2, 12)).sum()
    assert n_found < 0.02 * 50 * 12


def test_the_typical_change_of_intervals_is_relative_and_ignores_a_few() -> None:
    r_s = np.cumsum([0.8] * 5 + [0.4, 1.2] + [0.8] * 5)
    assert presence.irregularity(r_s) == pytest.approx(0, abs=1e-9)
    alternating = np.cumsum([0.6, 0.9] * 6)
    assert presence.irregularity(alternating) == 0.15  # the largest value
    slightly = np.cumsum([0.8, 0.84] * 6)
    assert presence.irregularity(slightly) == pytest.approx(0.05, rel=0.1)
    assert presence.irregularity(10 * slightly) == pytest.approx(
        presence.irregularity(slightly)
    )
    assert presence.irregularity(np.array([1.0, 2.0])) == 0


@pytest.mark.parametrize("n", [0, 1, 2, 3, 30])
def test_equal_to_plain_python(n: int) -> None:
    rng = np.random.default_rng(n)
    strength = np.where(rng.random(n) < 0.3, 0, rng.random(n))
    pr_s = np.where(strength > 0, rng.uniform(0.1, 0.2, n), np.nan)
    r_s = np.cumsum(rng.uniform(0.5, 1, n))
    n_leads = rng.integers(0, 12, n)
    inputs, scores = np.zeros((n, presence.N_INPUTS)), np.zeros(n)
    arguments = (strength, n_leads, pr_s, r_s, 6, inputs)
    assert_equals_python(presence.write_inputs, *arguments)
    presence.write_inputs(*arguments)
    assert np.isfinite(inputs).all()
    weights = np.arange(presence.N_INPUTS + 1.0)
    assert_equals_python(presence.write_scores, inputs, weights, scores)
