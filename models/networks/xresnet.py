"""XResNet-50 and -101 along one axis, time."""

from typing import Final

from torch import Tensor, nn
from torch.nn import functional

from ecgstore.models.networks.masked import (
    Masked,
    MaskedConvolution,
    max_pool,
    mean_of_pairs,
)

_WIDTHS: Final = (64, 128, 256, 512)
_EXPANSION: Final = 4
_KERNEL: Final = 5


class XResNet(nn.Module):
    """A ResNet with the changes of He et al. 2019 (arXiv 1812.01187).

    The stem has three convolutions; the middle convolution of a block has the stride;
    the convolution of a shortcut follows a mean over two samples; and blocks start as
    the identity, since the weight of their last normalisation is initialised to zero.
    Convolutions are one-dimensional, with kernels of 5, as in the networks of the same
    names by Strodthoff et al. 2021 (doi 10.1109/JBHI.2020.3022989). Unlike there,
    widths are those of image ResNets, not 64 throughout, and the 2048 features are
    means over time only.

    Parameters
    ----------
    n_leads : int
        Number of leads of the signals.
    n_blocks : tuple of int
        Number of blocks of each of the four widths: (3, 4, 6, 3) gives 50 layers,
        (3, 4, 23, 3) gives 101.
    """

    def __init__(self, n_leads: int, n_blocks: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.n_features = _WIDTHS[-1] * _EXPANSION
        self.stem = nn.ModuleList(
            [
                MaskedConvolution(n_leads, 32, _KERNEL, stride=2),
                MaskedConvolution(32, 32, _KERNEL),
                MaskedConvolution(32, 64, _KERNEL),
            ]
        )
        self.blocks = nn.ModuleList()
        n_in = 64
        for number, (width, count) in enumerate(zip(_WIDTHS, n_blocks, strict=True)):
            for block in range(count):
                downsamples = number > 0 and block == 0
                self.blocks.append(Bottleneck(n_in, width, downsamples))
                n_in = width * _EXPANSION

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return activations and the mask of the real samples; see `Trunk`."""
        for layer in self.stem:
            values, mask = layer(values, mask)
        values, mask = max_pool(values, mask, kernel=3)
        for block in self.blocks:
            values, mask = block(values, mask)
        return values, mask


class Bottleneck(nn.Module):
    """Convolutions over 1, 5 and 1 samples, added to the input."""

    def __init__(self, n_in: int, width: int, downsamples: bool) -> None:
        super().__init__()
        n_out = width * _EXPANSION
        self.narrow = MaskedConvolution(n_in, width, kernel=1)
        self.middle = MaskedConvolution(width, width, _KERNEL, 2 if downsamples else 1)
        self.widen = MaskedConvolution(width, n_out, kernel=1, relu=False)
        nn.init.zeros_(self.widen.normalisation.weight)
        self.shortcut: MaskedConvolution | None = None
        if n_in != n_out:
            self.shortcut = MaskedConvolution(n_in, n_out, kernel=1, relu=False)
        self._downsamples = downsamples

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return the sum, and its mask."""
        result, result_mask = self.widen(*self.middle(*self.narrow(values, mask)))
        if self._downsamples:
            values, mask = mean_of_pairs(values, mask)
        if self.shortcut is not None:
            values, _ = self.shortcut(values, mask)
        return functional.relu(result + values), result_mask
