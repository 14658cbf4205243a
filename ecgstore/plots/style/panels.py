"""Many panels of one kind in one figure."""

import math
from typing import Final

_MOST_ACROSS: Final = 5


def grid_of(n_panels: int) -> tuple[int, int]:
    """Return in how many rows and columns panels stand, five side by side at most.

    Examples
    --------
    >>> grid_of(5), grid_of(7), grid_of(24)
    ((1, 5), (2, 4), (5, 5))
    """
    n_rows = math.ceil(n_panels / _MOST_ACROSS)
    return n_rows, math.ceil(n_panels / n_rows)
