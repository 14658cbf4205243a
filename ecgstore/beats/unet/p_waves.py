"""Whether a beat has a P wave: inputs of the decision, and the decision."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.beats.medians import median_of_rows
from ecgstore.beats.unet import _presence_kernels as presence
from ecgstore.beats.unet.evidence import CELL_S
from ecgstore.record import Mark

P_NEIGHBOURS: Final = 6
"""Beats on either side of a beat that have a say in whether it has a P wave."""


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


def has_p_wave(inputs: FloatArray, weights: Sequence[float]) -> BoolArray:
    """Return which beats have a P wave, by the inputs of `p_wave_inputs`.

    `weights` are a constant and one for each of the inputs.
    """
    scores = np.empty(len(inputs))
    presence.write_scores(inputs, np.array(weights), scores)
    return scores > 0
