"""Train a small network on batches, and measure how long it waits for them."""

import time
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from bench.common.processes import processor_seconds
from bench.loading.workloads import Batch

N_LEADS: Final = 12


def train(batches: Iterator[Batch], steps: int) -> dict[str, Any]:
    """Train a 1-D convolutional network on float32 mV.

    The network is computed by one thread, so that on two cores one is left for loading,
    as beside a GPU. Processor time of that thread within a step is not the loader's.

    Parameters
    ----------
    batches : iterator
        Batches without end.
    steps : int
        Number of timed steps; one warm-up step comes before them.

    Returns
    -------
    dict
        Seconds: ``wall`` of all steps, ``waited`` for batches, ``replayed``: as many
        steps on one batch in memory. ``loader_cores``: processor seconds outside the
        steps, per second.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    first = next(batches)
    network = _network(int(first[2].shape[1]))
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    _step(network, optimizer, first)

    waited = in_steps = 0.0
    wall, cpu = time.perf_counter(), processor_seconds()
    for _ in range(steps):
        begin = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - begin
        begin = time.thread_time()
        _step(network, optimizer, batch)
        in_steps += time.thread_time() - begin
    wall, cpu = time.perf_counter() - wall, processor_seconds() - cpu

    begin = time.perf_counter()
    for _ in range(steps):
        _step(network, optimizer, first)
    return {
        "wall": wall,
        "waited": waited,
        "replayed": time.perf_counter() - begin,
        "loader_cores": max(0.0, cpu - in_steps) / wall,
    }


def _network(n_classes: int) -> nn.Module:
    """Return a network about as deep as small ECG classifiers."""
    layers: list[nn.Module] = []
    n_channels = N_LEADS
    for n_filters in (16, 32, 32):
        layers += [
            nn.Conv1d(n_channels, n_filters, 7, stride=4, padding=3),
            nn.BatchNorm1d(n_filters),
            nn.ReLU(),
        ]
        n_channels = n_filters
    layers += [nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(n_channels, n_classes)]
    return nn.Sequential(*layers)


def _step(network: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    """Take one step of gradient descent."""
    _, signals, labels = (torch.as_tensor(np.asarray(values)) for values in batch)
    optimizer.zero_grad()
    loss = nn.functional.binary_cross_entropy_with_logits(
        network(signals), labels.to(torch.float32)
    )
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
