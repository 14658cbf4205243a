"""The augmentation that adds baseline wander."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.transforms.augmentation import (
    Augmentation,
    Draws,
    Range,
    add_noise,
    check_range,
    on_device_of,
    signals_in_mv,
)

_N_SINUSOIDS: Final = 3

_STEPS_PER_PERIOD: Final = 32
"""Points computed per period; linear interpolation is at most 0.5 % off."""


@dataclass(frozen=True, kw_only=True)
class BaselineWander(Augmentation):
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
        is_chosen: BoolArray = chosen.numpy()
        highest = batch.fs / _STEPS_PER_PERIOD
        check_range("frequency_hz", self.frequency_hz, 0, highest)
        n_samples = signals.shape[-1]
        step = self._step(n_samples, batch.fs)
        ramp = torch.arange(step, device=signals.device) / step
        seconds = np.arange(n_samples // step + 2) * step / batch.fs
        points = self._points(signals, is_chosen, draws, seconds)
        rises = points.diff(dim=-1)

        def noise(records: slice) -> Tensor:
            # Linear interpolation, of shape (n, n_leads, n_points - 1, step).
            lines = rises[records][..., None] * ramp
            lines.add_(points[records][..., :-1, None])
            return lines.flatten(-2)[..., :n_samples]

        add_noise(batch, signals, is_chosen, noise)
        return batch

    def _step(self, n_samples: int, fs: float) -> int:
        """Return the number of samples from one computed point to the next."""
        highest = max(self.frequency_hz[1], fs / (_STEPS_PER_PERIOD * n_samples))
        return int(fs / (_STEPS_PER_PERIOD * highest))

    def _points(
        self, signals: Tensor, chosen: BoolArray, draws: Draws, seconds: FloatArray
    ) -> Tensor:
        """Return every lead's wander at some times, of shape (n, n_leads, n_points)."""
        n_leads, n_points = signals.shape[1], len(seconds)
        hz = draws.uniform_array(*self.frequency_hz, (_N_SINUSOIDS, 1))
        shares = draws.uniform_array(0, 1, (1, _N_SINUSOIDS))
        shares /= shares.sum(axis=-1, keepdims=True) + 2.0**-53
        sizes = draws.uniform_array(*self.amplitude_mv, (n_leads, 1)) * shares
        sizes *= chosen[:, np.newaxis, np.newaxis]
        phases = draws.uniform_array(0, 2 * np.pi, (n_leads, _N_SINUSOIDS))
        angles = 2 * np.pi * hz * seconds  # (n, n_sinusoids, n_points)
        sines, cosines = _sines_and_cosines(angles, chosen)
        result = torch.zeros(len(signals), n_leads, n_points, device=signals.device)
        for basis, weights in (
            (sines, sizes * np.cos(phases)),
            (cosines, sizes * np.sin(phases)),
        ):
            waves = on_device_of(signals, basis)[:, None]
            factors = on_device_of(signals, weights)[..., None]
            for number in range(_N_SINUSOIDS):
                result.add_(waves[:, :, number] * factors[:, :, number])
        return result


def _sines_and_cosines(
    angles: FloatArray, chosen: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return sines and cosines for the chosen records, and zeros for the others."""
    sines, cosines = np.zeros_like(angles), np.zeros_like(angles)
    sines[chosen] = np.sin(angles[chosen])
    cosines[chosen] = np.cos(angles[chosen])
    return sines, cosines
