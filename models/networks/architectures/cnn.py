"""A simple convolutional network: pairs of convolutions, each followed by pooling."""

from typing import Final

from torch import Tensor, nn

from ecgstore.models.networks.masked import Masked, MaskedConvolution, max_pool

_WIDTHS: Final = (32, 64, 128, 256)


def trunk(n_leads: int) -> nn.Module:
    """Return the layers of ``cnn``."""
    return SimpleCnn(n_leads)


class SimpleCnn(nn.Module):
    """Eight convolutions over 3 samples and four max poolings: 256 features.

    The layers of the research prototype (12-32-32-64-64-128-128-256-256 channels, a
    maximum over two samples after each pair), with batch normalisation, and with a mean
    over time in place of its fully connected layers, which fixed the length of a record
    and held 340 million of its weights. The receptive field is 76 samples: at 100 Hz
    enough for a beat from P to T wave, at 500 Hz not even for a QRS complex and its T
    wave.

    Parameters
    ----------
    n_leads : int
        Number of leads of the signals.
    """

    def __init__(self, n_leads: int) -> None:
        super().__init__()
        self.n_features = _WIDTHS[-1]
        self.first = nn.ModuleList()
        self.second = nn.ModuleList()
        for n_in, n_out in zip((n_leads, *_WIDTHS), _WIDTHS, strict=False):
            self.first.append(MaskedConvolution(n_in, n_out, kernel=3))
            self.second.append(MaskedConvolution(n_out, n_out, kernel=3))

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return activations and the mask of the real samples; see `Trunk`."""
        for first, second in zip(self.first, self.second, strict=True):
            values, mask = second(*first(values, mask))
            values, mask = max_pool(values, mask, kernel=2)
        return values, mask
