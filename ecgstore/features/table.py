"""The table of handcrafted features: what there is, what it means, what computes it.

This is the only list of features. A new group of them is one more entry of `GROUPS`:
the columns, `compute` and the page all loop over it.
"""

from typing import Final

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.beats.types import Beats, BeatStatus
from ecgstore.features.feature import Feature, FeatureGroup, Inputs
from ecgstore.features.leads.definitions import VECTORS
from ecgstore.features.rr.definitions import RR
from ecgstore.features.spectrum.definitions import F_WAVES, SPECTRUM
from ecgstore.features.waves.compute import wave_features
from ecgstore.features.waves.definitions import WAVES

GROUPS: Final[tuple[FeatureGroup, ...]] = (RR, WAVES, VECTORS, SPECTRUM, F_WAVES)
"""The groups of features, in the order of their columns."""

RR_FEATURES: Final[tuple[Feature, ...]] = RR.features
"""Features of the RR intervals, in the order of `rr_features`."""

FEATURES: Final[tuple[Feature, ...]] = tuple(
    each for group in GROUPS for each in group.features
)
"""Every feature, in the order of the columns."""


def compute(
    signal: FloatArray, beats: Beats, fs: float, convention: str = "neurokit"
) -> Float32Array:
    """Compute all features of a record.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV, the signal in which `beats` were found.
    beats : Beats
        The record's beats and their marks.
    fs : float
        Sampling rate in Hz.
    convention : {"neurokit", "mietus", "prototype"}
        Divisors of the RR features, see `ecgstore.features.rr.compute.CONVENTIONS`.

    Returns
    -------
    ndarray of shape (n_features,)
        The values of `FEATURES`, float32; NaN where undefined. A record without beats
        has counts of 0 and spectra, and NaN for the rest; one whose beats were not
        computed has NaN throughout.

    Raises
    ------
    ValueError
        If the sampling rate or the convention is unknown, or a mark lies behind the
        end of the signal.
    """
    if beats.status == BeatStatus.NOT_COMPUTED:
        return np.full(len(FEATURES), np.nan, np.float32)
    signal = np.ascontiguousarray(signal, np.float64)
    waves = wave_features(signal, beats, fs)
    inputs = Inputs(signal, beats, fs, convention, waves)
    values = [group.call(inputs).ravel() for group in GROUPS]
    return np.concatenate(values).astype(np.float32)
