"""Names of the models, without loading PyTorch."""

import pkgutil
from typing import Final

from ecgstore.models.networks import architectures

MODELS: Final = tuple(
    sorted(module.name for module in pkgutil.iter_modules(architectures.__path__))
)
"""The files of `ecgstore.models.networks.architectures`."""
