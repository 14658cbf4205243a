"""Arrays that may be larger than memory."""

import tempfile
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_IN_MEMORY: Final = 1 << 28


def spilled(n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a new array, in a temporary file without a name if it is large.

    Parameters
    ----------
    n : int
        Number of elements, whose values are arbitrary.
    dtype : dtype
        Their type.
    """
    if n * dtype.itemsize <= _IN_MEMORY:
        return np.empty(n, dtype)
    with tempfile.TemporaryFile(prefix="ecgstore-") as file:  # the map keeps it
        return np.memmap(file, dtype, "w+", shape=(n,))
