"""Texts and attributes as the format stores them."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

UNSEALED: Final = "-" * 64
"""Placeholder of a digest that is computed at the end of a build."""


def encoded(values: str | Sequence[str], width: int | None = None) -> NDArray[Any]:
    """Return texts as the format stores them: UTF-8, padded to a fixed width.

    Parameters
    ----------
    values : str or sequence of str
        One text or several.
    width : int, optional
        Bytes per text; the length of the longest one if left out.
    """
    import h5py  # a prediction needs the names of datasets, but no file

    texts = [values] if isinstance(values, str) else values
    data = [value.encode() for value in texts]
    width = width or max([1, *map(len, data)])
    result = np.array(data, h5py.string_dtype("utf-8", width))
    return result.reshape(()) if isinstance(values, str) else result


def as_stored(value: Any) -> NDArray[Any]:
    """Return the value of an attribute as an array of the type that is stored."""
    is_text = isinstance(value, (str, list, tuple))
    return encoded(value) if is_text else np.asarray(value)


def text(value: Any) -> str:
    """Return a stored text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def texts(values: Any) -> tuple[str, ...]:
    """Return the texts of an array."""
    plain = values.tolist() if isinstance(values, np.ndarray) else values
    return tuple(map(text, plain))
