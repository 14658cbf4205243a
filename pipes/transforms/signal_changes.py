"""Augmentations that scale, shift or mask a signal."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import BoolArray, IntArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.transforms.augmentation import (
    Augmentation,
    Draws,
    Range,
    check_positive,
    check_range,
    on_device_of,
    signals_in_mv,
)


@dataclass(frozen=True, kw_only=True)
class Gain(Augmentation):
    """Multiply a record by a random factor, the same for all its leads.

    So the ratios of the leads, and the electrical axis, do not change.

    Parameters
    ----------
    factor : tuple of float
        Range of the factor.
    probability : float
        Probability that a record is changed.
    """

    factor: Range = (0.8, 1.2)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("factor", self.factor, 0)

    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Batch:
        """Multiply the chosen records."""
        signals = signals_in_mv(batch, type(self).__name__)
        is_chosen: BoolArray = chosen.numpy()
        factors = np.where(is_chosen, draws.uniform_array(*self.factor), 1.0)
        signals.mul_(on_device_of(signals, factors)[:, None, None])
        return batch


@dataclass(frozen=True, kw_only=True)
class TimeShift(Augmentation):
    """Shift a record in time, with its marks.

    Samples that leave the window are lost. A record shifted to the right begins with
    zeros; one shifted to the left ends with padding, and `n_real_samples` is adjusted.
    Marks that leave the window become -1, so `r_peaks` can begin with -1. Handcrafted
    features stay those of the whole record.

    Parameters
    ----------
    max_shift_s : float
        Largest shift to either side in s.
    probability : float
        Probability that a record is changed.
    """

    max_shift_s: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("max_shift_s", self.max_shift_s)

    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Batch:
        """Shift signals and marks."""
        signals = signals_in_mv(batch, type(self).__name__)
        is_chosen: BoolArray = chosen.numpy()
        n_samples = signals.shape[-1]
        largest = min(round(self.max_shift_s * batch.fs), n_samples)
        drawn = np.floor(draws.uniform_array(-largest, largest + 1)).astype(np.int64)
        drawn *= is_chosen
        for record, shift in enumerate(drawn.tolist()):
            _shift(signals[record], shift)
        shifts = _on_device(signals, drawn)
        return batch.replace(
            n_real_samples=(batch.n_real_samples + shifts).clamp(0, n_samples),
            r_peaks=_shifted_marks(batch.r_peaks, shifts, n_samples),
            fiducials=_shifted_marks(batch.fiducials, shifts, n_samples),
        )


def _shift(signal: Tensor, shift: int) -> None:
    """Shift a signal in place, to the right if positive, and fill up with zeros."""
    if shift > 0:
        signal[:, shift:] = signal[:, :-shift].clone()
        signal[:, :shift] = 0
    elif shift < 0:
        signal[:, :shift] = signal[:, -shift:].clone()
        signal[:, shift:] = 0


def _shifted_marks(
    marks: Tensor | None, shifts: Tensor, n_samples: int
) -> Tensor | None:
    """Return shifted marks, of shape (n_records, ...); -1 if absent or outside."""
    if marks is None:
        return None
    # Shape (n_records, 1, ...); int64, because the sums may exceed the marks' int16.
    samples = marks + shifts.view(-1, *[1] * (marks.dim() - 1))
    absent = (marks < 0) | (samples < 0) | (samples >= n_samples)
    return samples.masked_fill_(absent, -1).to(marks.dtype)


@dataclass(frozen=True, kw_only=True)
class LeadDropout(Augmentation):
    """Set whole leads to zero, as in recorders with fewer leads; one is always kept.

    The marks of these leads stay.

    Parameters
    ----------
    lead_probability : float
        Probability that a lead of a chosen record is set to zero, independently of the
        others. It is 0.5 in the random lead masking of Oh et al. 2022 (Proc. Mach.
        Learn. Res. 174:338).
    probability : float
        Probability that a record is changed.
    """

    lead_probability: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.lead_probability <= 1:
            raise ValueError(
                f"lead_probability is {self.lead_probability!r}; expected a number "
                "from 0 to 1"
            )

    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Batch:
        """Set the leads to zero."""
        signals = signals_in_mv(batch, type(self).__name__)
        is_chosen: BoolArray = chosen.numpy()
        drawn = draws.uniform_array(0, 1, signals.shape[1:2])
        dropped = (drawn < self.lead_probability) & is_chosen[:, np.newaxis]
        dropped[np.arange(len(drawn)), drawn.argmax(axis=1)] = False
        records, leads = np.nonzero(dropped)
        signals[_on_device(signals, records), _on_device(signals, leads)] = 0
        return batch


@dataclass(frozen=True, kw_only=True)
class TimeMask(Augmentation):
    """Set a segment of all leads to zero, as by a lost connection.

    Marks within the segment stay.

    Parameters
    ----------
    duration_s : tuple of float
        Range of the duration of the segment in s; the default is at most a tenth of a
        record of 10 s.
    probability : float
        Probability that a record is changed.
    """

    duration_s: Range = (0.1, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("duration_s", self.duration_s, 0)

    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Batch:
        """Set the segment to zero."""
        signals = signals_in_mv(batch, type(self).__name__)
        is_chosen: BoolArray = chosen.numpy()
        n_samples = signals.shape[-1]
        durations = np.rint(draws.uniform_array(*self.duration_s) * batch.fs)
        durations = np.minimum(durations, n_samples) * is_chosen
        begins = np.floor(draws.uniform_array() * (n_samples + 1 - durations))
        ends = (begins + durations).astype(np.int64).tolist()
        for record, (begin, end) in enumerate(
            zip(begins.astype(np.int64).tolist(), ends, strict=True)
        ):
            signals[record, :, begin:end] = 0
        return batch


def _on_device(signals: Tensor, values: IntArray) -> Tensor:
    """Return integers on the signals' device, without waiting for it."""
    return torch.from_numpy(values).to(signals.device, non_blocking=True)
