"""A small network on a table of handcrafted features, deep features, or both."""

from collections.abc import Sequence
from typing import Final

from torch import Tensor, nn

from ecgstore.models.networks.network import Network, NetworkOutput
from ecgstore.models.tabular.table import FeatureSet, fields_of, table_of
from ecgstore.models.tabular.table_input import TableInput
from ecgstore.pipes.batch import Batch

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
