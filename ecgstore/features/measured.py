"""Beats and features of one signal: of a record of a build, or of an array."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import Float32Array, FloatArray, unmasked
from ecgstore.beats import Beats, BeatStatus, find_beats
from ecgstore.chosen_leads import lead_names
from ecgstore.config import Config
from ecgstore.errors import ConfigError
from ecgstore.features.feature import Feature
from ecgstore.features.table import compute, defined_columns, defined_features
from ecgstore.record import LEADS, lead_rows, without_leads
from ecgstore.signals.stored_form import (
    StoredForm,
    check_usable,
    leads_to_leave_out,
    stored_form,
    stored_mv,
)

if TYPE_CHECKING:
    import pandas as pd

MV_PER_UNIT: Final[Mapping[str, float]] = {"mV": 1.0, "uV": 1e-3, "V": 1e3}
"""Units of the voltages of an array."""


class Measured(Mapping[str, float]):
    """The features of one signal by name, and the beats they were measured on.

    It is a mapping: ``measured["qrs_duration_ms"]``, ``dict(measured)``.

    Attributes
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV in the order of `leads`, float32, after preprocessing: what the
        beats and features were computed from, and what a store holds.
    leads : tuple of str
        Names of the leads of the options, in standard order.
    fs : float
        Sampling rate of `signal` in Hz.
    beats : Beats
        The beats and their marks, as sample indices of `signal`.
    features : tuple of Feature
        Definition of each feature, with unit, formula and source.
    row : ndarray of shape (n_features,)
        Values of `features`, float32, NaN where undefined.
    """

    def __init__(
        self,
        signal: Float32Array,
        leads: tuple[str, ...],
        fs: float,
        beats: Beats,
        features: tuple[Feature, ...],
        row: Float32Array,
    ) -> None:
        self.signal = signal
        self.leads = leads
        self.fs = fs
        self.beats = beats
        self.features = features
        self.row = row

    @cached_property  # a build reads `row` alone
    def _place(self) -> dict[str, int]:
        """Return the index of every feature in `row`, by name."""
        return {feature.name: at for at, feature in enumerate(self.features)}

    def __getitem__(self, name: str) -> float:
        return self.row.item(self._place[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self.features)

    def __repr__(self) -> str:
        seconds = self.signal.shape[1] / self.fs
        return (
            f"<ecgstore.Measured: {len(self)} features of {seconds:g} s at "
            f"{self.fs:g} Hz, {len(self.beats.r_peaks)} beats>"
        )

    @property
    def units(self) -> dict[str, str]:
        """The unit of every feature, ``"1"`` for counts, flags and ratios."""
        return {feature.name: feature.unit for feature in self.features}

    def to_series(self) -> "pd.Series[float]":
        """Return the features as a series, indexed by name, as a row of a store."""
        import pandas as pd

        return pd.Series(self.row, index=list(self._place))


def features_of(
    signal: ArrayLike,
    fs: float,
    *,
    leads: Iterable[str] | None = None,
    unit: str = "mV",
    filter: bool = True,  # noqa: A002  # the word that users look for
    config: Config | None = None,
) -> Measured:
    """Find the beats of a signal and measure its features, as a build does.

    The signal is checked and preprocessed first: gaps are filled, it is resampled to
    500 Hz, band-pass filtered, cut after 10 s and rounded to 1 uV. So the features are
    bit for bit those that a build stores for a record with this signal, and they suit
    models that were trained on a store.

    Parameters
    ----------
    signal : array_like of shape (n_leads, n_samples)
        Voltages; NaN or masked where a sample is missing.
    fs : float
        Sampling rate in Hz.
    leads : iterable of str, optional
        Names of the rows of `signal`, in any order; all twelve if left out. Features
        are those of a store of these leads.
    unit : {"mV", "uV", "V"}
        Unit of the voltages.
    filter : bool
        False for a signal that was band-pass filtered before. Most features change if
        a raw signal is not filtered.
    config : Config, optional
        Options of a build, such as ``store.config``, or ``Config(duration_s=60)`` for
        a minute instead of 10 s. Features are those of its leads then, which the signal
        must have; others are not used.

    Returns
    -------
    Measured
        The features by name; beats, marks and units.

    Raises
    ------
    ValueError
        If the signal has another shape, or the sampling rate is not positive.
    ConfigError
        If a lead of `config` is missing, a lead is unknown, or the unit is unknown.
    RecordError
        If a build would leave the record out, with the reason.

    Examples
    --------
    >>> from ecgstore.sample import sample_folder
    >>> from ecgstore.sources import read_record
    >>> record = read_record(sample_folder() / "ptb-xl" / "g1" / "HR00001.hea")
    >>> measured = features_of(record.signal, record.fs)
    >>> measured
    <ecgstore.Measured: 608 features of 10 s at 500 Hz, 11 beats>
    >>> measured.units["qrs_duration_ms"]
    'ms'
    """
    names = LEADS if leads is None else lead_names(leads)
    config = Config(leads=names) if config is None else config
    voltages = voltages_in_order(signal, fs, names, unit, config)
    missing = leads_to_leave_out(voltages, fs, config)
    check_usable(voltages, fs, config, missing)
    form = stored_form(voltages, fs, config, bandpass=filter, missing_leads=missing)
    return measure(form, config)


def measure(form: StoredForm, config: Config) -> Measured:
    """Return beats and features of a preprocessed signal, as a store holds them.

    They are computed from the stored values, after rounding, so that they can be
    computed again from a store alone. Leads that the record lacks or the options leave
    out have no marks, and their features are NaN.

    Parameters
    ----------
    form : StoredForm
        The signal.
    config : Config
        Options of the build.
    """
    stored = stored_mv(form.values)[:, : form.n_real_samples]
    signal = without_leads(stored, form.absent_leads)
    beats = _beats(signal, config)
    row = compute(signal, beats, config.fs, config.rr_convention)
    features = defined_features(config.duration_s, config.fs, config.leads)
    columns = defined_columns(config.duration_s, config.fs, config.leads)
    if config.leads != LEADS:
        rows = lead_rows(config.leads)
        stored = stored[rows]
        beats = replace(beats, fiducials=beats.fiducials[rows])
    return Measured(stored, config.leads, config.fs, beats, features, row[columns])


def _beats(signal: FloatArray, config: Config) -> Beats:
    """Return the beats of a signal; none if the options skip them."""
    if config.beats == "none":
        return Beats.none(BeatStatus.NOT_COMPUTED)
    return find_beats(
        signal, config.fs, max_beats=config.max_beats, engine=config.beats
    )


def voltages_in_order(
    signal: ArrayLike, fs: float, names: Sequence[str], unit: str, config: Config
) -> FloatArray:
    """Return voltages in mV in the order of `LEADS`; NaN in leads not given or used."""
    missing = [lead for lead in config.leads if lead not in names]
    if missing and not config.allow_missing_leads:
        raise ConfigError(
            f"leads lack {', '.join(missing)}; expected those of the options, "
            f"{', '.join(config.leads)}: Config(leads=...) names others"
        )
    if unit not in MV_PER_UNIT:
        raise ConfigError(f"unit is {unit!r}; expected one of {', '.join(MV_PER_UNIT)}")
    if not 0 < fs < np.inf:
        raise ValueError(f"fs is {fs!r}; expected a sampling rate in Hz")
    values = unmasked(signal).astype(np.float64, copy=False)
    if values.ndim != 2 or len(values) != len(names):
        raise ValueError(
            f"signal is of shape {values.shape}; expected ({len(names)}, n_samples): a "
            f"row for each lead of {', '.join(names)}"
        )
    voltages = np.full((len(LEADS), values.shape[1]), np.nan)
    for name, lead in zip(names, values, strict=True):
        if name in config.leads:
            voltages[LEADS.index(name)] = lead * MV_PER_UNIT[unit]
    return voltages
