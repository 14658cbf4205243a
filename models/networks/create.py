"""Create a network by its name."""

from importlib import import_module

from ecgstore.models.networks import architectures
from ecgstore.models.networks.extractor import Extractor
from ecgstore.models.networks.names import MODELS, NormaliseBy


def create_model(
    name: str,
    n_leads: int = 12,
    n_classes: int = 7,
    normalise_by: NormaliseBy = "record",
) -> Extractor:
    """Create an extractor with weights drawn from PyTorch's random generator.

    Parameters
    ----------
    name : str
        One of `MODELS`.
    n_leads, n_classes : int
        Number of leads of the signals, and of classes.
    normalise_by : {"record", "lead"}
        How signals are normalised; see `Normalise`.

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
            f"n_leads is {n_leads}, n_classes is {n_classes}; expected 1 or more of "
            "each"
        )
    architecture = import_module(f"{architectures.__name__}.{name}")
    return Extractor(architecture.trunk(n_leads), n_leads, n_classes, normalise_by)
