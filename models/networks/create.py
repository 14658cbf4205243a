"""Create a network by its name."""

from importlib import import_module

from torch import nn

from ecgstore.errors import ConfigError
from ecgstore.models.networks import architectures
from ecgstore.models.networks.extractor import Extractor
from ecgstore.models.networks.names import MODELS, NormaliseBy
from ecgstore.models.networks.own import model_name, own_network
from ecgstore.models.networks.own_trunk import OwnTrunk


def create_model(
    name: str,
    n_leads: int = 12,
    n_classes: int = 7,
    normalise_by: NormaliseBy = "record",
    *,
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
    trunk = _trunk(name, n_leads, sha256)
    return Extractor(trunk, n_leads, n_classes, normalise_by, n_targets)


def _trunk(name: str, n_leads: int, sha256: str | None) -> nn.Module:
    """Return the layers of a model; see `ecgstore.models.networks.extractor.Trunk`."""
    if name in MODELS:
        architecture = import_module(f"{architectures.__name__}.{name}")
        trunk: nn.Module = architecture.trunk(n_leads)
        return trunk
    network: object = own_network(name, sha256).trunk(n_leads)
    n_features = getattr(network, "n_features", None)
    if not isinstance(network, nn.Module) or not isinstance(n_features, int):
        raise ConfigError(
            f"model {name}: returns {type(network).__name__} with n_features "
            f"{n_features!r}; expected a torch.nn.Module whose attribute n_features is "
            "the number of its features, a whole number"
        )
    return OwnTrunk(network, n_features)
