"""Make a network by its name."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from torch import nn

from ecgstore.models.networks.cnn import SimpleCnn
from ecgstore.models.networks.extractor import Extractor
from ecgstore.models.networks.normalise import Per
from ecgstore.models.networks.resnet import ResNet18
from ecgstore.models.networks.xresnet import XResNet

MODELS: Final[Mapping[str, Callable[[int], nn.Module]]] = {
    "cnn": SimpleCnn,
    "resnet18": ResNet18,
    "xresnet1d50": partial(XResNet, n_blocks=(3, 4, 6, 3)),
    "xresnet1d101": partial(XResNet, n_blocks=(3, 4, 23, 3)),
}
"""Architectures: a function of the number of leads that makes a `Trunk`."""


def create_model(
    name: str, n_leads: int = 12, n_classes: int = 7, per: Per = "record"
) -> Extractor:
    """Make an extractor, its weights drawn from PyTorch's random generator.

    Parameters
    ----------
    name : str
        One of `MODELS`.
    n_leads, n_classes : int
        Leads of the signals, and classes.
    per : {"record", "lead"}
        What signals are normalised by; see `Normalise`.

    Returns
    -------
    Extractor

    Raises
    ------
    ValueError
        If there is no such model, or a number is not positive.

    Examples
    --------
    >>> create_model("resnet18", n_leads=12, n_classes=7).n_features
    512
    """
    if name not in MODELS:
        raise ValueError(f"no model {name!r}; expected one of {', '.join(MODELS)}")
    if n_leads < 1 or n_classes < 1:
        raise ValueError(
            f"{n_leads} leads and {n_classes} classes; expected one or more of each"
        )
    return Extractor(MODELS[name](n_leads), n_leads, n_classes, per)
