"""A simple convolutional network: pairs of convolutions, halved in between."""

from typing import Final

from torch import Tensor, nn

from ecgstore.models.networks.masked import Masked, MaskedConvolution, max_pool

_WIDTHS: Final = (32, 64, 128, 256)


def trunk(n_leads: int) -> nn.Module:
    """Return the layers of ``cnn``."""
    return SimpleCnn(n_leads)


class SimpleCnn(nn.Module):
    """Eight convolutions of three samples, four times halved: 256 features.

    The layers of the research prototype (12-32-32-64-64-128-128-256-256, a maximum over
    two samples after each pair), with batch normalisation, and with a mean over time in
    place of its fully connected layers, which took one length only and held 340 million
    of its weights. A feature looks at 76 samples: at 100 Hz that is a P wave to its T
    wave, at 500 Hz not even a QRS complex and its T wave.

    Parameters
    ----------
    n_leads : int
        Leads of the signals.
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
        """Return activations and the mask of the real ones; see `Trunk`."""
        for first, second in zip(self.first, self.second, strict=True):
            values, mask = second(*first(values, mask))
            values, mask = max_pool(values, mask, kernel=2)
        return values, mask
