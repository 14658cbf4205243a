"""A small ConvNeXt along one axis, time: wide convolutions of single channels."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgstore.models.networks.masked import Masked

_WIDTHS: Final = (48, 96, 192)
_DEPTH: Final = 2
"""Blocks of each width."""

_KERNEL: Final = 15
"""Samples of the wide convolutions: at 100 Hz, 0.3 s for the first width, 1.2 s for the
last."""

_EXPANSION: Final = 4
_FIRST_SCALE: Final = 0.1
"""What the blocks are multiplied by at the beginning of a training."""


def trunk(n_leads: int) -> nn.Module:
    """Return the layers of ``convnext``."""
    return ConvNeXt(n_leads)


class ConvNeXt(nn.Module):
    """ConvNeXt of Liu et al. 2022 (arXiv 2201.03545), small and in one dimension.

    For signals at 100 Hz: a convolution with stride 2, and two blocks for each of three
    widths, between which the sampling rate is halved: 192 features. Unlike there, the
    stem has overlapping windows, and convolutions are 15 samples wide instead of 7.

    Parameters
    ----------
    n_leads : int
        Number of leads of the signals.
    """

    def __init__(self, n_leads: int) -> None:
        super().__init__()
        self.n_features = _WIDTHS[-1]
        self.stages = nn.ModuleList()
        n_in = n_leads
        for number, width in enumerate(_WIDTHS):
            blocks: list[nn.Module] = [Halving(n_in, width, is_first=number == 0)]
            blocks += [Block(width) for _ in range(_DEPTH)]
            self.stages.extend(blocks)
            n_in = width
        self.last = ChannelNorm(n_in)

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return activations and the mask of the real samples; see `Trunk`."""
        for stage in self.stages:
            values, mask = stage(values, mask)
        return _masked(self.last(values), mask), mask


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each sample, which padding cannot touch.

    Parameters
    ----------
    width : int
        Number of channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor) -> Tensor:
        """Normalise (n_records, n_channels, n_samples)."""
        normalised: Tensor = self.norm(values.transpose(1, 2)).transpose(1, 2)
        return normalised


class Halving(nn.Module):
    """A convolution over 3 or, for signals, 7 samples with stride 2.

    Parameters
    ----------
    n_in, n_out : int
        Channels of input and output.
    is_first : bool
        Whether the input is a signal, which is not normalised again.
    """

    def __init__(self, n_in: int, n_out: int, is_first: bool) -> None:
        super().__init__()
        self.norm = nn.Identity() if is_first else ChannelNorm(n_in)
        kernel = 7 if is_first else 3
        self.convolution = nn.Conv1d(n_in, n_out, kernel, 2, padding=kernel // 2)

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return activations of half as many samples, and their mask."""
        values = self.convolution(_masked(self.norm(values), mask))
        if mask is not None:
            mask = mask[..., ::2]
        return _masked(values, mask), mask


class Block(nn.Module):
    """A wide convolution of each channel, and two layers of each sample, added.

    Parameters
    ----------
    width : int
        Number of channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(width, width, _KERNEL, padding=_KERNEL // 2, groups=width)
        self.norm = ChannelNorm(width)
        self.expand = nn.Conv1d(width, _EXPANSION * width, 1)
        self.reduce = nn.Conv1d(_EXPANSION * width, width, 1)
        self.scale = nn.Parameter(torch.full((width, 1), _FIRST_SCALE))

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return the sum of the input and of what the layers make of it."""
        inner = self.expand(self.norm(self.wide(values)))
        added = self.scale * self.reduce(functional.gelu(inner))
        return _masked(values + added, mask), mask


def _masked(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return activations with zeros in the padding."""
    return values if mask is None else values * mask
