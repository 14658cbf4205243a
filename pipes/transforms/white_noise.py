"""Augmentations that add white noise."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import BoolArray, IntArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.orders.random_numbers import mix
from ecgstore.pipes.transforms.augmentation import (
    Augmentation,
    Draws,
    Range,
    add_noise,
    check_range,
    on_device_of,
    signals_in_mv,
    unit_fractions,
)

_TABLE_SIZE: Final = 1 << 20
"""Smallest length of the table of Gaussian noise: 4 MB."""

_TABLE_KEY: Final = 2


@dataclass(frozen=True, kw_only=True)
class WhiteNoise(Augmentation):
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
    The noise of a record is a segment of a fixed table of at least a million Gaussian
    numbers, from a random offset, one lead after the other. No number is used twice in
    a record; drawing new numbers would take several times as long. Most of the
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
        is_chosen: BoolArray = chosen.numpy()
        begins = _table_begins(signals, draws)
        drawn = draws.uniform_array(*self.sd_mv) * is_chosen
        sd_mv = on_device_of(signals, drawn)[:, None, None]
        add_noise(
            batch,
            signals,
            is_chosen,
            lambda records: _white_noise(signals, begins[records], sd_mv[records]),
        )
        return batch


@dataclass(frozen=True, kw_only=True)
class WhiteNoiseAtSnr(Augmentation):
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
        is_chosen: BoolArray = chosen.numpy()
        begins = _table_begins(signals, draws)
        drawn = 10 ** (-draws.uniform_array(*self.snr_db) / 20) * is_chosen
        ratios = on_device_of(signals, drawn)[:, None]
        power = _mean_squares(signals, batch.n_real_samples)
        sd_mv = power.sqrt_().mul_(ratios)[..., None]
        add_noise(
            batch,
            signals,
            is_chosen,
            lambda records: _white_noise(signals, begins[records], sd_mv[records]),
        )
        return batch


def _table_begins(signals: Tensor, draws: Draws) -> IntArray:
    """Draw the offset in the table of noise at which each record's noise begins."""
    n_values = signals[0].numel()
    return draws.uniform_array(0, _table_size(n_values) - n_values).astype(np.int64)


def _white_noise(signals: Tensor, begins: IntArray, sd_mv: Tensor) -> Tensor:
    """Return new noise of shape (len(begins), n_leads, n_samples)."""
    n_values = signals[0].numel()
    table = _gaussian_table(_table_size(n_values), signals.device)
    if len(begins) == 1:  # a slice of the table: several times as fast as indexing
        values = table[begins[0] : begins[0] + n_values]
    else:
        indices = torch.from_numpy(begins).to(signals.device, non_blocking=True)
        values = table.unfold(0, n_values, 1).index_select(0, indices)
    return values.view(len(begins), *signals.shape[1:]) * sd_mv


def _table_size(n_values: int) -> int:
    """Return the length of the table from which segments of `n_values` are taken."""
    return max(_TABLE_SIZE, 1 << (2 * n_values - 1).bit_length())


@lru_cache(maxsize=4)
def _gaussian_table(size: int, device: torch.device) -> Tensor:
    """Return standard Gaussian numbers; a longer table begins with the shorter one."""
    from scipy.special import ndtri  # slow to import

    numbers = mix(_TABLE_KEY, np.arange(size, dtype=np.uint64))
    values = ndtri(unit_fractions(numbers) + 2.0**-54)  # 0 would become minus infinity
    return torch.from_numpy(values.astype(np.float32)).to(device)


def _mean_squares(signals: Tensor, n_real_samples: Tensor) -> Tensor:
    """Return the mean square of every lead's real samples, shape (n, n_leads).

    The samples are summed by adding one half to the other, repeatedly: the order in
    which a library's sum adds depends on the shape of the whole batch.
    """
    squares = signals * signals
    n_left = squares.shape[-1]
    while n_left > 1:
        half = (n_left + 1) // 2
        squares[..., : n_left - half].add_(squares[..., half:n_left])
        n_left = half
    return squares[..., 0] / n_real_samples.clamp(min=1)[:, None]
