"""What a training minimises: a loss of the outputs of a network for a batch.

An objective is a module, since it may have layers of its own: they are trained with the
network, saved in the state of the training, and dropped at its end.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ecgstore.models.networks.network import NetworkOutput
from ecgstore.models.networks.target_head import TargetHead
from ecgstore.models.training.loss import mean_huber_loss, weighted_loss
from ecgstore.pipes import Batch


class Objective(nn.Module, ABC):
    """A loss that `fit` minimises.

    Attributes
    ----------
    fields : tuple of str
        Fields that a loader must read for it, besides the inputs of the network.
    """

    fields: tuple[str, ...]

    @abstractmethod
    def forward(self, output: NetworkOutput, batch: Batch) -> Tensor:
        """Return the mean loss of the records of a batch."""

    def __call__(self, *inputs: Any, **named_inputs: Any) -> Tensor:
        """Call `forward`, with its return type."""
        loss: Tensor = super().__call__(*inputs, **named_inputs)
        return loss


class ClassObjective(Objective):
    """The cross entropy of the classes, with higher weights for rare ones.

    Parameters
    ----------
    weights : Tensor of shape (n_classes,)
        Weight of the positives of each class; see `weighted_loss`.
    """

    fields = ("labels",)
    weights: Tensor

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, output: NetworkOutput, batch: Batch) -> Tensor:
        """Return the weighted cross entropy per record and class."""
        assert batch.labels is not None  # one of `fields`
        return weighted_loss(output.logits, batch.labels, self.weights)


class NumberObjective(Objective):
    """The Huber loss of standardised numbers, over those that are known.

    Parameters
    ----------
    head : TargetHead
        The layer that predicts them from the features; of the network, or one that is
        only for the training.
    field : {"features", "targets"}
        The field of a batch that has the numbers.
    columns : sequence of int
        The columns of the field that are predicted.
    clip_sd : float, optional
        Standardised numbers are clipped here; not at all if left out.
    """

    def __init__(
        self,
        head: TargetHead,
        field: Literal["features", "targets"],
        columns: Sequence[int],
        clip_sd: float | None = None,
    ) -> None:
        super().__init__()
        self.fields = (field,)
        self.head = head
        self._columns = [*columns]
        self._clip_sd = clip_sd

    def forward(self, output: NetworkOutput, batch: Batch) -> Tensor:
        """Return the mean Huber loss of the known numbers."""
        values: Tensor = getattr(batch, self.fields[0])
        expected = self.head.standardised(values[:, self._columns])
        # Before clipping: an infinite number is no large one, but missing.
        known = expected.isfinite()
        if self._clip_sd is not None:
            expected = expected.clamp(-self._clip_sd, self._clip_sd)
        return mean_huber_loss(self.head(output.features), expected, known)


class WeightedSum(Objective):
    """A weighted sum of objectives.

    Parameters
    ----------
    parts : sequence of tuple
        Weight and objective, of each part.
    """

    def __init__(self, parts: Sequence[tuple[float, Objective]]) -> None:
        super().__init__()
        self._weights = [weight for weight, _ in parts]
        self.parts = nn.ModuleList(part for _, part in parts)
        self.fields = tuple(
            dict.fromkeys(field for _, part in parts for field in part.fields)
        )

    def forward(self, output: NetworkOutput, batch: Batch) -> Tensor:
        """Return the weighted sum of the losses."""
        losses = [
            weight * part(output, batch)
            for weight, part in zip(self._weights, self.parts, strict=True)
        ]
        return torch.stack(losses).sum()
