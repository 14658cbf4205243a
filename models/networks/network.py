"""The interface of networks: all are trained by `fit` and run by `run_network`."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from torch import Tensor, nn

from ecgstore.pipes import Batch


class NetworkOutput(NamedTuple):
    """The result of a network for some records.

    Attributes
    ----------
    logits : Tensor of shape (n_records, n_classes)
        Log odds of each class.
    features : Tensor of shape (n_records, n_features)
        Inputs of the linear layer that computes the logits.
    """

    logits: Tensor
    features: Tensor


class Network(nn.Module, ABC):
    """A network that selects its own inputs from a batch.

    Attributes
    ----------
    fields : tuple of str
        Fields that a loader must read for it; see `ecgstore.pipes.loader`.
    n_features : int
        Number of features of a record.
    """

    fields: tuple[str, ...]
    n_features: int

    @abstractmethod
    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the positional arguments of `forward` for a batch."""

    @abstractmethod
    def forward(self, *inputs: Any, **named_inputs: Any) -> NetworkOutput:
        """Return logits and features of some records."""

    def targets(self, features: Tensor) -> Tensor | None:
        """Return predicted targets in their units; None if it predicts none.

        Parameters
        ----------
        features : Tensor of shape (n_records, n_features)
            The features that `forward` returned.
        """
        return None

    def __call__(self, *inputs: Any, **named_inputs: Any) -> NetworkOutput:
        """Call `forward`, with its return type."""
        output: NetworkOutput = super().__call__(*inputs, **named_inputs)
        return output
