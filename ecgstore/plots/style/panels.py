"""The arrangement of many similar panels in one figure."""

import math
from typing import Final

_MAX_COLUMNS: Final = 5


def grid_of(n_panels: int) -> tuple[int, int]:
    """Return the numbers of rows and columns of a grid of panels, five columns at most.

    Examples
    --------
    >>> grid_of(5), grid_of(7), grid_of(24)
    ((1, 5), (2, 4), (5, 5))
    """
    n_rows = math.ceil(n_panels / _MAX_COLUMNS)
    return n_rows, math.ceil(n_panels / n_rows)
