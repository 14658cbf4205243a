"""ResNet-18 along one axis, time."""

from typing import Final

from torch import Tensor, nn
from torch.nn import functional

from ecgstore.models.networks.masked import Masked, MaskedConvolution, max_pool

_WIDTHS: Final = (64, 128, 256, 512)


def trunk(n_leads: int) -> nn.Module:
    """Return the layers of ``resnet18``."""
    return ResNet18(n_leads)


class ResNet18(nn.Module):
    """ResNet-18 of He et al. 2016 (arXiv 1512.03385), table 1, in one dimension.

    A convolution over 7 samples with stride 2, a maximum over 3 with stride 2, and two
    blocks of two convolutions over 3 samples for each of four widths: 512 features.

    Parameters
    ----------
    n_leads : int
        Number of leads of the signals.
    """

    def __init__(self, n_leads: int) -> None:
        super().__init__()
        self.n_features = _WIDTHS[-1]
        self.stem = MaskedConvolution(n_leads, _WIDTHS[0], kernel=7, stride=2)
        self.blocks = nn.ModuleList()
        n_in = _WIDTHS[0]
        for n_out in _WIDTHS:
            self.blocks.append(
                BasicBlock(n_in, n_out, stride=1 if n_in == n_out else 2)
            )
            self.blocks.append(BasicBlock(n_out, n_out, stride=1))
            n_in = n_out

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return activations and the mask of the real samples; see `Trunk`."""
        values, mask = self.stem(values, mask)
        values, mask = max_pool(values, mask, kernel=3)
        for block in self.blocks:
            values, mask = block(values, mask)
        return values, mask


class BasicBlock(nn.Module):
    """Two convolutions over 3 samples, added to the input."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = MaskedConvolution(n_in, n_out, kernel=3, stride=stride)
        self.second = MaskedConvolution(n_out, n_out, kernel=3, relu=False)
        self.shortcut: MaskedConvolution | None = None
        if stride > 1 or n_in != n_out:
            self.shortcut = MaskedConvolution(
                n_in, n_out, kernel=1, stride=stride, relu=False
            )

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return the sum, and its mask."""
        result, result_mask = self.second(*self.first(values, mask))
        if self.shortcut is not None:
            values, _ = self.shortcut(values, mask)
        return functional.relu(result + values), result_mask
