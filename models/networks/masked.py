"""Layers that ignore padding: a record has the same features with and without it.

Records are padded with zeros at their end. A normalisation adds a constant to these
zeros, and the next convolution would mix it into the last real samples; so the padding
is set to zero again after every normalisation, as if the record ended there.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

Masked = tuple[Tensor, Tensor | None]
"""Activations (n_records, n_channels, n_samples), and a mask (n_records, 1, n_samples)
that is 1 at real samples and 0 in padding; None if no record is padded."""

_SMALLEST_COUNT: Final = 1.0
"""Divisor of a mean over a record without any real sample."""


def sample_mask(n_real_samples: Tensor, signals: Tensor) -> Tensor | None:
    """Return a mask of the real samples; None if no record is padded.

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
    # On a GPU, this comparison waits for the result. It is small, and a mask that is
    # not needed would cost time in every layer.
    if bool((n_real_samples >= n_samples).all()):
        return None
    return mask_of_samples(n_real_samples, signals)


def mask_of_samples(n_real_samples: Tensor, signals: Tensor) -> Tensor:
    """Return the mask of `sample_mask`, also if no record is padded."""
    positions = torch.arange(signals.shape[-1], device=signals.device)
    is_real = positions < n_real_samples.to(signals.device)[:, None]
    return is_real[:, None].to(signals.dtype)


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation whose statistics leave out padding.

    Equal to `torch.nn.BatchNorm1d` over the real samples of all records.
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
        exact = values.float()  # in mixed precision, too: the sums have many terms
        count = mask.sum().clamp(min=2.0)
        mean = (exact * mask).sum((0, 2)) / count
        centred = exact - mean[:, None]
        variance = (centred.square() * mask).sum((0, 2)) / count
        self._update_running(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None] + self.bias[:, None]).to(values.dtype)

    @torch.no_grad()
    def _update_running(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics, as `torch.nn.BatchNorm1d` does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


class MaskedConvolution(nn.Module):
    """Convolution, batch normalisation and, optionally, ReLU.

    Parameters
    ----------
    n_in, n_out : int
        Channels of the input and of the output.
    kernel : int
        Width of the convolution in samples; an odd number.
    stride : int
        Samples between two outputs: n samples become ceil(n / stride).
    relu : bool
        Apply a ReLU at the end.
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
        """Return activations of ceil(n_samples / stride) samples, and their mask."""
        stride = self.convolution.stride[0]
        if mask is not None:
            mask = mask[..., ::stride]
        values = self.normalisation(self.convolution(values), mask)
        if self._relu:
            values = functional.relu(values)
        return (values if mask is None else values * mask), mask


def max_pool(values: Tensor, mask: Tensor | None, kernel: int) -> Masked:
    """Return the maximum over 2 or 3 samples (the kernel), with stride 2.

    For activations that are not negative, so that the zeros of padding are never the
    maximum.
    """
    # With indices it takes long; without them, an export fixes the number of samples.
    with_indices = torch.compiler.is_compiling()
    pooled = functional.max_pool1d(  # type: ignore[call-overload]
        values,
        kernel,
        stride=2,
        padding=kernel // 2 if kernel % 2 else 0,
        ceil_mode=kernel % 2 == 0,
        return_indices=with_indices,
    )
    values = pooled[0] if with_indices else pooled
    if mask is None:
        return values, None
    mask = mask[..., ::2]
    # A window of 3 around the first sample of padding has the last real one in it.
    return values * mask, mask


def mean_of_pairs(values: Tensor, mask: Tensor | None) -> Masked:
    """Return the mean of every two samples, leaving out padding."""
    if mask is None:
        return _pair_means(values), None
    real_share = _pair_means(mask)
    # The share and the mean of a pair of padding are 0.
    return _pair_means(values) / real_share.clamp(min=0.5), mask[..., ::2]


def _pair_means(values: Tensor) -> Tensor:
    """Return the mean of every two samples, and the last sample of an odd number."""
    return functional.avg_pool1d(values, 2, ceil_mode=True, count_include_pad=False)


def mean_over_time(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean over the real samples: (n_records, n_channels).

    A record without padding has the same bits with a mask and without one.
    """
    if mask is None:
        # Not `mean`, which multiplies by 1 / n on a GPU: other bits than a division.
        return values.float().sum(-1) / _ones_of(values).sum(-1)
    count = mask.sum(-1).clamp(min=_SMALLEST_COUNT)
    return (values * mask).float().sum(-1) / count


def _ones_of(values: Tensor) -> Tensor:
    """Return the mask of a record without padding: (1, 1, n_samples), float32."""
    return torch.ones_like(values[:1, :1], dtype=torch.float32)
