"""The weights of the best epoch are kept; early stopping ends a training."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ecgstore.models.running import Outputs, run_network
from ecgstore.models.training import fit as fit_module
from ecgstore.models.training.fit import fit
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection
from tests.models.training.small_trainings import (
    TinyNetwork,
    call_before_batches,
    fast_settings,
    weights_recorder,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("scores", "patience", "n_epochs", "best"),  # losses and AUROCs of the epochs
    [
        ([(0.5, 0.6), (0.5, 0.8), (0.5, 0.7), (0.5, 0.7), (0.4, 0.9)], 2, 4, 2),
        ([(0.5, 0.6), (0.5, 0.6), (0.4, 0.6), (0.6, 0.6), (0.5, 0.6)], 2, 5, 3),
        ([(0.5, math.nan), (0.3, math.nan), (0.4, math.nan)], 1, 3, 2),
        ([(0.5, 0.6), (0.4, 0.7), (0.3, 0.8)], 1, 3, 3),
        ([(0.5, 0.6), (0.4, 0.5), (0.3, 0.8)], 1, 2, 1),
        ([(0.5, 0.6), (0.5, 0.6), (0.7, 0.5)], 2, 3, 1),
    ],
)
@pytest.mark.parametrize("average_decay", [0.0, 0.7])
def test_weights_of_the_best_epoch_are_kept(
    training: Selection,
    validation: Selection,
    monkeypatch: pytest.MonkeyPatch,
    scores: list[tuple[float, float]],
    patience: int,
    n_epochs: int,
    best: int,
    average_decay: float,
) -> None:
    network = TinyNetwork()
    evaluated: list[str] = []  # outputs of the network that is validated
    trained: list[str] = []  # outputs of the network that is trained

    def next_scores(outputs: Outputs, _: Selection) -> tuple[float, float]:
        evaluated.append(digest(outputs.logits))
        return scores[len(evaluated) - 1]

    def validation_logits() -> str:
        return digest(run_network(network, validation, batch_size=5).logits)

    monkeypatch.setattr(fit_module, "validation_scores", next_scores)
    history = fit(
        network,
        training,
        validation,
        fast_settings(
            epochs=len(scores), patience=patience, average_decay=average_decay
        ),
        callbacks=[lambda _: trained.append(validation_logits())],
    )
    assert history.best == best
    assert [epoch.epoch for epoch in history.epochs] == list(range(1, n_epochs + 1))
    assert len(set(evaluated)) == n_epochs
    assert validation_logits() == evaluated[best - 1]
    assert (evaluated == trained) == (not average_decay)
    assert not network.training


def test_without_validation_the_last_epoch_is_kept(training: Selection) -> None:
    after_epochs: list[str] = []
    network = TinyNetwork()
    history = fit(
        network,
        training,
        None,
        fast_settings(epochs=3, patience=1),
        callbacks=[weights_recorder(network, after_epochs)],
    )
    assert len(after_epochs) == history.best == 3
    assert digest(network.state_dict()) == after_epochs[-1]
    assert all(math.isnan(epoch.validation_loss) for epoch in history.epochs)


def test_the_moving_average_of_weights_is_evaluated_and_kept(
    training: Selection,
) -> None:
    decay = 0.8
    network = TinyNetwork()  # its running statistics are averaged too
    recorded: list[dict[str, Tensor]] = []

    def record(_: Any) -> None:
        recorded.append(copy.deepcopy(network.state_dict()))

    call_before_batches(network, record)
    settings = fast_settings(average_decay=decay)
    fit(network, training, None, settings, callbacks=[record])
    # The first is from before any step; the last of an epoch is recorded twice.
    after_steps = recorded[1:4] + recorded[5:]
    assert len(after_steps) == 6
    mean = after_steps[0]
    for weights in after_steps[1:]:
        mean = {
            name: decay * mean[name] + (1 - decay) * weight
            for name, weight in weights.items()
        }
    for name, weight in network.state_dict().items():
        if weight.is_floating_point():  # numbers of batches are not averaged
            torch.testing.assert_close(weight, mean[name])
