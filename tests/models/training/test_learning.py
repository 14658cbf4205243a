"""A training learns from its training records, and from nothing else."""

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch.nn import functional

import ecgstore
from ecgstore.errors import EcgStoreError
from ecgstore.models.running import run_network
from ecgstore.models.training.fit import fit
from ecgstore.pipes import Batch
from ecgstore.storage import Selection
from tests.models.training.small_trainings import (
    AUGMENTATION,
    TinyNetwork,
    fast_settings,
    weights_recorder,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def test_training_lowers_the_loss(training: Selection) -> None:
    settings = fast_settings(epochs=25, batch_size=8)
    history = fit(TinyNetwork(has_state=False), training, None, settings)
    assert history.epochs[-1].training_loss < 0.8 * history.epochs[0].training_loss


def test_validation_loss_is_that_of_the_kept_weights(
    training: Selection, validation: Selection
) -> None:
    network = TinyNetwork()
    history = fit(network, training, validation, fast_settings())
    best = history.epochs[history.best - 1]
    outputs = run_network(network, validation)
    labels = validation.store.labels(rows=outputs.rows)
    loss = functional.binary_cross_entropy_with_logits(
        torch.from_numpy(outputs.logits), torch.from_numpy(labels).float()
    )
    assert best.validation_loss == pytest.approx(float(loss), rel=1e-5)
    assert 0 <= best.validation_auroc <= 1
    assert 0 <= best.waiting <= 1


def test_gradients_are_clipped(
    training: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[float] = []

    class RecordingAdamW(torch.optim.AdamW):
        def step(self, closure: Any = None) -> Any:
            gradients = [
                weight.grad.flatten()
                for group in self.param_groups
                for weight in group["params"]
            ]
            norms.append(float(torch.cat(gradients).norm()))
            return super().step(closure)

    network = TinyNetwork(has_state=False)
    with torch.no_grad():
        network.head.weight.mul_(1e4)  # for large gradients of the first layer
    monkeypatch.setattr(torch.optim, "AdamW", RecordingAdamW)
    fit(network, training, None, fast_settings())
    assert max(norms) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("has_validation", [True, False])
def test_a_loss_that_is_not_finite_is_an_error(
    training: Selection, validation: Selection, has_validation: bool
) -> None:
    def make_infinite(batch: Batch) -> Batch:
        assert batch.signals is not None
        return replace(batch, signals=batch.signals * math.inf)

    with pytest.raises(EcgStoreError, match=r"epoch 1: the loss .* 0\.03"):
        fit(
            TinyNetwork(),
            training,
            validation if has_validation else None,
            fast_settings(),
            augmentation=make_infinite,
        )


def test_validation_logits_that_are_not_finite_are_an_error(
    training: Selection, validation: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finite training loss does not hide them."""
    network = TinyNetwork()
    original = network.forward

    def forward(amplitudes: torch.Tensor) -> Any:
        output = original(amplitudes)
        return (
            output
            if network.training
            else output._replace(logits=output.logits * math.nan)
        )

    monkeypatch.setattr(network, "forward", forward)
    with pytest.raises(EcgStoreError, match="epoch 1: the loss is no longer finite"):
        fit(network, training, validation, fast_settings())


def test_validation_records_do_not_change_the_weights(
    sample_store: Path, training: Selection, validation: Selection, tmp_path: Path
) -> None:
    other = tmp_path / "other.h5"
    shutil.copy(sample_store, other)
    rows = validation.rows
    with h5py.File(other, "r+") as file:
        for name in ("signals", "labels", "features"):
            values = file[name][:]
            values[rows] = values[rows[::-1]] if name != "labels" else 1 - values[rows]
            file[name][:] = values
    weights: list[list[str]] = []
    losses: list[list[float]] = []
    with ecgstore.open(other) as changed:
        assert not np.array_equal(changed.labels()[rows], training.store.labels()[rows])
        for store in (training.store, changed):
            network = TinyNetwork()
            after_epochs: list[str] = []
            history = fit(
                network,
                Selection(store, training.rows),
                Selection(store, rows),
                fast_settings(average_decay=0.0),
                augmentation=AUGMENTATION,
                callbacks=[weights_recorder(network, after_epochs)],
            )
            weights.append(after_epochs)
            losses.append([epoch.validation_loss for epoch in history.epochs])
    assert weights[0] == weights[1]
    assert losses[0] != losses[1]
