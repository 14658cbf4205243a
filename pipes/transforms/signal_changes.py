"""Augmentations that scale, move or blank a signal."""

from dataclasses import dataclass, replace

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
    """Multiply a record by a number, the same for all its leads.

    The leads' ratios, and so the electrical axis, stay as they are.

    Parameters
    ----------
    factor : tuple of float
        Range of the number.
    probability : float
        Part of the records that are changed.
    """

    factor: Range = (0.8, 1.2)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("factor", self.factor, 0)

    def apply(self, batch: Batch, chosen: BoolArray, draws: Draws) -> Batch:
        """Multiply."""
        signals = signals_in_mv(batch, type(self).__name__)
        factors = np.where(chosen, draws.uniform(*self.factor), 1.0)
        signals.mul_(on_device_of(signals, factors)[:, None, None])
        return batch


@dataclass(frozen=True, kw_only=True)
class TimeShift(Augmentation):
    """Move a record in time, with its marks.

    What moves out of the window is lost. Moved to the right, a record begins with
    zeros; moved to the left, it ends with padding, and `n_real_samples` follows.
    Marks that leave the window become -1, so `r_peaks` can begin with -1.
    Handcrafted features stay those of the whole record.

    Parameters
    ----------
    max_shift_s : float
        The furthest move to either side in s.
    probability : float
        Part of the records that are changed.
    """

    max_shift_s: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("max_shift_s", self.max_shift_s)

    def apply(self, batch: Batch, chosen: BoolArray, draws: Draws) -> Batch:
        """Move signals and marks."""
        signals = signals_in_mv(batch, type(self).__name__)
        n_samples = signals.shape[-1]
        furthest = min(round(self.max_shift_s * batch.fs), n_samples)
        shifts = np.floor(draws.uniform(-furthest, furthest + 1)).astype(np.int64)
        shifts *= chosen
        for record, shift in enumerate(shifts.tolist()):
            _move(signals[record], shift)
        moved = _on_device(signals, shifts)
        return replace(
            batch,
            n_real_samples=(batch.n_real_samples + moved).clamp(0, n_samples),
            r_peaks=_moved_marks(batch.r_peaks, moved, n_samples),
            fiducials=_moved_marks(batch.fiducials, moved, n_samples),
        )


def _move(signal: Tensor, shift: int) -> None:
    """Move a signal to the right in place, zeros coming in; to the left below 0."""
    if shift > 0:
        signal[:, shift:] = signal[:, :-shift].clone()
        signal[:, :shift] = 0
    elif shift < 0:
        signal[:, :shift] = signal[:, -shift:].clone()
        signal[:, shift:] = 0


def _moved_marks(marks: Tensor | None, moved: Tensor, n_samples: int) -> Tensor | None:
    """Return marks of shape (n_records, ...) moved, -1 where absent or outside."""
    if marks is None:
        return None
    # (n_records, 1, ...); wider than the marks' type, which the sums could exceed
    places = marks + moved.view(-1, *[1] * (marks.dim() - 1))
    absent = (marks < 0) | (places < 0) | (places >= n_samples)
    return places.masked_fill_(absent, -1).to(marks.dtype)


@dataclass(frozen=True, kw_only=True)
class LeadDropout(Augmentation):
    """Set whole leads to zero, as of recorders with fewer leads; one always stays.

    Marks of a lead that is gone stay.

    Parameters
    ----------
    lead_probability : float
        Part of the leads that go, each by itself. Half of them go in the random lead
        masking of Oh et al. 2022 (Proc. Mach. Learn. Res. 174:338).
    probability : float
        Part of the records that are changed.
    """

    lead_probability: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.lead_probability <= 1:
            raise ValueError(
                f"lead_probability is {self.lead_probability!r}; expected a number "
                "from 0 to 1"
            )

    def apply(self, batch: Batch, chosen: BoolArray, draws: Draws) -> Batch:
        """Set the leads to zero."""
        signals = signals_in_mv(batch, type(self).__name__)
        drawn = draws.uniform(0, 1, signals.shape[1:2])
        dropped = (drawn < self.lead_probability) & chosen[:, np.newaxis]
        dropped[np.arange(len(drawn)), drawn.argmax(axis=1)] = False
        records, leads = np.nonzero(dropped)
        signals[_on_device(signals, records), _on_device(signals, leads)] = 0
        return batch


@dataclass(frozen=True, kw_only=True)
class TimeMask(Augmentation):
    """Set a stretch of all leads to zero, as of a lost connection.

    Marks within it stay.

    Parameters
    ----------
    duration_s : tuple of float
        Range of the stretch's duration in s; up to a tenth of 10 s.
    probability : float
        Part of the records that are changed.
    """

    duration_s: Range = (0.1, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("duration_s", self.duration_s, 0)

    def apply(self, batch: Batch, chosen: BoolArray, draws: Draws) -> Batch:
        """Set the stretch to zero."""
        signals = signals_in_mv(batch, type(self).__name__)
        n_samples = signals.shape[-1]
        durations = np.rint(draws.uniform(*self.duration_s) * batch.fs)
        durations = np.minimum(durations, n_samples) * chosen
        begins = np.floor(draws.uniform() * (n_samples + 1 - durations))
        ends = (begins + durations).astype(np.int64).tolist()
        for record, (begin, end) in enumerate(
            zip(begins.astype(np.int64).tolist(), ends, strict=True)
        ):
            signals[record, :, begin:end] = 0
        return batch


def _on_device(signals: Tensor, values: IntArray) -> Tensor:
    """Return whole numbers beside the signals, without waiting for the device."""
    return torch.from_numpy(values).to(signals.device, non_blocking=True)
