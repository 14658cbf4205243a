"""Augmentations that scale, shift or mask a signal."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.fusing import _codes_of_kernels as codes
from ecgstore.pipes.fusing.steps import Fusible, Step
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
class Gain(Augmentation, Fusible):
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
        factors = self._factors(chosen.numpy(), draws)
        signals.mul_(on_device_of(signals, factors)[:, None, None])
        return batch

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the same as a step of a kernel."""
        chosen, draws = self.drawn(batch)
        factors = self._factors(chosen, draws)
        return Step(codes.GAIN, factors[:, np.newaxis]), batch

    def _factors(self, chosen: BoolArray, draws: Draws) -> FloatArray:
        """Draw the factor of every record, 1 for those that are not chosen."""
        return np.where(chosen, draws.uniform_array(*self.factor), 1.0)


@dataclass(frozen=True, kw_only=True)
class TimeShift(Augmentation, Fusible):
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
        shifts = self._shifts(batch, chosen.numpy(), draws)
        for record, shift in enumerate(shifts.tolist()):
            _shift(signals[record], shift)
        return _with_shifted_marks(batch, shifts)

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the same as a step of a kernel."""
        shifts = self._shifts(batch, *self.drawn(batch))
        step = Step(codes.SHIFT, shifts[:, np.newaxis].astype(np.float64))
        return replace(step, n_scratch=1), _with_shifted_marks(batch, shifts)

    def _shifts(self, batch: Batch, chosen: BoolArray, draws: Draws) -> IntArray:
        """Draw the shift of every record in samples, 0 if it is not chosen."""
        n_samples = signals_in_mv(batch, type(self).__name__).shape[-1]
        largest = min(round(self.max_shift_s * batch.fs), n_samples)
        drawn = np.floor(draws.uniform_array(-largest, largest + 1)).astype(np.int64)
        shifts: IntArray = drawn * chosen
        return shifts


def _shift(signal: Tensor, shift: int) -> None:
    """Shift a signal in place, to the right if positive, and fill up with zeros."""
    if shift > 0:
        signal[:, shift:] = signal[:, :-shift].clone()
        signal[:, :shift] = 0
    elif shift < 0:
        signal[:, :shift] = signal[:, -shift:].clone()
        signal[:, shift:] = 0


def _with_shifted_marks(batch: Batch, shifts: IntArray) -> Batch:
    """Return a batch with everything shifted but the signals."""
    assert batch.signals is not None
    n_samples = batch.signals.shape[-1]
    by = _on_device(batch.rows, shifts)
    return batch.replace(
        n_real_samples=(batch.n_real_samples + by).clamp(0, n_samples),
        r_peaks=_shifted_marks(batch.r_peaks, by, n_samples),
        fiducials=_shifted_marks(batch.fiducials, by, n_samples),
    )


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
class LeadDropout(Augmentation, Fusible):
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
        records, leads = np.nonzero(self._dropped(batch, chosen.numpy(), draws))
        signals[_on_device(signals, records), _on_device(signals, leads)] = 0
        return batch

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the same as a step of a kernel."""
        dropped = self._dropped(batch, *self.drawn(batch))
        return Step(codes.DROP_LEADS, dropped.astype(np.float64)), batch

    def _dropped(self, batch: Batch, chosen: BoolArray, draws: Draws) -> BoolArray:
        """Draw which leads to drop, of shape (n_records, n_leads)."""
        n_leads = signals_in_mv(batch, type(self).__name__).shape[1]
        drawn = draws.uniform_array(0, 1, (n_leads,))
        dropped: BoolArray = (drawn < self.lead_probability) & chosen[:, np.newaxis]
        dropped[np.arange(len(drawn)), drawn.argmax(axis=1)] = False
        return dropped


@dataclass(frozen=True, kw_only=True)
class TimeMask(Augmentation, Fusible):
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
        segments = self._segments(batch, chosen.numpy(), draws).astype(np.int64)
        for record, (begin, end) in enumerate(segments.tolist()):
            signals[record, :, begin:end] = 0
        return batch

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the same as a step of a kernel."""
        segments = self._segments(batch, *self.drawn(batch))
        return Step(codes.MASK, segments), batch

    def _segments(self, batch: Batch, chosen: BoolArray, draws: Draws) -> FloatArray:
        """Draw begin and end of every record's segment in samples, (n_records, 2)."""
        n_samples = signals_in_mv(batch, type(self).__name__).shape[-1]
        durations = np.rint(draws.uniform_array(*self.duration_s) * batch.fs)
        durations = np.minimum(durations, n_samples) * chosen
        begins = np.floor(draws.uniform_array() * (n_samples + 1 - durations))
        return np.stack([begins, begins + durations], axis=1)


def _on_device(signals: Tensor, values: IntArray) -> Tensor:
    """Return integers on the signals' device, without waiting for it."""
    return torch.from_numpy(values).to(signals.device, non_blocking=True)
