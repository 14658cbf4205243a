"""XResNet-101 along one axis, time."""

from torch import nn

from ecgstore.models.networks.xresnet import XResNet


def trunk(n_leads: int) -> nn.Module:
    """Return the layers of ``xresnet1d101``."""
    return XResNet(n_leads, n_blocks=(3, 4, 23, 3))
