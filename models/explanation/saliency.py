"""What each sample of a signal adds to a logit of a network: integrated gradients.

Sundararajan et al. 2017, ICML, PMLR 70:3319-3328. The gradients along the straight way
from a baseline to the signal are averaged, and multiplied by the way.

The baseline is a signal of zeros, and the mean and the standard deviation by which the
network normalises are those of the record all along the way. If they were computed anew
at each of its points, half a signal would be as the whole one, down to one of some uV:
the network would not see the way, and the gradients on it would say nothing.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import FloatArray
from ecgstore.models.networks.extractor import Extractor
from ecgstore.pipes.batch import Batch

_LEAST_STEPS: Final = 32
_MOST_STEPS: Final = 1024
_AT_ONCE: Final = 16
"""Points on the way in one batch."""

_TOLERANCE: Final = 0.01
"""Largest error of the sum that needs no smaller steps, in log-odds and as a share of
the difference of the logits."""


@dataclass(frozen=True, eq=False, slots=True)
class Saliency:
    """What each sample of a signal adds to a logit.

    Attributes
    ----------
    values : ndarray of shape (n_leads, n_samples)
        In log-odds; 0 in padding and in leads that the record lacks.
    logit : float
        The logit of the signal.
    baseline_logit : float
        The logit of a signal of zeros. It and the values sum to the logit, up to the
        error of the integration.
    """

    values: FloatArray
    logit: float
    baseline_logit: float

    @property
    def error(self) -> float:
        """By how much the sum differs from the logit."""
        return float(self.baseline_logit + self.values.sum() - self.logit)


def integrated_gradients(network: Extractor, batch: Batch, place: int) -> Saliency:
    """Return what each sample of a record adds to the logit of a class.

    The steps of the integration are halved until the values sum to the difference of
    the logits within 0.01 or 1 %, or there are 1024 of them.

    Parameters
    ----------
    network : Extractor
        A trained network. It is run in evaluation mode; its mode is restored.
    batch : Batch
        One record, with its signals, as the network takes them.
    place : int
        Place of the class among the logits.

    Raises
    ------
    EcgStoreError
        If the signals have another sampling rate or other leads than the network was
        made for.
    ValueError
        If the batch has more or fewer than one record.
    """
    if len(batch) != 1:
        raise ValueError(f"the batch has {len(batch)} records; expected one")
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            values, mask = network.normalised(*network.inputs(batch))
            return _integrated(network, values.detach(), mask, place)
    finally:
        network.train(was_training)


def _integrated(
    network: Extractor, values: Tensor, mask: Tensor | None, place: int
) -> Saliency:
    """Integrate with as many steps as needed; `values` are normalised."""
    with torch.no_grad():
        both = torch.cat([values, torch.zeros_like(values)])
        logits = network.of_normalised(both, _repeated(mask, 2)).logits[:, place]
    logit, baseline_logit = logits.double().tolist()
    n_steps = _LEAST_STEPS
    while True:
        mean = _mean_gradient(network, values, mask, place, n_steps)
        products = values[0].double() * mean
        saliency = Saliency(products.cpu().numpy(), logit, baseline_logit)
        tolerated = _TOLERANCE * max(1.0, abs(logit - baseline_logit))
        if abs(saliency.error) <= tolerated or n_steps >= _MOST_STEPS:
            return saliency
        n_steps *= 2


def _mean_gradient(
    network: Extractor, values: Tensor, mask: Tensor | None, place: int, n_steps: int
) -> Tensor:
    """Return the mean gradient at the middles of equal steps: (n_leads, n_samples)."""
    total = torch.zeros_like(values[0], dtype=torch.float64)
    for middles in np.array_split(
        (np.arange(n_steps) + 0.5) / n_steps, n_steps // _AT_ONCE
    ):
        scales = torch.from_numpy(middles).to(values)
        points = (scales[:, None, None] * values).requires_grad_()
        logits = network.of_normalised(points, _repeated(mask, len(points))).logits
        (gradients,) = torch.autograd.grad(logits[:, place].sum(), points)
        total += gradients.sum(0, dtype=torch.float64)
    return total / n_steps


def _repeated(mask: Tensor | None, n_times: int) -> Tensor | None:
    """Return the mask of one record for several copies of it."""
    return None if mask is None else mask.expand(n_times, -1, -1)
