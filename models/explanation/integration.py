"""What each input adds to an output of a network: integrated gradients.

Sundararajan et al. 2017, ICML, PMLR 70:3319-3328. The gradients along the straight way
from a baseline of zeros to the inputs are averaged, and multiplied by the inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import FloatArray

_LEAST_STEPS: Final = 32
_MOST_STEPS: Final = 1024
_AT_ONCE: Final = 16
"""Points on the way in one batch."""


@dataclass(frozen=True, eq=False, slots=True)
class Attribution:
    """What each input of a network adds to a logit.

    Attributes
    ----------
    values : ndarray
        In log-odds, of the shape of the inputs.
    logit : float
        The logit of the inputs.
    baseline_logit : float
        The logit of the baseline. It and the values sum to the logit, up to the error
        of the integration.
    """

    values: FloatArray
    logit: float
    baseline_logit: float

    @property
    def error(self) -> float:
        """By how much the sum differs from the logit."""
        return float(self.baseline_logit + self.values.sum() - self.logit)


def integrate(
    logit_of: Callable[[Tensor], Tensor], values: Tensor, tolerance: float
) -> Attribution:
    """Return what each input adds, with as many steps as needed.

    Steps are halved until the values sum to the difference of the logits within the
    tolerance, or there are 1024 of them.

    Parameters
    ----------
    logit_of : callable
        From inputs (n_points, ...) to logits of one class (n_points,). Points must not
        depend on each other, as in a network in evaluation mode.
    values : Tensor of shape (1, ...)
        The inputs of one record.
    tolerance : float
        Largest error of the sum, in log-odds and as a share of the difference.
    """
    values = values.detach()
    with torch.no_grad():
        logits = logit_of(torch.cat([values, torch.zeros_like(values)]))
    logit, baseline_logit = logits.double().tolist()
    tolerated = tolerance * max(1.0, abs(logit - baseline_logit))
    n_steps = _LEAST_STEPS
    while True:
        products = values[0].double() * _mean_gradient(logit_of, values, n_steps)
        found = Attribution(products.cpu().numpy(), logit, baseline_logit)
        if abs(found.error) <= tolerated or n_steps >= _MOST_STEPS:
            return found
        n_steps *= 2


def _mean_gradient(
    logit_of: Callable[[Tensor], Tensor], values: Tensor, n_steps: int
) -> Tensor:
    """Return the mean gradient at the middles of equal steps, of one record's shape."""
    total = torch.zeros_like(values[0], dtype=torch.float64)
    for middles in np.array_split(
        (np.arange(n_steps) + 0.5) / n_steps, n_steps // _AT_ONCE
    ):
        scales = torch.from_numpy(middles).to(values)
        scales = scales.reshape(-1, *[1] * (values.ndim - 1))
        points = (scales * values).requires_grad_()
        (gradients,) = torch.autograd.grad(logit_of(points).sum(), points)
        total += gradients.sum(0, dtype=torch.float64)
    return total / n_steps
