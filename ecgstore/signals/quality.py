"""Signal quality: reject unusable records and measure the quality of the others.

Importing this module is cheap; its kernels are loaded at their first use.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS
from ecgstore.signals.gaps import check_gaps, interpolate_gaps

FLAT_RUN_S: Final = 1.0
"""Minimum duration of a run of equal samples that counts as flat, in s.

Among 667 records of the Challenge 2020 and 100 of LUDB, both cut to 10 s, the longest
run is 0.55 s (the isoelectric line of a smoothed record); almost every PTB-XL record
ends with 0.11 s of its last value.
"""

PLATEAU_S: Final = 0.01
"""Minimum duration of a run at a lead's extreme value that counts as clipped, in s."""

MIN_PLATEAU_SAMPLES: Final = 3
"""Minimum length of such a run in samples, at any sampling rate."""

MIN_PLATEAUS: Final = 3
"""Minimum number of such runs at the same extreme value.

Three clipped beats. None of the 9,204 leads of the records named at `FLAT_RUN_S` has
three such runs; 4 of them have two, and 138 have one, such as a repeated last value. If
R-peaks are cut at 60 % of their height, 97 % of the leads are recognised.
"""

RAIL_MV: Final = 32.767
"""Largest voltage in an int16 file of 1000 counts per mV, the Challenge's format."""


@dataclass(frozen=True, slots=True)
class QualityColumn:
    """Name, unit and definition of a quality column of a store.

    Attributes
    ----------
    name : str
        Name of the column; the attribute of `Quality` that holds it.
    unit : str
        Unit; ``"1"`` for ratios.
    per_lead : bool
        Whether there is one value per lead, or one per record.
    definition : str
        One line on how it is computed.
    """

    name: str
    unit: str
    per_lead: bool
    definition: str


QUALITY_COLUMNS: Final = (
    QualityColumn(
        "flat_fraction",
        "1",
        True,
        "part of the valid samples in runs of equal values of at least 1 s; "
        "1 if the whole lead is constant",
    ),
    QualityColumn(
        "clipped_fraction",
        "1",
        True,
        "part of the valid samples at +-32.767 mV or beyond, or in runs of at least "
        "10 ms and 3 samples at the lead's own largest (smallest) value, if there are "
        "3 such runs",
    ),
    QualityColumn(
        "missing_fraction",
        "1",
        True,
        "part of the samples that the file marks as missing; in a stored record they "
        "are interpolated",
    ),
    QualityColumn(
        "ksqi",
        "1",
        True,
        "kurtosis, 3 for Gaussian noise; above 5 for most clean ECGs",
    ),
    QualityColumn(
        "psqi",
        "1",
        True,
        "power at 5-15 Hz / power at 5-40 Hz; low with muscle noise",
    ),
    QualityColumn(
        "bassqi",
        "1",
        True,
        "1 - power at 0-1 Hz / power at 0-40 Hz, without the offset; low with "
        "baseline wander",
    ),
    QualityColumn(
        "einthoven_residual_mv",
        "mV",
        False,
        "root mean square of III - (II - I); above a few uV if leads are mixed up or "
        "were processed one by one",
    ),
)
"""The columns that `measure` fills."""


@dataclass(frozen=True, eq=False, slots=True)
class Quality:
    """Quality of a record; `QUALITY_COLUMNS` defines the attributes.

    Attributes
    ----------
    flat_fraction, clipped_fraction, missing_fraction : ndarray of shape (12,)
        Ratios from 0 to 1; the first two are NaN for a lead without a valid sample.
    ksqi, psqi, bassqi : ndarray of shape (12,)
        NaN for a constant lead and for one without a valid sample; the last two also
        if the sampling rate is less than 80 Hz.
    einthoven_residual_mv : float
        In mV; NaN if no sample is valid in I, II and III.
    """

    flat_fraction: Float32Array
    clipped_fraction: Float32Array
    missing_fraction: Float32Array
    ksqi: Float32Array
    psqi: Float32Array
    bassqi: Float32Array
    einthoven_residual_mv: float


def check(
    signal: FloatArray,
    fs: float,
    *,
    min_duration_s: float,
    max_gap_s: float,
    reject_flat_leads: bool,
    max_clipped_fraction: float,
    leads: Sequence[str] = LEADS,
) -> None:
    """Raise if a record cannot be used.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Unfiltered voltages in mV, NaN where a sample is missing: the part of the record
        that will be stored (`ecgstore.signals.preprocess.first_seconds`).
    fs : float
        Sampling rate in Hz.
    min_duration_s : float
        Minimum duration in s.
    max_gap_s : float
        Longest run of missing samples that may be interpolated, in s.
    reject_flat_leads : bool
        Whether to reject records with a constant lead.
    max_clipped_fraction : float
        Largest `clipped_fraction` of any lead, 0 to 1.
    leads : sequence of str
        Names of the leads, for errors.

    Raises
    ------
    RecordError
        With the first reason that applies of `TOO_SHORT`, `ALL_SAMPLES_MISSING`,
        `GAP_TOO_LONG`, `FLAT_LEAD` and `CLIPPED`.
    """
    duration_s = signal.shape[1] / fs
    if duration_s < min_duration_s:
        raise RecordError(
            Reason.TOO_SHORT,
            f"the record has {signal.shape[1]} samples ({duration_s:.3g} s); expected "
            f"at least {min_duration_s:.3g} s",
        )
    check_gaps(signal, fs, max_gap_s, leads)
    flat, clipped = _flat_and_clipped(_lead_counts(signal, fs))
    for name, flat_fraction in zip(leads, flat, strict=True):
        if reject_flat_leads and flat_fraction == 1.0:
            raise RecordError(
                Reason.FLAT_LEAD,
                f"lead {name} is constant over all {signal.shape[1]} samples; expected "
                "a varying lead, as records with flat leads are rejected",
            )
    for name, clipped_fraction in zip(leads, clipped, strict=True):
        if clipped_fraction > max_clipped_fraction:
            raise RecordError(
                Reason.CLIPPED,
                f"{100 * clipped_fraction:.3g} % of lead {name} is clipped; expected "
                f"at most {100 * max_clipped_fraction:.3g} %",
            )


def measure(signal: FloatArray, fs: float) -> Quality:
    """Measure the quality of a record.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Unfiltered voltages in mV, NaN where a sample is missing; at least one sample.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    Quality
        A value per lead or per record for each of `QUALITY_COLUMNS`.

    Notes
    -----
    `ksqi`, `psqi` and `bassqi` are the kSQI, pSQI and basSQI of Clifford et al.,
    Physiol. Meas. 33 (2012) 1419, as used by Zhao and Zhang, Front. Physiol. 9 (2018)
    727; kSQI was introduced by Li, Mark and Clifford, Physiol. Meas. 29 (2008) 15.
    basSQI is one minus the ratio, so that 1 means no baseline wander. Deviations: the
    offset of a lead is removed before the spectrum is computed, because it is not
    baseline wander; and the spectrum is one Hann-windowed periodogram of the whole lead
    instead of an average over short segments, which cannot separate 0-1 Hz from the
    offset. Missing samples are left out, except in the spectrum, where they are
    interpolated.
    """
    from ecgstore.signals import _quality_kernels as kernels

    signal = np.ascontiguousarray(signal)
    counts = _lead_counts(signal, fs)
    n_valid, mean = counts[:, kernels.N_VALID], counts[:, kernels.MEAN]
    moments = np.empty((len(signal), kernels.N_MOMENTS))
    kernels.sum_moments(signal, counts, moments)
    squares, fourth_powers = moments.T
    flat_fraction, clipped_fraction = _flat_and_clipped(counts)
    n_samples = signal.shape[1]
    filled = signal
    if n_valid.min() < n_samples:
        filled = interpolate_gaps(signal, max_gap=n_samples)
    psqi, bassqi = _spectral_indices(filled, mean, squares, fs)
    return Quality(
        flat_fraction=flat_fraction.astype(np.float32),
        clipped_fraction=clipped_fraction.astype(np.float32),
        missing_fraction=(1 - n_valid / n_samples).astype(np.float32),
        ksqi=_ratio(n_valid * fourth_powers, squares**2).astype(np.float32),
        psqi=psqi.astype(np.float32),
        bassqi=bassqi.astype(np.float32),
        einthoven_residual_mv=_einthoven_residual(signal),
    )


def _lead_counts(signal: FloatArray, fs: float) -> FloatArray:
    """Return the result of `count_leads`."""
    from ecgstore.signals import _quality_kernels as kernels

    counts = np.empty((len(signal), kernels.N_COUNTS))
    kernels.count_leads(
        np.ascontiguousarray(signal),
        int(np.ceil(FLAT_RUN_S * fs)),
        max(int(np.ceil(PLATEAU_S * fs)), MIN_PLATEAU_SAMPLES),
        MIN_PLATEAUS,
        RAIL_MV,
        counts,
    )
    return counts


def _flat_and_clipped(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the flat and the clipped fraction of each lead."""
    from ecgstore.signals import _quality_kernels as kernels

    n_valid, n_flat, n_clipped = (
        counts[:, column]
        for column in (kernels.N_VALID, kernels.N_FLAT, kernels.N_CLIPPED)
    )
    return _ratio(n_flat, n_valid), _ratio(n_clipped, n_valid)


def _spectral_indices(
    signal: FloatArray, mean: FloatArray, squares: FloatArray, fs: float
) -> tuple[FloatArray, FloatArray]:
    """Return pSQI and basSQI of each lead."""
    n_leads, n_samples = signal.shape
    if fs < 80:  # the bands end at 40 Hz
        return np.full(n_leads, np.nan), np.full(n_leads, np.nan)
    windowed = signal - mean[:, None]
    windowed *= _hann(n_samples)
    spectrum = np.fft.rfft(windowed, axis=1)
    frequency = np.arange(spectrum.shape[1]) * (fs / n_samples)
    edges = np.searchsorted(frequency, [1.0, 5.0, 15.0, 40.0], side="right")
    used = spectrum[:, : edges[3]]
    power = used.real**2 + used.imag**2  # (n_leads, n_frequencies up to 40 Hz)
    to_1, to_5, to_15 = (power[:, :edge].sum(axis=1) for edge in edges[:3])
    to_40 = power.sum(axis=1)
    varies = squares > 0
    psqi = _ratio(np.where(varies, to_15 - to_5, np.nan), to_40 - to_5)
    bassqi = 1 - _ratio(np.where(varies, to_1, np.nan), to_40)
    return psqi, bassqi


def _einthoven_residual(signal: FloatArray) -> float:
    """Return the root mean square of III - (II - I) over the valid samples."""
    lead_i, lead_ii, lead_iii = signal[:3]
    residual = lead_iii - (lead_ii - lead_i)
    residual = residual[~np.isnan(residual)]
    return float(np.sqrt(np.mean(residual**2))) if residual.size else float("nan")


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide; NaN where the denominator is 0."""
    result = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


@functools.lru_cache(maxsize=16)
def _hann(n_samples: int) -> FloatArray:
    """Return the Hann window of a length."""
    window = np.hanning(n_samples)
    window.flags.writeable = False  # shared by all callers
    return window
