"""Train the classifiers on tables of features, by name.

Apart from the trained ones, which are loaded without what only a training needs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular.classifiers import (
    NetworkOnTable,
    TableClassifier,
    TreesOnTable,
)
from ecgstore.models.tabular.fusion_training import train_fusion
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

Fit = Callable[
    [Selection, Sequence[FeatureSet], DeepFeatures | None, TrainingSettings],
    TableClassifier,
]
"""From training records, feature sets, deep features and settings to a classifier."""


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
