"""Fixtures of the tests of transforms."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def threads() -> Iterator[None]:
    """Let a test set the number of threads; restore it."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
