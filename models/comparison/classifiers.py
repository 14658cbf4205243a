"""The classifiers of a comparison: their training functions and features.

To add a classifier, add a row to `CLASSIFIERS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.models.running import run_network
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular.fusion import train_fusion
from ecgstore.models.tabular.table import (
    DeepFeatures,
    FeatureSet,
    columns_of,
    read_table,
)
from ecgstore.models.tabular.trees import Trees
from ecgstore.storage import Selection

Predict = Callable[[Selection, DeepFeatures | None], FloatArray]
"""From records and their deep features to probabilities, (n_records, n_classes)."""

Fit = Callable[
    [Selection, Sequence[FeatureSet], DeepFeatures | None, TrainingSettings], Predict
]
"""From training records, feature sets, deep features and settings to a function that
predicts."""


def fit_network(
    training: Selection,
    feature_sets: Sequence[FeatureSet],
    deep: DeepFeatures | None,
    settings: TrainingSettings,
) -> Predict:
    """Train the small network of `ecgstore.models.tabular.fusion`."""
    network = train_fusion(training, feature_sets, settings, deep)

    def predict(records: Selection, deep: DeepFeatures | None) -> FloatArray:
        transform = [] if deep is None else [deep]
        outputs = run_network(network, records, batch_size=1024, transform=transform)
        return outputs.probabilities

    return predict


def fit_trees(
    training: Selection,
    feature_sets: Sequence[FeatureSet],
    deep: DeepFeatures | None,
    settings: TrainingSettings,
) -> Predict:
    """Train gradient-boosted trees; of the settings, they use the seed only."""
    store = training.store
    trees = Trees(
        read_table(training, feature_sets, deep),
        columns_of(store, feature_sets, deep),
        store.labels(rows=training.rows, dtype=np.uint8),
        store.label_names,
        settings.seed,
    )

    def predict(records: Selection, deep: DeepFeatures | None) -> FloatArray:
        return trees.probabilities(read_table(records, feature_sets, deep))

    return predict


@dataclass(frozen=True, slots=True)
class Classifier:
    """A classifier of the comparison.

    Attributes
    ----------
    fit : callable
        Trains it; returns a function that predicts.
    feature_sets : tuple of str
        Its inputs; some of `ecgstore.models.tabular.table.FEATURE_SETS`.
    title : str
        Name in tables and plots.
    """

    fit: Fit
    feature_sets: tuple[FeatureSet, ...]
    title: str

    @property
    def uses_deep_features(self) -> bool:
        """Whether deep features are among its inputs."""
        return "deep" in self.feature_sets

    def with_age_and_sex(self) -> "Classifier":
        """Return the classifier with age and sex as additional inputs."""
        return replace(self, feature_sets=(*self.feature_sets, "age_sex"))


CLASSIFIERS: Final[Mapping[str, Classifier]] = {
    "handcrafted": Classifier(fit_network, ("handcrafted",), "network on handcrafted"),
    "deep": Classifier(fit_network, ("deep",), "network on deep"),
    "both": Classifier(fit_network, ("handcrafted", "deep"), "network on both"),
    "trees": Classifier(fit_trees, ("handcrafted",), "trees on handcrafted"),
    "trees-both": Classifier(fit_trees, ("handcrafted", "deep"), "trees on both"),
}
"""The classifiers on tables of features, by name."""

EXTRACTOR: Final = "extractor"
"""The deep network on signals, whose outputs are deep features."""


@dataclass(frozen=True, slots=True)
class Fused:
    """A sum of logits of classifiers (`ecgstore.models.tabular.logit_fusion`).

    Attributes
    ----------
    parts : tuple of str
        Names of the classifiers, the strongest first, to which the others are added.
    title : str
        Name in tables and plots.
    """

    parts: tuple[str, ...]
    title: str


FUSED: Final[Mapping[str, Fused]] = {
    "fused": Fused(("trees", "handcrafted", EXTRACTOR), "trees + networks"),
}
"""Sums of the logits of unlike classifiers, by name."""
