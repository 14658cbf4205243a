"""A small network on a table of handcrafted features, deep features, or both."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from ecgstore.models.networks.network import Network, NetworkOutput
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular.table import (
    DeepFeatures,
    FeatureSet,
    fields_of,
    read_table,
    table_of,
)
from ecgstore.models.tabular.table_input import TableInput
from ecgstore.models.training.fit import fit
from ecgstore.pipes import Batch
from ecgstore.storage import Selection

_WIDTHS: Final = (256, 128, 64)
_DROPOUT: Final = 0.3


class FusionNetwork(Network):
    """The classifier of the research prototype: layers of 256, 128 and 64 units.

    Each layer has batch normalisation, ReLU and a dropout of 0.3, as in the prototype.
    Inputs are standardised by `TableInput`, instead of scaled by one minimum and
    maximum over all records.

    Parameters
    ----------
    feature_sets : sequence of str
        Features that are its inputs; some of `table.FEATURE_SETS`.
    n_columns, n_classes : int
        Numbers of features and classes.
    """

    def __init__(
        self, feature_sets: Sequence[FeatureSet], n_columns: int, n_classes: int
    ) -> None:
        super().__init__()
        self._feature_sets = tuple(feature_sets)
        self.fields = (*fields_of(feature_sets), "labels")
        self.n_features = _WIDTHS[-1]
        self.table_input = TableInput(n_columns)
        layers: list[nn.Module] = []
        n_in = self.table_input.n_outputs
        for width in _WIDTHS:
            layers += [
                nn.Linear(n_in, width),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(_DROPOUT),
            ]
            n_in = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(n_in, n_classes)

    def inputs(self, batch: Batch) -> tuple[Tensor]:
        """Return the features of the records of a batch."""
        return (table_of(batch, self._feature_sets),)

    def forward(self, table: Tensor) -> NetworkOutput:
        """Return logits, and the values of the last hidden layer: (n_records, 64).

        Parameters
        ----------
        table : Tensor of shape (n_records, n_columns)
            Features, NaN where missing.
        """
        return self.of_standardised(self.table_input(table))

    def of_standardised(self, inputs: Tensor) -> NetworkOutput:
        """Return the same for what `table_input` returns of a table."""
        features = self.layers(inputs)
        return NetworkOutput(self.head(features), features)


def train_fusion(
    training: Selection,
    feature_sets: Sequence[FeatureSet],
    settings: TrainingSettings,
    deep: DeepFeatures | None = None,
    *,
    device: torch.device | str = "cpu",
) -> FusionNetwork:
    """Train a `FusionNetwork` for a fixed number of epochs.

    Parameters
    ----------
    training : Selection
        Training records; nothing is fitted on others.
    feature_sets : sequence of str
        Features that are its inputs; some of `table.FEATURE_SETS`.
    settings : TrainingSettings
        Settings of the training.
    deep : DeepFeatures, optional
        Deep features of the training records, from extractors that were not trained on
        them.
    device : torch.device or str
        Device of the training.
    """
    table = read_table(training, feature_sets, deep)
    n_classes = len(training.store.label_names)
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        network = FusionNetwork(feature_sets, table.shape[1], n_classes)
    network.table_input.fit(table)
    transform = [] if deep is None else [deep]
    fit(network, training, None, settings, transform=transform, device=device)
    return network
