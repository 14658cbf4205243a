"""The noise of `_noise_kernels` by operations of PyTorch, for any device."""

from typing import Final

import torch
from torch import Tensor

from ecgstore.pipes.fusing import _codes_of_kernels as codes

_BITS: Final = 0xFFFFFFFF


def gaussian_noise(keys: Tensor, n_rows: int, n_samples: int) -> Tensor:
    """Return standard Gaussian noise of every record, from its two keys.

    Parameters
    ----------
    keys : Tensor of shape (n_records, 2)
        Integers from 0 to 2**32 - 1, int64.
    n_rows : int
        Number of independent rows of a record: leads, or electrodes.
    n_samples : int
        Length of a row.

    Returns
    -------
    Tensor of shape (n_records, n_rows, n_samples)
        Noise, float32, on the device of the keys; equal to that of the kernel but for
        rounding.
    """
    half = (n_samples + 1) // 2
    key_1, key_2 = keys[:, :1], keys[:, 1:]
    counters = torch.arange(n_rows * half, device=keys.device)[None]
    keyed = (_times(counters, codes.INCREMENT) + key_1).bitwise_and_(_BITS)
    first = _scrambled(keyed ^ key_2).add_(key_1)
    first = _xor_shifted(_times(first, codes.FACTOR_3), 16)
    second = _times(first, codes.INCREMENT).add_(key_2).bitwise_and_(_BITS)
    second = _times(_xor_shifted(second, 15), codes.FACTOR_2)
    size = _radius(first >> 8)
    angle = ((second >> 8) & 0x3FFFFF).to(torch.float32).add_(0.5).mul_(2.0**-22)
    low = size * _sine(angle) * _sign(second >> 31)
    high = size * _sine(1 - angle) * _sign(second >> 30)
    parts = [one.view(len(keys), n_rows, half) for one in (low, high)]
    return torch.cat(parts, dim=-1)[..., :n_samples]


def _times(values: Tensor, factor: int) -> Tensor:
    """Return the lower 32 bits of products, as int64."""
    return (values * factor).bitwise_and_(_BITS)


def _xor_shifted(values: Tensor, shift: int) -> Tensor:
    """Return values whose lower bits are changed by the upper ones."""
    return values ^ (values >> shift)


def _scrambled(values: Tensor) -> Tensor:
    """Let every bit of the numbers affect all other bits."""
    values = _times(_xor_shifted(values, 16), codes.FACTOR_1)
    values = _times(_xor_shifted(values, 15), codes.FACTOR_2)
    return _xor_shifted(values, 15)


def _radius(whole: Tensor) -> Tensor:
    """Return ``sqrt(-2 ln u)`` of u between 0 and 1, from integers of 24 bits."""
    u = whole.to(torch.float32).add_(0.5).mul_(2.0**-24)
    return u.log_().mul_(-2).sqrt_()


def _sine(quarters: Tensor) -> Tensor:
    """Return the sine of angles in quarters of a turn."""
    return (quarters * (torch.pi / 2)).sin_()


def _sign(bits: Tensor) -> Tensor:
    """Return -1 where the lowest bit is set, else 1, as float32."""
    return (1 - 2 * (bits & 1)).to(torch.float32)
