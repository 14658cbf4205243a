"""Random crops and mixup: of training records only, resumed exactly."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ecgstore import pipes
from ecgstore.errors import ConfigError
from ecgstore.models.running import run_network
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training import extractor
from ecgstore.models.training.extractor import train_extractor
from ecgstore.models.training.fit import fit
from ecgstore.models.training.validation import validation_scores
from ecgstore.pipes import Batch
from ecgstore.pipes.testing import digest
from ecgstore.pipes.transforms.decimate import Decimate
from ecgstore.storage import Selection
from tests.models.training.small_trainings import (
    StoppedError,
    TinyNetwork,
    call_before_batches,
    fast_settings,
    stopping,
)

pytestmark = pytest.mark.usefixtures("one_thread")

MODEL = ModelSettings(model="cnn", fs=50.0, leads=("I", "V2"))
SETTINGS = fast_settings(crop_s=2.5, mixup=0.5, batch_size=8)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[bool, list[Batch]]:
    """Return the batches that extractors get, by whether they are trained."""
    batches: dict[bool, list[Batch]] = {True: [], False: []}
    make = extractor._new_extractor

    def make_recorded(*arguments: Any) -> Any:
        network = make(*arguments)

        def record(batch: Batch) -> None:
            copied = batch.replace(
                **{
                    name: getattr(batch, name).clone()
                    for name in ("signals", "n_real_samples")
                }
            )
            batches[network.training].append(copied)

        return call_before_batches(network, record)

    monkeypatch.setattr(extractor, "_new_extractor", make_recorded)
    return batches


def test_crops_and_mixtures_are_of_training_records_only(
    training: Selection, validation: Selection, seen: dict[bool, list[Batch]]
) -> None:
    train_extractor(training, validation, MODEL, SETTINGS)
    assert len(seen[True]) == 2 * (len(training) // 8)
    labels = []
    for batch in seen[True]:
        assert batch.signals is not None
        assert batch.labels is not None
        assert batch.signals.shape == (8, 2, 125)
        assert (batch.n_real_samples <= 125).all()
        labels.append(batch.labels)
    assert ((torch.cat(labels) > 0) & (torch.cat(labels) < 1)).any()
    transform = Decimate(10)
    with pipes.loader(validation, 8, leads=MODEL.leads, transform=transform) as plain:
        expected = torch.cat([batch.in_mv().signals for batch in plain])  # type: ignore[misc]
    for epoch in range(2):
        signals = [batch.signals for batch in seen[False]]
        half = len(signals) // 2
        part = torch.cat(signals[epoch * half : (epoch + 1) * half])  # type: ignore[arg-type]
        assert torch.equal(part[: len(expected)], expected)
        assert part.shape[-1] == 500


@pytest.mark.parametrize("change", [{"crop_s": None}, {"mixup": 0.0}])
def test_either_changes_the_weights(
    training: Selection, validation: Selection, change: dict[str, Any]
) -> None:
    both, one = (
        train_extractor(training, None, MODEL, settings)[0].weights
        for settings in (SETTINGS, replace(SETTINGS, **change))
    )
    assert digest(both) != digest(one)


@pytest.mark.parametrize("at", [1, 4])
def test_a_training_with_both_resumes_exactly(
    training: Selection, validation: Selection, tmp_path: Path, at: int
) -> None:
    def trained(state_file: Path) -> str:
        arguments = training, validation, MODEL, replace(SETTINGS, augment=True)
        checkpoint, _ = train_extractor(*arguments, state_file=state_file)
        return digest(checkpoint.weights)

    make = extractor._new_extractor
    stopped = tmp_path / "stopped.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            extractor, "_new_extractor", lambda *rest: stopping(make(*rest), at)
        )
        with pytest.raises(StoppedError):
            trained(stopped)
    assert stopped.exists()
    assert trained(stopped) == trained(tmp_path / "whole.pt")


def test_validation_scores_are_those_of_whole_unmixed_records(
    training: Selection, validation: Selection
) -> None:
    network = TinyNetwork()
    history = fit(
        network,
        training,
        validation,
        fast_settings(epochs=1),
        augmentation=[pipes.Augment(pipes.Gain()), pipes.Mixup(0.5)],
        window=pipes.RandomCrop(1000),
    )
    outputs = run_network(network, validation, batch_size=5)
    loss, auroc = validation_scores(outputs, validation)
    [epoch] = history.epochs
    assert (epoch.validation_loss, epoch.validation_auroc) == (loss, auroc)


def test_a_crop_as_long_as_the_records_is_none(
    training: Selection, seen: dict[bool, list[Batch]]
) -> None:
    settings = TrainingSettings(epochs=1, batch_size=8, augment=False, crop_s=10.0)
    train_extractor(training, None, MODEL, settings)
    assert {batch.signals.shape for batch in seen[True]} == {(8, 2, 500)}  # type: ignore[union-attr]


def test_a_crop_longer_than_the_records_is_refused(training: Selection) -> None:
    message = r"crop_s is 10\.5 s; expected at most 10 s, the duration of the records"
    with pytest.raises(ConfigError, match=message):
        train_extractor(training, None, MODEL, replace(SETTINGS, crop_s=10.5))
