"""The classifiers that a comparison compares, by what they are given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ecgstore.arrays import FloatArray
from ecgstore.models.inference.run import run_network
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular.fusion import train_fusion
from ecgstore.models.tabular.table import DeepFeatures, Kind, read_table
from ecgstore.models.tabular.trees import Trees
from ecgstore.storage import Selection

FittedClassifier = Callable[[Selection, DeepFeatures | None], FloatArray]
"""From records and their deep features to probabilities, (n_records, n_classes)."""

Learner = Callable[
    [Selection, Sequence[Kind], DeepFeatures | None, TrainingSettings], FittedClassifier
]
"""From records to learn from, and what may be known of them, to a classifier."""


def learn_network(
    training: Selection,
    kinds: Sequence[Kind],
    deep: DeepFeatures | None,
    settings: TrainingSettings,
) -> FittedClassifier:
    """Train the small network."""
    network = train_fusion(training, kinds, settings, deep)

    def classify(records: Selection, deep: DeepFeatures | None) -> FloatArray:
        transform = [] if deep is None else [deep]
        found = run_network(network, records, batch_size=1024, transform=transform)
        return found.probabilities

    return classify


def learn_trees(
    training: Selection,
    kinds: Sequence[Kind],
    deep: DeepFeatures | None,
    settings: TrainingSettings,
) -> FittedClassifier:
    """Train gradient-boosted trees; of the settings, only the seed matters to them."""
    labels = training.store.labels(rows=training.rows)
    trees = Trees(read_table(training, kinds, deep), labels, settings.seed)

    def classify(records: Selection, deep: DeepFeatures | None) -> FloatArray:
        return trees.probabilities(read_table(records, kinds, deep))

    return classify


@dataclass(frozen=True, slots=True)
class Classifier:
    """A classifier of the comparison.

    Attributes
    ----------
    learn : callable
        How it learns.
    kinds : tuple of str
        What it is given; of `table.KINDS`.
    description : str
        What it is, for tables and plots.
    """

    learn: Learner
    kinds: tuple[Kind, ...]
    description: str

    @property
    def is_deep(self) -> bool:
        """Whether it is given deep features."""
        return "deep" in self.kinds

    def with_age_and_sex(self) -> "Classifier":
        """Return the mode that is given age and sex as well."""
        return replace(self, kinds=(*self.kinds, "age_sex"))


CLASSIFIERS: Final[Mapping[str, Classifier]] = {
    "handcrafted": Classifier(
        learn_network, ("handcrafted",), "network on handcrafted"
    ),
    "deep": Classifier(learn_network, ("deep",), "network on deep"),
    "both": Classifier(learn_network, ("handcrafted", "deep"), "network on both"),
    "trees": Classifier(learn_trees, ("handcrafted",), "trees on handcrafted"),
    "trees-both": Classifier(learn_trees, ("handcrafted", "deep"), "trees on both"),
}
"""The classifiers that learn from features."""
