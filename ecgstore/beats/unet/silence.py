"""Find the spans in which a lead is silent while others show a heart beating.

Printed ECGs that were digitised hold each lead for 2.5 s only, and electrodes come off.
A silent lead would vote against every beat of the others.
"""

from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array
from ecgstore.beats.unet import _silence_kernels as kernels
from ecgstore.beats.unet._network_kernels import STEP

LAG: Final = 8
"""The bend at a time is the second difference over this many samples: 32 ms at 250 Hz.

A band-pass filter turns the constant of a silent span into a slow wave: its range is
large, its bends are not.
"""

FLAT: Final = 0.006
"""Largest bend of a flat span, as a fraction of the usual range of the leads.

It is not 0, because signals may be rounded to 1 uV.
"""

SHORTEST: Final = 22
"""Least length of a silent span in spans of `STEP` samples: 1.4 s.

Measured on the 667 Challenge records of 10 s, filtered by default: no lead is that flat
for more than 0.9 s.
"""

ACTIVE: Final = 0.1
"""Least bend of a QRS complex, as a fraction of the usual range of the leads."""

GUARD: Final = 4
"""Spans of `STEP` samples before and behind a silent one that are left out too: 256 ms.

They hold the step between signal and silence, and what the filter makes of it.
"""

WINDOW: Final = 250
USUAL: Final = 0.8
"""The usual range is this quantile of the ranges of windows of 1 s of all leads: in a
printed ECG with a strip of one lead, every fourth window of a lead holds a signal."""


def silent_spans(x: Float32Array) -> BoolArray:
    """Return in which spans each lead is silent.

    Silence of all leads together, such as a pause of the heart, does not count.

    Parameters
    ----------
    x : ndarray of shape (n_leads, n_samples)
        Voltages in any unit, at 250 Hz.

    Returns
    -------
    ndarray of shape (n_leads, ceil(n_samples / STEP))
        Whether the lead is silent, in spans of `STEP` samples.
    """
    n_leads, n_samples = x.shape
    n_spans = -(-n_samples // STEP)
    silent = np.zeros((n_leads, n_spans), np.bool_)
    if n_leads < 2 or n_spans < SHORTEST:
        return silent
    bends = np.empty((n_leads, n_spans), np.float32)
    kernels.write_bends(x, LAG, STEP, bends)
    ranges = np.empty((n_leads, n_samples // WINDOW), np.float32)
    kernels.write_ranges(x, WINDOW, ranges)
    usual = np.quantile(ranges, USUAL)
    flat = bends <= FLAT * usual
    active = (bends >= ACTIVE * usual).any(axis=0)
    for lead in np.flatnonzero(flat.sum(axis=1) >= SHORTEST):
        edges = np.flatnonzero(np.diff(flat[lead], prepend=False, append=False))
        for begin, end in edges.reshape(-1, 2):
            # Activity at the ends may be the steps of leads that change together.
            inner = active[begin + GUARD : end - GUARD]
            if end - begin >= SHORTEST and inner.any():
                silent[lead, max(begin - GUARD, 0) : end + GUARD] = True
    return silent
