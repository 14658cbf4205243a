"""Names of the models and of their normalisations, without loading PyTorch."""

import pkgutil
from typing import Final, Literal

from ecgstore.models.networks import architectures

MODELS: Final = tuple(
    sorted(module.name for module in pkgutil.iter_modules(architectures.__path__))
)
"""The files of `ecgstore.models.networks.architectures`."""

NormaliseBy = Literal["record", "lead"]
"""See `ecgstore.models.networks.normalise.Normalise`."""
