"""The table of handcrafted features, and their values for a record.

Features come in groups: RR intervals, waves, leads together, spectra. The groups are
found, not listed: every module below `ecgstore.features` whose name ends in
``definitions`` has a tuple ``GROUPS``. The columns of a store, `compute`, the command
``ecgstore features`` and the documentation all follow from it, so a new feature takes
one file:

* A feature derived from others, such as a ratio, an index or a criterion, is one more
  `Definition` with a `value`, a function of the others, in the definitions of its
  group: see `ecgstore.features.feature`.
* A feature that must be measured on the signal or its marks is a new group in a file of
  its own, such as ``spectrum/hjorth_definitions.py``: its definitions, the function
  that measures them (`FeatureGroup.measure`), and ``GROUPS = (HJORTH,)``. Its
  `position` is the next free number, and its columns come last.

The groups that exist measure with numba kernels, which write their columns in the order
of the definitions without a `value`.
"""

import functools
import importlib
import pkgutil
from typing import Final

import numpy as np

from ecgstore import features
from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.beats.types import Beats, BeatStatus
from ecgstore.features.feature import Feature, FeatureGroup, Inputs, Values
from ecgstore.record import LEADS


def _find_groups() -> tuple[FeatureGroup, ...]:
    """Return the groups of all modules of definitions, by position."""
    modules = pkgutil.walk_packages(features.__path__, f"{features.__name__}.")
    names = [module.name for module in modules if module.name.endswith("definitions")]
    groups = [group for name in names for group in importlib.import_module(name).GROUPS]
    return tuple(sorted(groups, key=lambda group: group.position))


GROUPS: Final[tuple[FeatureGroup, ...]] = _find_groups()
"""The groups of features, in the order of their columns."""

FEATURES: Final[tuple[Feature, ...]] = tuple(
    feature for group in GROUPS for feature in group.features
)
"""Every feature, in the order of the columns."""

FEATURES_VERSION: Final = 3
"""Rises when features have other values than before, also because of other marks."""


@functools.lru_cache(maxsize=16)
def defined_features(
    duration_s: float, fs: float, leads: tuple[str, ...] = LEADS
) -> tuple[Feature, ...]:
    """Return the features that can be defined in records of a duration.

    They are the columns of a store. The other ones are NaN in every record, whatever
    its signal, such as those that need 20 min, and those of leads that a store has not.
    Features of the record that need several leads, such as the axis, stay.

    Parameters
    ----------
    duration_s : float
        Duration of the longest record in s.
    fs : float
        Sampling rate in Hz.
    leads : tuple of str
        Leads of the records.

    Examples
    --------
    >>> kept = defined_features(10.0, 500.0)
    >>> [feature.name for feature in FEATURES if feature not in kept]
    ['hti', 'tinn_ms']
    >>> len(kept), len(defined_features(10.0, 500.0, ("I", "II")))
    (608, 178)
    """
    columns = defined_columns(duration_s, fs, leads)
    return tuple(FEATURES[column] for column in columns)


@functools.lru_cache(maxsize=16)
def defined_columns(
    duration_s: float, fs: float, leads: tuple[str, ...] = LEADS
) -> IntArray:
    """Return the columns of `defined_features` in the values of `compute`."""
    columns = np.flatnonzero(
        [
            feature.needs.met(duration_s, fs) and feature.lead in ("", *leads)
            for feature in FEATURES
        ]
    )
    columns.flags.writeable = False  # shared by all callers
    return columns


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
        If the sampling rate or the convention is invalid, or a mark lies behind the
        end of the signal.
    """
    if beats.status == BeatStatus.NOT_COMPUTED:
        return np.full(len(FEATURES), np.nan, np.float32)
    signal = np.ascontiguousarray(signal, np.float64)
    inputs, values = Inputs(signal, beats, fs, convention), Values()
    with np.errstate(divide="ignore", invalid="ignore"):  # a ratio may be undefined
        tables = [group.compute(inputs, values).ravel() for group in GROUPS]
    return np.concatenate(tables).astype(np.float32)
