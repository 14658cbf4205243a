"""Check and preprocess a record by the options of a build.

Builds use these functions, and so does prediction of records outside a store: networks
thus receive the same signals, bit by bit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.config import Config, signal_mb
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS, lead_mask, lead_rows
from ecgstore.signals.preprocess import (
    Preprocessed,
    before_filter,
    cut_or_pad,
    first_seconds,
    preprocess,
    to_int16,
    to_mv,
)
from ecgstore.signals.quality import check
from ecgstore.signals.resampling import lead_in


@dataclass(frozen=True, eq=False, slots=True)
class StoredForm:
    """A signal in the type of a store.

    Attributes
    ----------
    values : ndarray of shape (12, n_samples)
        int16 counts of 1 uV or float32 mV, by the options; zero from `n_real_samples`
        on.
    n_real_samples : int
        Samples per lead that were recorded; the rest is padding.
    saturated : ndarray of shape (12,)
        Fraction of samples outside the range of int16 counts, per lead.
    absent_leads : tuple of str
        Leads that the record lacks or the options leave out: zero in `values`.
    """

    values: NDArray[Any]
    n_real_samples: int
    saturated: Float32Array
    absent_leads: tuple[str, ...] = ()


class Span(NamedTuple):
    """The samples of a record that are read to store a part of it.

    Attributes
    ----------
    first, end : int
        The samples that are read.
    begin : int
        The first one that is stored; those before it are filtered, too.
    """

    first: int
    begin: int
    end: int

    @property
    def n_before(self) -> int:
        """Samples that are read and precede those that are stored."""
        return self.begin - self.first


def span_to_store(begin: int, n_samples: int, fs: float, config: Config) -> Span:
    """Return the samples that are read to store a record from one of its samples on.

    Parameters
    ----------
    begin : int
        The first sample to store.
    n_samples : int
        Samples per lead of the whole record.
    fs : float
        Sampling rate in Hz.
    config : Config
        Options of the build.

    Raises
    ------
    RecordError
        As `samples_to_store`.

    Examples
    --------
    >>> span_to_store(5000, 100_000, 500.0, Config(duration_s=10.0, margin_s=3.0))
    Span(first=3500, begin=5000, end=11500)
    """
    n_needed = samples_to_store(n_samples - begin, fs, config)
    n_before = lead_in(begin, fs, config.fs, config.margin_s)
    return Span(begin - n_before, begin, begin + n_needed)


def samples_to_store(n_samples: int, fs: float, config: Config) -> int:
    """Return how many samples of a record, from its beginning, are needed to store it.

    Parameters
    ----------
    n_samples : int
        Samples per lead of the whole record.
    fs : float
        Sampling rate in Hz.
    config : Config
        Options of the build.

    Raises
    ------
    RecordError
        With `Reason.TOO_LARGE`, if their signal, or the resampled one, takes more
        memory than the options allow.

    Examples
    --------
    >>> samples_to_store(100_000, 500.0, Config(duration_s=10.0, margin_s=3.0))
    6500
    """
    n_needed = min(n_samples, math.ceil((config.duration_s + config.margin_s) * fs))
    needed_mb = signal_mb(n_needed * max(1.0, config.fs / fs))
    if needed_mb > config.max_record_mb:
        raise RecordError(
            Reason.TOO_LARGE,
            f"{n_needed / fs:.0f} s at {fs:g} Hz, to be stored at {config.fs:g} Hz, "
            f"take {needed_mb:.0f} MB; expected at most {config.max_record_mb:g} MB, "
            "the option max_record_mb",
        )
    return n_needed


def leads_to_leave_out(
    signal: FloatArray, fs: float, config: Config
) -> tuple[str, ...]:
    """Return the leads without a valid sample, if the options allow to lack leads.

    Of the leads of the options; the others are of no interest.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV, NaN where a sample is missing.
    fs : float
        Sampling rate in Hz.
    config : Config
        Options of the build.

    Returns
    -------
    tuple of str
        In the order of `LEADS`; empty if no lead has a valid sample, so that the record
        cannot be stored.
    """
    if not config.allow_missing_leads:
        return ()
    window = first_seconds(signal, fs, config.duration_s)
    is_missing = np.isnan(window[lead_rows(config.leads)]).all(axis=1)
    if is_missing.all():
        return ()
    return tuple(config.leads[place] for place in np.flatnonzero(is_missing))


def absent_leads(config: Config, missing_leads: Sequence[str]) -> tuple[str, ...]:
    """Return the leads that a record lacks or the options leave out.

    Examples
    --------
    >>> absent_leads(Config(leads=["I", "II", "V2"]), ["V2"])[:3]
    ('III', 'aVR', 'aVL')
    """
    kept = {*config.leads}.difference(missing_leads)
    return tuple(lead for lead in LEADS if lead not in kept)


def check_usable(
    signal: FloatArray,
    fs: float,
    config: Config,
    missing_leads: Sequence[str] = (),
) -> None:
    """Raise if a record cannot be stored.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV, NaN where a sample is missing.
    fs : float
        Sampling rate in Hz.
    config : Config
        Options of the build.
    missing_leads : sequence of str
        Leads that the record lacks, which are not checked, nor are those that the
        options leave out.

    Raises
    ------
    RecordError
        See `ecgstore.signals.quality.check`.
    """
    names: Sequence[str] = LEADS
    absent = absent_leads(config, missing_leads)
    if absent:
        names = [lead for lead in LEADS if lead not in absent]
        signal = signal[~lead_mask(absent)]
    check(
        first_seconds(signal, fs, config.duration_s),
        fs,
        leads=names,
        min_duration_s=config.min_duration_s,
        max_gap_s=config.max_gap_s,
        reject_flat_leads=config.reject_flat_leads,
        max_clipped_fraction=config.max_clipped_fraction,
    )


def stored_form(
    signal: FloatArray,
    fs: float,
    config: Config,
    *,
    bandpass: bool = True,
    missing_leads: tuple[str, ...] = (),
    n_before: int = 0,
) -> StoredForm:
    """Preprocess a signal and convert it to the type of the store.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV, NaN where a sample is missing. Samples after the duration and
        the margin of `config` are ignored.
    fs : float
        Sampling rate in Hz.
    config : Config
        Options of the build.
    bandpass : bool
        False to skip the filter, for a signal that was filtered before.
    missing_leads : tuple of str
        Leads that the record lacks: their samples become zero, and so do those of leads
        that the options leave out.
    n_before : int
        Samples at the beginning of `signal` that precede what is stored; see `Span`.

    Raises
    ------
    RecordError
        If a gap is too long; never for a record that `check_usable` accepts.
    """
    timing = {
        "fs_out": config.fs,
        "duration_s": config.duration_s,
        "margin_s": config.margin_s,
        "max_gap_s": config.max_gap_s,
    }
    absent = absent_leads(config, missing_leads)
    if absent:
        signal = signal.copy()
        signal[lead_mask(absent)] = 0.0  # remains zero in all steps
    if bandpass:
        prepared = preprocess(
            signal,
            fs,
            low_hz=config.low_hz,
            high_hz=config.high_hz,
            order=config.filter_order,
            n_before=n_before,
            **timing,
        )
    else:
        resampled, n_to_cut = before_filter(signal, fs, n_before=n_before, **timing)
        prepared = Preprocessed(*cut_or_pad(resampled[:, n_to_cut:], config.n_samples))
    if config.dtype == "float32":
        none_saturated = np.zeros(len(signal), np.float32)
        values: NDArray[Any] = prepared.signal.astype(np.float32)
        return StoredForm(values, prepared.n_real_samples, none_saturated, absent)
    counts, saturated = to_int16(prepared.signal)
    return StoredForm(counts, prepared.n_real_samples, saturated, absent)


def stored_mv(values: NDArray[Any]) -> Float32Array:
    """Return stored values as voltages in mV, float32.

    Examples
    --------
    >>> stored_mv(np.array([-1000, 2], np.int16))
    array([-1.   ,  0.002], dtype=float32)
    """
    return to_mv(values) if values.dtype == np.int16 else values
