"""The classifiers of a comparison: their training functions and features.

To add a classifier, add a row to `CLASSIFIERS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ecgstore.models.tabular.classifiers import Fit, fit_network, fit_trees
from ecgstore.models.tabular.table import FeatureSet


@dataclass(frozen=True, slots=True)
class Classifier:
    """A classifier of the comparison.

    Attributes
    ----------
    fit : callable
        Trains it.
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
