"""Fixtures shared by the tests of the pipes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import ecgstore
from ecgstore.storage import Store


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened
