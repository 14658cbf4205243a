"""The store of the sample, and outputs of extractors without any training."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ecgstore.arrays import Float32Array, IntArray
from ecgstore.storage import Store

Logits = Callable[[int, IntArray, int], Float32Array]


@pytest.fixture
def store(sample_store: Path) -> Iterator[Store]:
    with Store(sample_store) as opened:
        yield opened


@pytest.fixture
def logits_of() -> Logits:
    """Return a function that stands for extractors: a number for each row and column.

    Its arguments are the number of the extractor, the rows and the number of columns.
    """

    def logits(extractor: int, rows: IntArray, n_columns: int) -> Float32Array:
        angles = rows[:, None] * 7 + 3 * np.arange(n_columns) + 10 * extractor
        return np.asarray(np.sin(angles), np.float32)

    return logits
