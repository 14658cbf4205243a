"""Convolutions that do not see padding: a record gives the same with and without it.

Records are padded with zeros at their end. A normalisation adds a constant to these
zeros, and the next convolution would carry it back into the record; so after every
normalisation the padding is made zero again, as if the record ended where it ends.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

Masked = tuple[Tensor, Tensor | None]
"""Activations (n_records, n_channels, n_samples), and a mask (n_records, 1, n_samples)
that is 1 at real samples; None where nothing is padded."""

_SMALLEST_COUNT: Final = 1.0
"""A record without a single real sample is divided by this."""


def sample_mask(n_real_samples: Tensor, signals: Tensor) -> Tensor | None:
    """Return where samples are real, None if all are.

    Parameters
    ----------
    n_real_samples : Tensor of shape (n_records,)
        Samples of each record that are not padding.
    signals : Tensor of shape (n_records, n_leads, n_samples)
        The signals, for their length, type and device.

    Returns
    -------
    Tensor of shape (n_records, 1, n_samples) or None
        1 at real samples, 0 in padding.

    Examples
    --------
    >>> sample_mask(torch.tensor([2, 3]), torch.zeros(2, 12, 3))
    tensor([[[1., 1., 0.]],
    <BLANKLINE>
            [[1., 1., 1.]]])
    >>> sample_mask(torch.tensor([3, 3]), torch.zeros(2, 12, 3)) is None
    True
    """
    n_samples = signals.shape[-1]
    # On a GPU, this comparison waits for it; the numbers are small, and a mask that
    # is not needed costs more at every layer.
    if bool((n_real_samples >= n_samples).all()):
        return None
    places = torch.arange(n_samples, device=signals.device)
    real = places < n_real_samples.to(signals.device)[:, None]
    return real[:, None].to(signals.dtype)


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation whose statistics leave out padding.

    The same as `torch.nn.BatchNorm1d` over the real samples of all records.
    """

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise.

        Parameters
        ----------
        values : Tensor of shape (n_records, n_channels, n_samples)
            Activations.
        mask : Tensor of shape (n_records, 1, n_samples), optional
            1 at real samples.
        """
        if mask is None or not self.training:
            return super().forward(values)
        exact = values.float()  # sums of many numbers, also in mixed precision
        count = mask.sum().clamp(min=2.0)
        mean = (exact * mask).sum((0, 2)) / count
        centred = exact - mean[:, None]
        variance = (centred.square() * mask).sum((0, 2)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None] + self.bias[:, None]).to(values.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, as `torch.nn.BatchNorm1d` does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


class MaskedConvolution(nn.Module):
    """Convolution, normalisation and, if wished, ReLU; n samples become n / stride.

    Parameters
    ----------
    n_in, n_out : int
        Channels before and after.
    kernel : int
        Samples that a convolution looks at; an odd number.
    stride : int
        Every how many samples there is a result.
    relu : bool
        End with a ReLU.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel: int, stride: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(
            n_in, n_out, kernel, stride, padding=kernel // 2, bias=False
        )
        self.normalisation = MaskedBatchNorm1d(n_out)
        self._relu = relu
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return the result, of ceil(n_samples / stride) samples, and its mask."""
        stride = self.convolution.stride[0]
        if mask is not None:
            mask = mask[..., ::stride]
        values = self.normalisation(self.convolution(values), mask)
        if self._relu:
            values = functional.relu(values)
        return (values if mask is None else values * mask), mask


def max_pool(values: Tensor, mask: Tensor | None, kernel: int) -> Masked:
    """Return the largest of 2 or 3 samples (the kernel), at every second one.

    For activations that are not below zero, so that padding is never the largest.
    """
    values = functional.max_pool1d(
        values,
        kernel,
        stride=2,
        padding=kernel // 2 if kernel % 2 else 0,
        ceil_mode=kernel % 2 == 0,
    )
    if mask is None:
        return values, None
    mask = mask[..., ::2]
    # Three samples around the first of the padding begin with the last real one.
    return values * mask, mask


def mean_of_pairs(values: Tensor, mask: Tensor | None) -> Masked:
    """Return the mean of every two samples; of one where the other is padding."""
    if mask is None:
        return _pairs(values), None
    shares = _pairs(mask)
    # A pair of padding has share 0 and mean 0.
    return _pairs(values) / shares.clamp(min=0.5), mask[..., ::2]


def _pairs(values: Tensor) -> Tensor:
    """Return the mean of every two samples, and the last one where it is alone."""
    return functional.avg_pool1d(values, 2, ceil_mode=True, count_include_pad=False)


def mean_over_time(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean over the real samples: (n_records, n_channels)."""
    if mask is None:
        return values.float().mean(-1)
    count = mask.sum(-1).clamp(min=_SMALLEST_COUNT)
    return (values * mask).float().sum(-1) / count
