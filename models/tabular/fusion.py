"""The small network on handcrafted features, on deep ones, or on both."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from ecgstore.models.networks.network import Network, Output
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular.table import (
    DeepFeatures,
    Kind,
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
    """The research prototype's classifier: 256, 128 and 64 units, each with ReLU.

    Its batch normalisation and dropout of 0.3 as well; its inputs, which were scaled by
    one minimum and maximum over all records, are standardised by `TableInput`.

    Parameters
    ----------
    kinds : sequence of str
        What it is given; of `table.KINDS`.
    n_columns, n_classes : int
        Numbers of a record, and classes.
    """

    def __init__(self, kinds: Sequence[Kind], n_columns: int, n_classes: int) -> None:
        super().__init__()
        self._kinds = tuple(kinds)
        self.fields = (*fields_of(kinds), "labels")
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
        """Return the numbers of a batch's records."""
        return (table_of(batch, self._kinds),)

    def forward(self, table: Tensor) -> Output:
        """Return logits and the last layer's values: (n_records, 64).

        Parameters
        ----------
        table : Tensor of shape (n_records, n_columns)
            Numbers, NaN where missing.
        """
        features = self.layers(self.table_input(table))
        return Output(self.head(features), features)


def train_fusion(
    training: Selection,
    kinds: Sequence[Kind],
    settings: TrainingSettings,
    deep: DeepFeatures | None = None,
    *,
    device: torch.device | str = "cpu",
) -> FusionNetwork:
    """Train the small network on some records, for the number of epochs set.

    Parameters
    ----------
    training : Selection
        Records to learn from: nothing is fitted on others.
    kinds : sequence of str
        What it is given; of `table.KINDS`.
    settings : TrainingSettings
        How.
    deep : DeepFeatures, optional
        Deep features of these records, from extractors that have not seen them.
    device : torch.device or str
        Where to train.
    """
    table = read_table(training, kinds, deep)
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        network = FusionNetwork(kinds, table.shape[1], len(training.store.label_names))
    network.table_input.fit(table)
    transform = [] if deep is None else [deep]
    fit(network, training, None, settings, transform=transform, device=device)
    return network
