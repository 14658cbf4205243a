"""The lists of training and validation records that a model file holds."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from ecgstore.errors import SchemaError
from ecgstore.models.array_files import Arrays

_SEEN_RECORDS: Final[dict[str, tuple[type, tuple[int, ...]]]] = {
    "training_rows": (np.int64, (-1,)),
    "validation_rows": (np.int64, (-1,)),
    "training_signals": (np.uint8, (-1, 8)),
    "validation_signals": (np.uint8, (-1, 8)),
}
"""Types and shapes of the arrays that list training and validation records."""


def origin_with_tensors(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return an origin whose lists of seen records are tensors.

    Parameters
    ----------
    origin : Mapping
        See `Checkpoint.origin`.

    Raises
    ------
    TypeError, ValueError
        If a list is no list of records.
    """
    lists = {
        name: torch.from_numpy(np.asarray(origin[name], dtype).reshape(shape))
        for name, (dtype, shape) in _SEEN_RECORDS.items()
        if name in origin
    }
    return {**origin, **lists}


def seen_tensors(arrays: Arrays) -> dict[str, Tensor]:
    """Return lists of seen records as tensors, if they are such lists.

    Parameters
    ----------
    arrays : Mapping
        Lists by their names in `Checkpoint.origin`.

    Raises
    ------
    SchemaError
        If one has another name, type or shape.
    """
    for name, array in arrays.items():
        dtype, shape = _SEEN_RECORDS.get(name, (None, ()))
        if array.dtype != dtype or array.shape[1:] != shape[1:] or not array.ndim:
            raise SchemaError(
                f"{name} is {array.dtype} of shape {array.shape}, which is no list of "
                "records"
            )
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
