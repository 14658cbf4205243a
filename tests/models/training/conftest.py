"""Records to train on and a saved state, for the tests of training."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import ecgstore
from ecgstore.models.training.fit import fit
from ecgstore.storage import Selection, Store
from tests.models.training.small_trainings import (
    TRAINING_ROWS,
    VALIDATION_ROWS,
    TinyNetwork,
    fast_settings,
)


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture(scope="module")
def training(store: Store) -> Selection:
    return store.select(rows=TRAINING_ROWS)


@pytest.fixture(scope="module")
def validation(store: Store) -> Selection:
    return store.select(rows=VALIDATION_ROWS)


@pytest.fixture(scope="module")
def state_file(
    training: Selection,
    validation: Selection,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return the state file of a finished training of one epoch."""
    path = tmp_path_factory.mktemp("state") / "last.pt"
    fit(
        TinyNetwork(),
        training,
        validation,
        fast_settings(epochs=1),
        state_file=path,
        identity={"model": "tiny"},
    )
    return path
