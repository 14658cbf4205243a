"""Pretraining sees no label and no record that is held out, and resumes exactly."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import ecgstore
from ecgstore.arrays import IntArray
from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.networks.create import create_model
from ecgstore.models.networks.extractor import Extractor
from ecgstore.models.settings import ModelSettings
from ecgstore.models.training import extractor as extractor_module
from ecgstore.models.training.extractor import train_extractor
from ecgstore.models.training.run import saved_training, train
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection, Store
from tests.models.training.small_trainings import (
    TRAINING_ROWS,
    VALIDATION_ROWS,
    StoppedError,
    fast_settings,
    stopping,
    values_of,
)

pytestmark = pytest.mark.usefixtures("one_thread")

MODEL = ModelSettings(model="cnn", fs=50.0, leads=("II",))
SETTINGS = fast_settings(
    epochs=1,
    pretrain_epochs=2,
    auxiliary_weight=0.5,
    batch_size=8,
    augment=True,
    crop_s=6.0,
    mixup=0.4,
)


def trained(
    path: Path, other: Path | None, state_file: Path, **changes: Any
) -> tuple[Checkpoint, dict[str, Any]]:
    """Train on a store, pretrained on another one; return the pretraining's state."""
    with ecgstore.open(path) as store, ecgstore.open(other or path) as also:
        checkpoint, _ = train_extractor(
            store.select(rows=TRAINING_ROWS),
            store.select(rows=VALIDATION_ROWS),
            MODEL,
            fast_settings(**{**SETTINGS.to_dict(), **changes}),
            pretrain_on=[] if other is None else [also],
            state_file=state_file,
        )
    return checkpoint, torch.load(
        state_file.with_name(f"pretrain-{state_file.name}"), weights_only=True
    )


@pytest.fixture(scope="module")
def expected(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("expected")
    return digests(*trained(sample_store, sample_store, folder / "last.pt"))


def digests(checkpoint: Checkpoint, state: dict[str, Any]) -> list[str]:
    return [digest(checkpoint.weights), digest(state["parts"])]


def spoilt(path: Path, to: Path, rows: IntArray, *names: str) -> Path:
    """Return a copy of a store with other contents in some rows."""
    shutil.copyfile(path, to)
    with h5py.File(to, "r+") as file:
        for name in names:
            values = file[name][...]
            values[rows] = 1 - values[rows] if name == "labels" else 7 * values[rows]
            file[name][...] = values
    return to


def held_out(store: Path) -> IntArray:
    with ecgstore.open(store) as opened:
        return np.setdiff1d(np.arange(len(opened)), TRAINING_ROWS)


# -- leak law ---------------------------------------------------------------


def test_held_out_records_of_either_store_change_nothing(
    sample_store: Path, expected: list[str], tmp_path: Path
) -> None:
    rows = held_out(sample_store)
    other = spoilt(sample_store, tmp_path / "o.h5", rows, "signals", "features")
    again = digests(*trained(sample_store, other, tmp_path / "last.pt"))
    assert again == expected
    test = np.setdiff1d(rows, VALIDATION_ROWS)
    main = spoilt(
        sample_store, tmp_path / "m.h5", test, "signals", "features", "labels"
    )
    assert digests(*trained(main, other, tmp_path / "main.pt")) == expected


def test_training_records_of_the_other_store_are_learned(
    sample_store: Path, expected: list[str], tmp_path: Path
) -> None:
    rows = np.arange(4)
    other = spoilt(sample_store, tmp_path / "o.h5", rows, "features")
    again = digests(*trained(sample_store, other, tmp_path / "last.pt"))
    assert again[1] != expected[1]


def test_labels_do_not_reach_the_pretraining(
    sample_store: Path, expected: list[str], tmp_path: Path
) -> None:
    every = np.arange(44)
    main = spoilt(sample_store, tmp_path / "m.h5", every, "labels")
    again = digests(*trained(main, main, tmp_path / "last.pt"))
    assert again[1] == expected[1]
    assert again[0] != expected[0]


def test_patients_that_are_held_out_are_counted(
    sample_store: Path, store: Store, training: Selection
) -> None:
    warnings: list[str] = []
    groups = store.groups()
    with ecgstore.open(sample_store) as other:
        checkpoint, _ = train_extractor(
            training,
            None,
            MODEL,
            fast_settings(epochs=1, pretrain_epochs=1, batch_size=8),
            pretrain_on=[other],
            on_warning=warnings.append,
        )
        outside = np.isin(groups, groups[held_out(sample_store)])
        assert f": {outside.sum()} of {len(other)} records are left out" in warnings[0]
        n_used = len(training) + int((~outside).sum())
        assert len(checkpoint.origin["training_signals"]) == n_used
        with pytest.raises(EcgStoreError, match="all 5 records are of patients that"):
            train_extractor(
                training,
                None,
                MODEL,
                fast_settings(pretrain_epochs=1),
                pretrain_on=[other.select(rows=VALIDATION_ROWS)],
            )
    with pytest.raises(ConfigError, match="but pretrain_epochs is 0"):
        train_extractor(training, None, MODEL, fast_settings(), pretrain_on=[store])


# -- what is left of it -----------------------------------------------------


def test_the_layer_of_the_features_is_only_in_the_states(
    sample_store: Path, tmp_path: Path
) -> None:
    changes = {"pretrain_epochs": 1}
    checkpoint, state = trained(sample_store, None, tmp_path / "last.pt", **changes)
    checkpoint.check_weights()
    assert not [name for name in checkpoint.weights if "target" in name]
    last = torch.load(tmp_path / "last.pt", weights_only=True)
    for parts in (state["parts"], last["parts"]):
        assert any("head.linear" in name for name in parts["objective"])
    assert len(checkpoint.origin["pretraining"]["epochs"]) == 1


def test_an_auxiliary_loss_changes_the_weights(
    sample_store: Path, training: Selection
) -> None:
    def weights(auxiliary_weight: float) -> str:
        settings = fast_settings(epochs=1, auxiliary_weight=auxiliary_weight)
        return digest(train_extractor(training, None, MODEL, settings)[0].weights)

    assert weights(0.0) != weights(0.5) == weights(0.5)


# -- resuming ---------------------------------------------------------------


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Return a function that lets the next trainings stop at a batch."""

    def set_stop(at: int | None) -> None:
        def create(*arguments: Any, **named: Any) -> Extractor:
            network = create_model(*arguments, **named)
            return network if at is None else stopping(network, at)

        monkeypatch.setattr(extractor_module, "create_model", create)

    return set_stop


def test_both_stages_resume_exactly(
    sample_store: Path,
    expected: list[str],
    tmp_path: Path,
    stop_at: Callable[[int | None], None],
) -> None:
    # Two epochs of two batches and one of the other store, then one of two batches.
    for at in (1, 2, 5, 7):
        state_file = tmp_path / f"{at}.pt"
        stop_at(at)
        with pytest.raises(StoppedError):
            trained(sample_store, sample_store, state_file)
        assert state_file.exists() == (at == 7)
        stop_at(None)
        again = digests(*trained(sample_store, sample_store, state_file))
        assert again == expected, at


def test_a_folder_whose_pretraining_was_stopped_is_resumed(
    store: Store, tmp_path: Path, stop_at: Callable[[int | None], None]
) -> None:
    options: dict[str, Any] = {
        "model": MODEL,
        "settings": SETTINGS,
        "pretrain_on": [store],
        "validation_folds": [2, 3],
        "test_folds": range(5, 10),
    }
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    expected_history = train(whole, store, **options)
    stop_at(2)
    with pytest.raises(StoppedError):
        train(stopped, store, **options)
    stop_at(None)
    assert not (stopped / "last.pt").exists()
    assert saved_training(stopped).pretrain_on == [store.path.absolute()]
    with pytest.raises(EcgStoreError, match="holds a training; resume it"):
        train(stopped, store, **options)
    more = fast_settings(**{**SETTINGS.to_dict(), "pretrain_epochs": 3})
    with pytest.raises(EcgStoreError, match="pretrain_epochs was 2, now it is 3"):
        train(stopped, settings=more, resume=True)
    history = train(stopped, resume=True)
    assert values_of(history) == values_of(expected_history)
    weights = [digest(Checkpoint.load(folder).weights) for folder in (stopped, whole)]
    assert weights[0] == weights[1]
    with pytest.raises(EcgStoreError, match=r"other stores was \[\["):
        train(stopped, store, pretrain_on=[], resume=True)
