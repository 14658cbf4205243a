"""Names of the models, without loading PyTorch."""

import pkgutil
from typing import Final

from ecgstore.models.networks import architectures

MODELS: Final = tuple(
    sorted(each.name for each in pkgutil.iter_modules(architectures.__path__))
)
"""One for each file of `ecgstore.models.networks.architectures`."""
