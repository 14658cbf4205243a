"""Create a network by its name."""

from collections.abc import Sequence
from importlib import import_module
from typing import Final

import torch
from torch import nn

from ecgstore.errors import ConfigError
from ecgstore.models.networks import architectures
from ecgstore.models.networks.extractor import Extractor, FitsDirectly
from ecgstore.models.networks.names import MODELS, NormaliseBy
from ecgstore.models.networks.own import model_name, own_network
from ecgstore.models.networks.own_trunk import OwnTrunk

_LOAD: Final = "load_pretrained"
"""Method of a network of one's own that loads the weights that it begins with."""


def create_model(
    name: str,
    n_leads: int = 12,
    n_classes: int = 7,
    normalise_by: NormaliseBy = "record",
    *,
    leads: Sequence[str] | None = None,
    fs: float | None = None,
    pretrained: bool = True,
    n_targets: int = 0,
    sha256: str | None = None,
) -> Extractor:
    """Create an extractor with weights drawn from PyTorch's random generator.

    Parameters
    ----------
    name : str
        One of `MODELS`, a name given to `register`, or ``FILE.py:NAME`` for a class or
        function in a file, which is run; see `register` for what it must return.
    n_leads, n_classes : int
        Number of leads of the signals, and of classes.
    normalise_by : {"record", "lead"}
        How signals are normalised; see `Normalise`.
    leads : sequence of str, optional
        Names of the leads, for networks of one's own that ask for them.
    fs : float, optional
        Sampling rate of the signals in Hz, for networks of one's own that ask for it.
    pretrained : bool
        Load the weights that a network of one's own begins with, if it has some.
    n_targets : int
        Number of targets that it predicts beside the classes.
    sha256 : str, optional
        The SHA-256 that the source of a network of one's own must have.

    Returns
    -------
    Extractor

    Raises
    ------
    ValueError
        If there is no such model, or a number is not positive.
    EcgStoreError
        If the file of a network of one's own cannot be read or run, or its source is
        another one.

    Examples
    --------
    >>> create_model("resnet18", n_leads=12, n_classes=7).n_features
    512
    """
    model_name(name)
    if n_leads < 1 or n_classes < 1:
        raise ValueError(
            f"n_leads is {n_leads}, n_classes is {n_classes}; expected 1 or more of "
            "each"
        )
    if name in MODELS:
        architecture = import_module(f"{architectures.__name__}.{name}")
        trunk: nn.Module = architecture.trunk(n_leads)
    else:
        trunk = _own_trunk(name, own_network(name, sha256).layers(n_leads, leads, fs))
        if pretrained and callable(load := getattr(trunk.network, _LOAD, None)):
            load()
    return Extractor(trunk, n_leads, n_classes, normalise_by, n_targets)


def fits_directly(name: str) -> bool:
    """Return whether a network is set from signals at once, without training steps."""
    if name not in MODELS:
        return False
    with torch.device("meta"):
        return isinstance(create_model(name).trunk, FitsDirectly)


def _own_trunk(name: str, network: object) -> OwnTrunk:
    """Return the layers of a network of one's own."""
    n_features = getattr(network, "n_features", None)
    if not isinstance(network, nn.Module) or not isinstance(n_features, int):
        raise ConfigError(
            f"model {name}: returns {type(network).__name__} with n_features "
            f"{n_features!r}; expected a torch.nn.Module whose attribute n_features is "
            "the number of its features, a whole number"
        )
    return OwnTrunk(network, n_features)
