"""Several trainings of the small network as one, since a single one is noisy."""

from collections.abc import Sequence
from typing import Final, Self, cast

import torch
from torch import Tensor, nn

from ecgstore.models.networks.network import NetworkOutput
from ecgstore.models.tabular.fusion import FusionNetwork
from ecgstore.models.tabular.table import FeatureSet
from ecgstore.models.tabular.table_input import TableInput

N_NETWORKS: Final = 3
"""Number of trainings; their seeds alone differ."""


class MeanNetwork(nn.Module):
    """The mean of the logits of small networks that were trained on the same table.

    Parameters
    ----------
    networks : sequence of FusionNetwork
        The networks, with the same columns and classes.

    Attributes
    ----------
    n_features : int
        Number of features of a record: those of all networks, one behind the other.
    """

    def __init__(self, networks: Sequence[FusionNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.n_features = sum(network.n_features for network in networks)

    @classmethod
    def untrained(
        cls, feature_sets: Sequence[FeatureSet], n_columns: int, n_classes: int
    ) -> Self:
        """Return networks with random weights, to load others into."""
        return cls(
            [
                FusionNetwork(feature_sets, n_columns, n_classes)
                for _ in range(N_NETWORKS)
            ]
        )

    @property
    def _members(self) -> list[FusionNetwork]:
        """The networks."""
        return [cast(FusionNetwork, network) for network in self.networks]

    @property
    def table_input(self) -> TableInput:
        """The standardisation, which is the same for all networks."""
        return self._members[0].table_input

    def has_one_standardisation(self) -> bool:
        """Return whether it is, as it may not be in a file."""
        first = self.table_input.state_dict()
        return all(
            torch.equal(buffer, first[name])
            for network in self._members
            for name, buffer in network.table_input.state_dict().items()
        )

    def forward(self, table: Tensor) -> NetworkOutput:
        """Return logits and features of rows of a table; see `FusionNetwork`."""
        return self.of_standardised(self.table_input(table))

    def of_standardised(self, inputs: Tensor) -> NetworkOutput:
        """Return the same for what `table_input` returns of a table."""
        outputs = [network.of_standardised(inputs) for network in self._members]
        return NetworkOutput(
            torch.stack([output.logits for output in outputs]).mean(dim=0),
            torch.cat([output.features for output in outputs], dim=1),
        )
