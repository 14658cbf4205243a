"""Standardise signals and features by the statistics of the training records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, Self

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import BoolArray, Float32Array, FloatArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.fusing._codes_of_kernels import STANDARDISE
from ecgstore.pipes.fusing.fused import Fused
from ecgstore.pipes.fusing.steps import Fusible, Step, is_fusible
from ecgstore.pipes.transforms.augmentation import (
    clear_missing_leads,
    clear_padding,
    real_samples,
)
from ecgstore.pipes.transforms.statistics import Standardisation
from ecgstore.storage import Selection
from ecgstore.storage.format.schema import PAD_LENGTH, QUALITY
from ecgstore.system.progress import with_progress

_RECORDS_READ_AT_ONCE: Final = 64


@dataclass(frozen=True, kw_only=True)
class Standardise(Standardisation, Fusible):
    """Bring every lead to mean 0 and standard deviation 1: a batch transform.

    Every real sample becomes (x - mean) / sd, with the statistics of the selection
    that it was fitted on; padding and leads that a record lacks stay zero, and do not
    count in the statistics. A lead that is constant over the whole
    selection has sd 0 and is divided by 1 instead: it becomes 0.

    Make it with `fit` or `load`.

    Attributes
    ----------
    mean, sd : tuple of float
        Mean and population standard deviation of each lead, in mV.
    leads : tuple of str
        Names of the leads, in the order of the batches.
    by : {"lead", "all_leads"}
        Whether every lead has its own mean and standard deviation, or all leads have
        those of their samples pooled, which keeps the ratios of their amplitudes.
    fs : float
        Sampling rate of the store in Hz.
    fingerprint, rows_sha256, n_records : str, str, int
        Identity of the training records; see `fitted_on`.
    """

    leads: tuple[str, ...]
    by: Literal["lead", "all_leads"]
    fs: float

    @classmethod
    def fit(
        cls,
        selection: Selection,
        *,
        leads: Sequence[str] | None = None,
        by: Literal["lead", "all_leads"] = "lead",
    ) -> Self:
        """Compute the statistics of the real samples of some records.

        Every record of the selection is read once, and no other record is read. The
        result does not depend on how many are read at a time: the statistics of single
        records are combined in the order of the rows, in double precision.

        Parameters
        ----------
        selection : Selection
            The training records, such as ``store.select(folds=range(8))``.
        leads : sequence of str, optional
            Names of the leads, as in the batches to standardise; all of the store if
            left out.
        by : {"lead", "all_leads"}
            Statistics of every lead, or of the samples of all leads pooled.

        Raises
        ------
        TypeError
            If `selection` is not a `Selection`.
        ValueError
            If it is empty, a lead is unknown or repeated, or `by` is unknown.

        Notes
        -----
        Statistics are combined by the formulas of Chan et al. 1979 (Technical report
        STAN-CS-79-773).
        """
        _check_selection(selection, cls.__name__)
        store = selection.store
        numbers = store.lead_numbers(store.leads if leads is None else leads).tolist()
        chosen = tuple(store.leads[number] for number in numbers)
        if by not in ("lead", "all_leads"):
            raise ValueError(f"by is {by!r}; expected 'lead' or 'all_leads'")
        moments = _Moments(len(chosen))
        for signal, recorded in _real_signals(selection, numbers):
            moments.add_samples(signal, recorded)
        pooled = by == "all_leads"
        mean, variance = moments.pooled() if pooled else moments.per_row()
        return cls(
            mean=tuple(mean.tolist()),
            sd=tuple(np.sqrt(variance).tolist()),
            leads=chosen,
            by=by,
            fs=store.config.fs,
            fingerprint=store.fingerprint,
            rows_sha256=selection.rows_sha256,
            n_records=len(selection),
        )

    def __call__(self, batch: Batch) -> Batch:
        """Standardise a batch; float32 signals are changed in place.

        Parameters
        ----------
        batch : Batch
            Signals in mV, or counts, which are converted first.

        Returns
        -------
        Batch
            The batch with standardised signals, float32.

        Raises
        ------
        ValueError
            If the batch has no signals, or other leads or another sampling rate than
            the training records.
        """
        if is_fusible(self) and (done := Fused(self).by_kernel(batch)) is not None:
            return done
        batch, signals = self._signals(batch)
        signals.sub_(_lead_column(self.mean, signals.device))
        signals.mul_(_lead_column(self._factors(), signals.device))
        _clear(signals, batch)
        return batch

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the same as a step of a kernel."""
        batch, _ = self._signals(batch)
        n_real = real_samples(batch)[:, np.newaxis].astype(np.float64)
        return Step(STANDARDISE, n_real, _constants(self.mean, self._factors())), batch

    def inverse(self, batch: Batch) -> Batch:
        """Convert standardised signals back to mV, in place, up to rounding.

        Raises
        ------
        ValueError
            As for a call of the transform.
        """
        batch, signals = self._signals(batch)
        signals.mul_(_lead_column(self.divisors(), signals.device))
        signals.add_(_lead_column(self.mean, signals.device))
        _clear(signals, batch)
        return batch

    def _factors(self) -> tuple[float, ...]:
        """Return what to multiply with: several times as fast as a division."""
        return tuple(1 / divisor for divisor in self.divisors())

    def _signals(self, batch: Batch) -> tuple[Batch, Tensor]:
        """Return the batch in mV and its signals; refuse other leads and rates."""
        batch = batch.in_mv()
        if batch.signals is None:
            raise ValueError(
                "Standardise got a batch without signals; add 'signals' to the fields "
                "to read"
            )
        n_leads = batch.signals.shape[1]
        if n_leads != len(self.leads):
            raise ValueError(
                f"Standardise got signals of {n_leads} leads; it was fitted on "
                f"{len(self.leads)}: {', '.join(self.leads)}; fit it with the leads= "
                "of the loader"
            )
        if batch.leads != self.leads:
            raise ValueError(
                f"Standardise got the leads {', '.join(batch.leads)}; it was fitted on "
                f"{', '.join(self.leads)}: fit it with the leads= of the loader"
            )
        if batch.fs != self.fs:
            raise ValueError(
                f"Standardise got signals of {batch.fs:g} Hz; it was fitted on signals "
                f"of {self.fs:g} Hz: fit it on the store of the loader"
            )
        return batch, batch.signals


@dataclass(frozen=True, kw_only=True)
class StandardiseFeatures(Standardisation):
    """Bring every handcrafted feature to mean 0 and standard deviation 1.

    A batch transform. Undefined features (NaN) are left out of the statistics and stay
    undefined. A feature that is constant over the whole selection has sd 0 and is
    divided by 1 instead; one that is undefined in the whole selection has mean 0, too,
    and is not changed.

    Attributes
    ----------
    mean, sd : tuple of float
        Mean and population standard deviation of each feature, in its unit.
    features : tuple of str
        Names of the features, in the order of the batches.
    fingerprint, rows_sha256, n_records : str, str, int
        Identity of the training records; see `fitted_on`.
    """

    features: tuple[str, ...]

    @classmethod
    def fit(cls, selection: Selection) -> Self:
        """Compute the statistics of the features of some records.

        Parameters
        ----------
        selection : Selection
            The training records.

        Raises
        ------
        TypeError
            If `selection` is not a `Selection`.
        ValueError
            If it is empty.
        """
        _check_selection(selection, cls.__name__)
        values = selection.store.features(selection.rows).to_numpy(np.float64)
        moments = _Moments(values.shape[1])
        for row in values:
            moments.add(~np.isnan(row), np.nan_to_num(row), np.zeros(len(row)))
        mean, variance = moments.per_row()
        return cls(
            mean=tuple(mean.tolist()),
            sd=tuple(np.sqrt(variance).tolist()),
            features=tuple(selection.store.feature_names),
            fingerprint=selection.store.fingerprint,
            rows_sha256=selection.rows_sha256,
            n_records=len(selection),
        )

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with standardised features.

        Raises
        ------
        ValueError
            If the batch has no features, or another number of them.
        """
        features = self._features(batch)
        mean = _row(self.mean, features.device)
        divisors = _row(self.divisors(), features.device)
        return batch.replace(features=(features - mean).div_(divisors))

    def inverse(self, batch: Batch) -> Batch:
        """Return the batch with features in their units again, up to rounding."""
        features = self._features(batch)
        mean = _row(self.mean, features.device)
        divisors = _row(self.divisors(), features.device)
        return batch.replace(features=(features * divisors).add_(mean))

    def _features(self, batch: Batch) -> Tensor:
        """Return a batch's features, if their number is the fitted one."""
        if batch.features is None:
            raise ValueError(
                "StandardiseFeatures got a batch without features; add 'features' to "
                "the fields to read"
            )
        if batch.features.shape[1] != len(self.features):
            raise ValueError(
                f"StandardiseFeatures got {batch.features.shape[1]} features; it was "
                f"fitted on {len(self.features)}: fit it on the store of the loader"
            )
        return batch.features


class _Moments:
    """Count, mean and sum of squared deviations of the samples of several rows."""

    def __init__(self, n_rows: int) -> None:
        self._counts: FloatArray = np.zeros(n_rows)
        self._means: FloatArray = np.zeros(n_rows)
        self._squares: FloatArray = np.zeros(n_rows)

    def add_samples(self, samples: FloatArray, recorded: BoolArray) -> None:
        """Add samples of shape (n_rows, n), which are overwritten, of some rows."""
        if samples.shape[1] == 0:
            return
        means = samples.mean(axis=1)
        samples -= means[:, np.newaxis]
        squares = np.einsum("ij,ij->i", samples, samples)
        self.add(recorded * samples.shape[1], means, squares)

    def add(self, counts: Any, means: FloatArray, squares: FloatArray) -> None:
        """Add samples given by their counts, means and sums of squared deviations."""
        totals = self._counts + counts
        parts = np.divide(
            counts, totals, out=np.zeros(len(totals)), where=totals > 0, dtype=float
        )
        differences = means - self._means
        self._squares += squares * (counts > 0)
        self._squares += differences**2 * self._counts * parts
        self._means += differences * parts
        self._counts = totals

    def per_row(self) -> tuple[FloatArray, FloatArray]:
        """Return mean and variance of every row; zeros for a row without samples."""
        return self._means, self._squares / np.maximum(self._counts, 1)

    def pooled(self) -> tuple[FloatArray, FloatArray]:
        """Return mean and variance of all rows' samples, repeated for each row."""
        pooled = _Moments(1)
        for row in range(len(self._counts)):
            one = slice(row, row + 1)
            pooled.add(self._counts[one], self._means[one], self._squares[one])
        mean, variance = pooled.per_row()
        n_rows = len(self._counts)
        return np.repeat(mean, n_rows), np.repeat(variance, n_rows)


def _clear(signals: Tensor, batch: Batch) -> None:
    """Set padding and the leads that a record lacks to zero, in place."""
    clear_padding(signals, batch.n_real_samples)
    if batch.missing_leads is not None:
        clear_missing_leads(signals, batch.missing_leads)


def _real_signals(
    selection: Selection, leads: list[int]
) -> Iterator[tuple[FloatArray, BoolArray]]:
    """Yield every record in mV without padding, and which of the leads it has.

    Shapes are (n_leads, n_real_samples) and (n_leads,).
    """
    store, missing = selection.store, selection.store.missing_leads
    every = np.ones(len(leads), np.bool_)
    padding = store.table(f"{QUALITY}/{PAD_LENGTH}")[selection.rows]
    ends = (store.n_samples - padding).tolist()
    blocks = range(0, len(selection), _RECORDS_READ_AT_ONCE)
    for begin in with_progress(blocks, "standardise", len(blocks), unit="blocks"):
        signals = store.signals(selection.rows[begin : begin + _RECORDS_READ_AT_ONCE])
        for number, signal in enumerate(signals, start=begin):
            recorded = (
                every
                if missing is None
                else ~missing[int(selection.rows[number])][leads]
            )
            yield signal[leads, : ends[number]].astype(np.float64), recorded


def _check_selection(selection: Selection, class_name: str) -> None:
    """Raise an error unless it is a selection: a store has the test records, too."""
    if not isinstance(selection, Selection):
        raise TypeError(
            f"{class_name}.fit got {selection!r}; expected a selection of the training "
            "records, such as store.select(folds=range(8))"
        )
    if len(selection) == 0:
        raise ValueError(f"{selection!r} is empty; expected at least one record")


@lru_cache(maxsize=64)
def _constants(mean: tuple[float, ...], factors: tuple[float, ...]) -> Float32Array:
    """Return means, and then factors, for a kernel."""
    return np.array([*mean, *factors], np.float32)


def _lead_column(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return one number per lead on a device, of shape (n_leads, 1)."""
    return _row(values, device)[:, None]


@lru_cache(maxsize=64)
def _row(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return float32 numbers on a device, cached there."""
    return torch.tensor(values, dtype=torch.float32, device=device)
