"""Augmentations that add white noise."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import FloatArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.fusing._codes_of_kernels import NOISE, NOISE_AT_SNR
from ecgstore.pipes.fusing.counter_noise import gaussian_noise
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


@dataclass(frozen=True, kw_only=True)
class WhiteNoise(Augmentation, Fusible):
    """Add Gaussian white noise of a given standard deviation, as of muscles.

    The noise of the leads of a record is independent, of the same standard deviation.

    Parameters
    ----------
    sd_mv : tuple of float
        Range of the standard deviation in mV. The upper end of 0.1 mV is 10 % of an
        ECG of 1 mV from peak to peak, the highest level of muscle noise in Friesen et
        al. 1990 (IEEE Trans. Biomed. Eng. 37:85).
    probability : float
        Probability that a record is changed.

    Notes
    -----
    The noise is computed from the record's seed and the sample's position. Most of the
    power lies above 40 Hz, where the default band-pass filter of a store ends: it
    prepares a model for signals that were filtered less.
    """

    sd_mv: Range = (0.01, 0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("sd_mv", self.sd_mv, 0)

    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Batch:
        """Add the noise."""
        signals = signals_in_mv(batch, type(self).__name__)
        noise = noise_of_keys(signals, draw_keys(draws), signals.shape[1])
        sd_mv = draws.uniform_array(*self.sd_mv) * chosen.numpy()
        noise.mul_(on_device_of(signals, sd_mv)[:, None, None])
        return add_noise(batch, signals, noise)

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the same as a step of a kernel."""
        chosen, draws = self.drawn(batch)
        keys, sd_mv = draw_keys(draws), draws.uniform_array(*self.sd_mv)
        return Step(NOISE, noise_numbers(batch, chosen, keys, sd_mv)), batch


@dataclass(frozen=True, kw_only=True)
class WhiteNoiseAtSnr(Augmentation, Fusible):
    """Add Gaussian white noise of a given signal-to-noise ratio to every lead.

    The ratio is the mean square of the lead's real samples divided by the variance of
    its noise, so a lead that is zero stays zero. See `WhiteNoise` for the noise itself.
    The noise stress test measures the signal by the amplitude of its QRS complexes
    instead, so its ratios in dB differ somewhat from these.

    Parameters
    ----------
    snr_db : tuple of float
        Range of the ratio in dB. 24 dB to 6 dB is the milder part of the range of the
        noise stress test (Moody et al. 1984, Comput. Cardiol. 11:381).
    probability : float
        Probability that a record is changed.
    """

    snr_db: Range = (6.0, 24.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("snr_db", self.snr_db, -100, 200)

    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Batch:
        """Add the noise."""
        signals = signals_in_mv(batch, type(self).__name__)
        noise = noise_of_keys(signals, draw_keys(draws), signals.shape[1])
        ratios = self._ratios(draws) * chosen.numpy()
        power = (
            signals.square().sum(dim=-1) / batch.n_real_samples.clamp(min=1)[:, None]
        )
        noise.mul_((power.sqrt_() * on_device_of(signals, ratios)[:, None])[..., None])
        return add_noise(batch, signals, noise)

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the same as a step of a kernel."""
        chosen, draws = self.drawn(batch)
        keys, ratios = draw_keys(draws), self._ratios(draws)
        return Step(NOISE_AT_SNR, noise_numbers(batch, chosen, keys, ratios)), batch

    def _ratios(self, draws: Draws) -> FloatArray:
        """Draw the ratio of noise and signal, of their root mean squares."""
        ratios: FloatArray = 10 ** (-draws.uniform_array(*self.snr_db) / 20)
        return ratios


def draw_keys(draws: Draws) -> FloatArray:
    """Draw the two keys of every record's noise, of shape (n_records, 2)."""
    return np.floor(draws.uniform_array(0, 2.0**32, (2,)))


def noise_of_keys(signals: Tensor, keys: FloatArray, n_rows: int) -> Tensor:
    """Return standard Gaussian noise of shape (n_records, n_rows, n_samples)."""
    on_device = torch.from_numpy(keys.astype(np.int64)).to(
        signals.device, non_blocking=True
    )
    return gaussian_noise(on_device, n_rows, signals.shape[-1])
