"""Trained classifiers on tables of features."""

from dataclasses import dataclass
from typing import Protocol

import torch

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.models.networks.network import NetworkOutput
from ecgstore.models.running import fixed_batches
from ecgstore.models.tabular.forest import Forest
from ecgstore.models.tabular.mean_network import MeanNetwork


class TableClassifier(Protocol):
    """A trained classifier on a table of features."""

    def logits(self, table: Float32Array) -> FloatArray:
        """Return the logits, (n_records, n_classes), of rows as in training."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class TreesOnTable:
    """Boosted trees.

    Attributes
    ----------
    forest : Forest
        The trees.
    columns : tuple of str
        Names of the columns of the tables that it takes.
    """

    forest: Forest
    columns: tuple[str, ...]

    def logits(self, table: Float32Array) -> FloatArray:
        """Return the logits of some rows: (n_records, n_classes)."""
        places = self.forest.places(self.columns)
        return self.forest.log_odds(table[:, places])


@dataclass(frozen=True, eq=False, slots=True)
class NetworkOnTable:
    """The mean of small networks: see `ecgstore.models.tabular.mean_network`.

    Attributes
    ----------
    network : MeanNetwork
        The networks, in evaluation mode.
    columns : tuple of str
        Names of the columns of the tables that it takes.
    """

    network: MeanNetwork
    columns: tuple[str, ...]

    def logits(self, table: Float32Array) -> FloatArray:
        """Return the logits of some rows: (n_records, n_classes)."""
        return self.outputs(table).logits.double().numpy()

    @torch.inference_mode()
    def outputs(self, table: Float32Array) -> NetworkOutput:
        """Return logits and the values of the last hidden layers of some rows."""
        return fixed_batches(self.network, (torch.from_numpy(table),))
