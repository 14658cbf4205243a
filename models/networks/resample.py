"""Resampling as a layer: `ecgstore.signals.resampling.resample` for batches."""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgstore.models.networks.masked import Masked, mask_of_samples
from ecgstore.signals.resampling import low_pass, ratio_of

Number = TypeVar("Number", int, Tensor)


class Resample(nn.Module):
    """Change the sampling rate of padded records with a polyphase low-pass filter.

    Every record is resampled as if it ended before its padding, in single precision:
    the straight line through its first and its last real sample is subtracted before
    the filter and added afterwards. See `ecgstore.signals.resampling.resample` for the
    filter.

    Parameters
    ----------
    fs_in, fs_out : float
        Sampling rate of the signals and of the result in Hz.
    """

    taps: Tensor

    def __init__(self, fs_in: float, fs_out: float) -> None:
        super().__init__()
        self._up, self._down = ratio_of(fs_in, fs_out).as_integer_ratio()
        # Not in the state: they follow from the rates.
        self.register_buffer("taps", _phases(self._up, self._down), persistent=False)

    def forward(self, signals: Tensor, mask: Tensor | None) -> Masked:
        """Return resampled signals, and the mask of their real samples.

        Parameters
        ----------
        signals : Tensor of shape (n_records, n_leads, n_samples)
            Voltages, with zero padding at the end.
        mask : Tensor of shape (n_records, 1, n_samples), optional
            1 at real samples.

        Returns
        -------
        signals : Tensor of shape (n_records, n_leads, n_resampled)
            For n_resampled = ceil(n_samples * fs_out / fs_in), with zeros in the
            padding.
        mask : Tensor of shape (n_records, 1, n_resampled) or None
            1 at real samples.
        """
        if self._up == self._down:
            return signals, mask
        real = torch.ones_like(signals[:1, :1]) if mask is None else mask
        n_real = real.sum(-1, keepdim=True).long()  # (n_records, 1, 1)
        first = signals[..., :1]
        at_last = (n_real - 1).clamp(min=0).expand(*first.shape)
        last = signals.gather(-1, at_last)
        slope = (last - first) / (n_real - 1).clamp(min=1)  # per sample of the input
        rest = (signals - _line(first, slope, signals.shape[-1])) * real
        result = self._filtered(rest)
        line = _line(first, slope * (self._down / self._up), result.shape[-1])
        result = result + line
        if mask is None:
            return result, None
        new_mask = mask_of_samples(self._resampled(n_real[:, 0, 0]), result)
        return result * new_mask, new_mask

    def _filtered(self, signals: Tensor) -> Tensor:
        """Return the output of the filter, for zeros before and after the signals."""
        n_records, n_leads, n_samples = signals.shape
        width = self.taps.shape[-1]
        before = (width - self._down - 1) // 2
        rows = signals.reshape(n_records * n_leads, 1, n_samples)
        # `up` samples of the result for every `down` samples: (n_rows, up, n_blocks)
        blocks = functional.conv1d(
            functional.pad(rows, (before, width)), self.taps, stride=self._down
        )
        result = blocks.transpose(1, 2).reshape(n_records, n_leads, -1)
        return result[..., : self._resampled(n_samples)]

    def _resampled(self, n_samples: Number) -> Number:
        """Return the number of samples after resampling: ceil(n * up / down)."""
        return (n_samples * self._up + self._down - 1) // self._down


def _line(first: Tensor, slope: Tensor, n_samples: int) -> Tensor:
    """Return lines, (n_records, n_leads, n_samples), by first value and slope."""
    steps = torch.arange(n_samples, device=first.device, dtype=first.dtype)
    return first + slope * steps


def _phases(up: int, down: int) -> Tensor:
    """Return the filter that computes `up` samples of the result from a window.

    The window begins ``n_before`` samples before the first of the results, and its
    length is ``2 * n_before + down + 1``. The taps are those of `low_pass`, of which
    result number r takes every `up`-th, shifted by ``r * down``.

    Returns
    -------
    Tensor of shape (up, 1, 2 * n_before + down + 1)
        float32.
    """
    if up == down:
        return torch.ones(1, 1, 1)  # not used
    taps = low_pass(max(up, down)) * up
    middle = len(taps) // 2
    n_before = -(-middle // up)
    samples = np.arange(-n_before, n_before + down + 1)
    at = middle + np.arange(up)[:, None] * down - samples * up
    inside = (at >= 0) & (at < len(taps))
    phases = np.where(inside, taps[at.clip(0, len(taps) - 1)], 0.0)
    return torch.from_numpy(phases.astype(np.float32)[:, None])
