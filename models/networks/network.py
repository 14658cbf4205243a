"""What every network here is, so that one function can train it and another use it."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from torch import Tensor, nn

from ecgstore.pipes import Batch


class Output(NamedTuple):
    """What a network finds in some records.

    Attributes
    ----------
    logits : Tensor of shape (n_records, n_classes)
        Log odds of each class.
    features : Tensor of shape (n_records, n_features)
        What the logits are a linear function of.
    """

    logits: Tensor
    features: Tensor


class Network(nn.Module, ABC):
    """A network that knows what it needs of a batch.

    Attributes
    ----------
    fields : tuple of str
        What a loader must read; see `ecgstore.pipes.loader`.
    n_features : int
        Length of a record's features.
    """

    fields: tuple[str, ...]
    n_features: int

    @abstractmethod
    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return what `forward` takes of a batch."""

    @abstractmethod
    def forward(self, *inputs: Any) -> Output:
        """Return logits and features of some records."""

    def __call__(self, *inputs: Any) -> Output:
        """Return what `forward` returns, with its type."""
        output: Output = super().__call__(*inputs)
        return output
