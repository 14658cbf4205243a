"""Train the classifiers on tables of features, by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

import numpy as np
import torch

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.models.networks.network import NetworkOutput
from ecgstore.models.running import fixed_batches
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular.forest import Forest
from ecgstore.models.tabular.fusion import train_fusion
from ecgstore.models.tabular.mean_network import N_NETWORKS, MeanNetwork
from ecgstore.models.tabular.table import (
    DeepFeatures,
    FeatureSet,
    columns_of,
    read_table,
)
from ecgstore.models.tabular.trees import fit_forest
from ecgstore.storage import Selection

Kind = Literal["trees", "network"]


class TableClassifier(Protocol):
    """A trained classifier on a table of features."""

    def logits(self, table: Float32Array) -> FloatArray:
        """Return the logits, (n_records, n_classes), of rows as in training."""
        ...


Fit = Callable[
    [Selection, Sequence[FeatureSet], DeepFeatures | None, TrainingSettings],
    TableClassifier,
]
"""From training records, feature sets, deep features and settings to a classifier."""


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


def fit_network(
    training: Selection,
    feature_sets: Sequence[FeatureSet],
    deep: DeepFeatures | None,
    settings: TrainingSettings,
) -> NetworkOnTable:
    """Train the small network of `ecgstore.models.tabular.fusion` several times."""
    seeds = np.random.SeedSequence(settings.seed).generate_state(N_NETWORKS)
    networks = [
        train_fusion(training, feature_sets, replace(settings, seed=int(seed)), deep)
        for seed in seeds
    ]
    columns = columns_of(training.store, feature_sets, deep)
    return NetworkOnTable(MeanNetwork(networks).eval(), tuple(columns))


def fit_trees(
    training: Selection,
    feature_sets: Sequence[FeatureSet],
    deep: DeepFeatures | None,
    settings: TrainingSettings,
) -> TreesOnTable:
    """Train gradient-boosted trees; of the settings, they use the seed only."""
    store = training.store
    columns = columns_of(store, feature_sets, deep)
    forest = fit_forest(
        read_table(training, feature_sets, deep),
        columns,
        store.labels(rows=training.rows, dtype=np.uint8),
        store.label_names,
        settings.seed,
    )
    return TreesOnTable(forest, tuple(columns))


FITS: Final[Mapping[Kind, Fit]] = {"trees": fit_trees, "network": fit_network}
"""The functions that train them, by kind."""
