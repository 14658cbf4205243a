"""Check weights from a file against those of a network."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ecgstore.errors import SchemaError


def check_weights(
    weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> None:
    """Refuse weights of other names, types or shapes than expected, or not finite.

    Parameters
    ----------
    weights : Mapping
        The weights, and other tensors of a network's state.
    expected : Mapping
        Tensors of the expected types and shapes, of any values.

    Raises
    ------
    SchemaError
        Naming the first weight that is missing, unknown, different or not finite.
    """
    found, required = _types_and_shapes(weights), _types_and_shapes(expected)
    for name in (*required, *found):
        if found.get(name) != required.get(name):
            raise SchemaError(
                f"weight {name} is {found.get(name, 'missing')}; expected "
                f"{required.get(name, 'no such weight')}"
            )
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise SchemaError(f"weight {name} has values that are not finite")


def _types_and_shapes(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Return type and shape of each weight as text."""
    return {
        name: f"{weight.dtype} of shape {tuple(weight.shape)}"
        for name, weight in weights.items()
    }
