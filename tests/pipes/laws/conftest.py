"""Fixtures of the tests of the laws."""

import numpy as np
import pytest

from ecgstore.storage import Selection, Store
from tests.pipes.laws.pipes_of_laws import N_ROWS


@pytest.fixture(scope="module")
def few(store: Store) -> Selection:
    """Eleven rows, not all and not neighbours, of different lengths."""
    return Selection(store, np.arange(3, 3 + 4 * N_ROWS, 4))
