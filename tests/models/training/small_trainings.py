"""Small trainings: a tiny network, fast settings, ways to stop and to compare them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ecgstore import pipes
from ecgstore.models.networks.network import Network, NetworkOutput
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.training.history import History
from ecgstore.pipes import Batch
from ecgstore.pipes.testing import digest

N_CLASSES = 7
TRAINING_ROWS = range(0, 32, 2)
VALIDATION_ROWS = range(33, 43, 2)
AUGMENTATION = pipes.Augment(pipes.Gain(), pipes.WhiteNoise())
TIMES = ("seconds", "waiting")

AnyNetwork = TypeVar("AnyNetwork", bound=Network)


def fast_settings(**changes: Any) -> TrainingSettings:
    """Return settings of a training of 2 epochs, saved after every step."""
    fast: dict[str, Any] = {
        "epochs": 2,
        "batch_size": 5,
        "learning_rate": 0.03,
        "augment": False,
        "seed": 3,
        "save_every": 1,
    }
    return TrainingSettings(**{**fast, **changes})


class TinyNetwork(Network):
    """Two layers on the amplitude of each lead.

    Parameters
    ----------
    has_state : bool
        With batch normalisation and dropout, which have buffers and random numbers.
    seed : int
        Seed of the weights.
    """

    fields = ("signals", "labels")
    n_features = 8

    def __init__(self, has_state: bool = True, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            self.first = nn.Linear(12, self.n_features)
            self.head = nn.Linear(self.n_features, N_CLASSES)
        self.norm = nn.BatchNorm1d(12) if has_state else nn.Identity()
        self.dropout = nn.Dropout(0.3 if has_state else 0.0)

    def inputs(self, batch: Batch) -> tuple[Tensor]:
        signals = batch.in_mv().signals
        assert signals is not None
        return (signals[..., ::10].std(-1),)

    def forward(self, amplitudes: Tensor) -> NetworkOutput:
        features = self.dropout(self.first(self.norm(amplitudes)).tanh())
        return NetworkOutput(self.head(features), features)


class StoppedError(Exception):
    """Raised to stop a training."""


def call_before_batches(
    network: AnyNetwork, function: Callable[[Batch], object]
) -> AnyNetwork:
    """Let a function be called with each batch that a network is about to process."""
    original = network.inputs

    def inputs(batch: Batch) -> tuple[Tensor, ...]:
        function(batch)
        return original(batch)

    network.inputs = inputs  # type: ignore[method-assign]
    return network


def count_batches(network: AnyNetwork, function: Callable[[int], object]) -> AnyNetwork:
    """Let a function be called with the number of each batch, from 0."""
    n_batches = 0

    def count(_: Batch) -> None:
        nonlocal n_batches
        n_batches += 1
        function(n_batches - 1)

    return call_before_batches(network, count)


def stopping(network: AnyNetwork, at: int) -> AnyNetwork:
    """Stop the training of a network at a batch, of training or validation."""

    def stop(number: int) -> None:
        if number == at:
            raise StoppedError

    return count_batches(network, stop)


def weights_recorder(network: Network, digests: list[str]) -> Callable[[History], None]:
    """Return a callback that appends a digest of the weights after each epoch."""
    return lambda _: digests.append(digest(network.state_dict()))


def values_of(history: History) -> list[dict[str, str]]:
    """Return the values of a history except times, as texts: NaN equals NaN."""
    return [
        {name: repr(value) for name, value in epoch.items() if name not in TIMES}
        for epoch in history.to_dict()["epochs"]
    ]


def result_of(network: nn.Module, history: History, state_file: Path) -> list[Any]:
    """Return everything that is equal, bit for bit, in two equal trainings."""
    state = torch.load(state_file, weights_only=True)
    progress = state["progress"]
    for epoch in progress["history"]["epochs"]:
        for name in TIMES:
            del epoch[name]
    assert progress["totals"] == [0, 0.0, 0, 0.0, 0.0]  # reset after an epoch
    return [
        digest(network.state_dict()),
        values_of(history),
        history.best,
        {name: digest(part) for name, part in state["parts"].items()},
        digest(state["random"]),
        digest([progress["best_weights"], progress["history"]]),
    ]
