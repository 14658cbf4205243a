"""The store of the sample with deep features, and settings of a short training."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ecgstore
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular.table import DeepFeatures
from ecgstore.storage import Selection, Store


@pytest.fixture(scope="package")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture
def training(store: Store) -> Selection:
    return store.select(rows=range(0, 44, 2))


@pytest.fixture(scope="package")
def deep(store: Store) -> DeepFeatures:
    """Return features of each record that follow from its labels, with noise."""
    noise = np.random.default_rng(1).normal(size=(len(store), 7))
    return DeepFeatures((store.labels() + 0.2 * noise).astype(np.float32))


@pytest.fixture
def settings() -> TrainingSettings:
    return TrainingSettings(
        epochs=2, batch_size=8, augment=False, learning_rate=0.01, seed=1
    )
