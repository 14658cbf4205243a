"""The augmentation that adds baseline wander."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.fusing._codes_of_kernels import N_SINUSOIDS, WANDER
from ecgstore.pipes.fusing.steps import Fusible, Step
from ecgstore.pipes.transforms.augmentation import (
    Augmentation,
    Draws,
    Range,
    add_noise,
    check_range,
    noise_numbers,
    on_device_of,
    signals_in_mv,
)

_STEPS_PER_PERIOD: Final = 31
"""Points computed per period, at least; linear interpolation is at most 0.52 % off. By
default there are 32 samples between two at 500 Hz: whole vectors of a processor."""


@dataclass(frozen=True, kw_only=True)
class BaselineWander(Augmentation, Fusible):
    """Add baseline wander, as of breathing and moving electrodes.

    The wander is a sum of three sinusoids. Their frequencies and relative amplitudes
    are drawn per record, the total amplitude and the phases per lead.

    Parameters
    ----------
    amplitude_mv : tuple of float
        Range of the total amplitude of a lead in mV. Friesen et al. 1990 (IEEE Trans.
        Biomed. Eng. 37:85) take 15 % of the peak-to-peak voltage.
    frequency_hz : tuple of float
        Range of the frequencies in Hz.
    probability : float
        Probability that a record is changed.

    Notes
    -----
    The default band-pass filter of a store, above 0.5 Hz, has removed such waves from
    every record: adding them prepares a model for signals that were filtered less.
    """

    amplitude_mv: Range = (0.05, 0.3)
    frequency_hz: Range = (0.05, 0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("amplitude_mv", self.amplitude_mv, 0)
        check_range("frequency_hz", self.frequency_hz, 0)

    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Batch:
        """Add the wander."""
        signals = signals_in_mv(batch, type(self).__name__)
        step = self._step(batch)
        hz, weights = self._waves(batch, chosen.numpy(), draws)
        n_samples = signals.shape[-1]
        seconds = np.arange(n_samples // step + 2) * step / batch.fs
        angles = 2 * np.pi * hz[..., np.newaxis] * seconds
        points = torch.zeros(*signals.shape[:2], len(seconds), device=signals.device)
        for basis, of_basis in (
            (np.sin(angles), weights[..., 0]),
            (np.cos(angles), weights[..., 1]),
        ):
            waves = on_device_of(signals, basis)[:, None]
            factors = on_device_of(signals, of_basis)[..., None]
            for number in range(N_SINUSOIDS):
                points.add_(waves[:, :, number] * factors[:, :, number])
        # Linear interpolation, of shape (n_records, n_leads, n_points - 1, step).
        lines = points.diff(dim=-1)[..., None] * _ramp(step, signals.device)
        lines.add_(points[..., :-1, None])
        return add_noise(batch, signals, lines.flatten(-2)[..., :n_samples])

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the same as a step of a kernel."""
        chosen, draws = self.drawn(batch)
        step = self._step(batch)
        hz, weights = self._waves(batch, chosen, draws)
        turns = 2 * np.pi * hz * step / batch.fs
        # First the weights of all sines, then those of all cosines of a lead.
        numbers = noise_numbers(batch, chosen, turns, weights.swapaxes(-1, -2))
        n_scratch = 2 * N_SINUSOIDS + 1
        return Step(WANDER, numbers, size=step, n_scratch=n_scratch), batch

    def _step(self, batch: Batch) -> int:
        """Return the number of samples from one computed point to the next.

        Raises
        ------
        ValueError
            If a frequency is too high for the sampling rate.
        """
        fastest = batch.fs / _STEPS_PER_PERIOD
        check_range("frequency_hz", self.frequency_hz, 0, fastest)
        n_samples = signals_in_mv(batch, type(self).__name__).shape[-1]
        return int(fastest / max(self.frequency_hz[1], fastest / n_samples))

    def _waves(
        self, batch: Batch, chosen: BoolArray, draws: Draws
    ) -> tuple[FloatArray, FloatArray]:
        """Draw frequencies, (n_records, n_sinusoids), and weights of sine and cosine.

        The weights are of shape (n_records, n_leads, n_sinusoids, 2), in mV, and zero
        for records that are not chosen.
        """
        n_leads = signals_in_mv(batch, type(self).__name__).shape[1]
        hz = draws.uniform_array(*self.frequency_hz, (N_SINUSOIDS,))
        shares = draws.uniform_array(0, 1, (1, N_SINUSOIDS))
        shares /= shares.sum(axis=-1, keepdims=True) + 2.0**-53
        sizes = draws.uniform_array(*self.amplitude_mv, (n_leads, 1)) * shares
        sizes *= chosen[:, np.newaxis, np.newaxis]
        phases = draws.uniform_array(0, 2 * np.pi, (n_leads, N_SINUSOIDS))
        return hz, np.stack([sizes * np.cos(phases), sizes * np.sin(phases)], axis=-1)


@lru_cache(maxsize=64)
def _ramp(step: int, device: torch.device) -> Tensor:
    """Return the position of every sample between two points, from 0 to below 1."""
    return torch.arange(step, dtype=torch.float32, device=device).mul_(1 / step)
