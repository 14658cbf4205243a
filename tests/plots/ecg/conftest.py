"""Marks for the tests of plots of ECGs."""

import numpy as np
import pytest

from ecgstore.arrays import IntArray
from ecgstore.record import LEADS

COLUMNS = (
    ("I", "II", "III"),
    ("aVR", "aVL", "aVF"),
    ("V1", "V2", "V3"),
    ("V4", "V5", "V6"),
)


@pytest.fixture
def some_marks() -> IntArray:
    """Return marks of a beat in each column of a print, different in each lead."""
    marks = np.full((12, 5, 9), -1)
    for column, names in enumerate(COLUMNS):
        for name in names:
            lead = LEADS.index(name)
            marks[lead, column] = column * 1250 + 300 + 5 * lead + 40 * np.arange(9)
    marks[LEADS.index("II"), 0, 0:3] = -1  # a beat without a P wave
    return marks
