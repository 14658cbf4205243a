"""The classifiers of a comparison: their training functions and features.

To add a classifier on a table, add a row to `CLASSIFIERS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ecgstore.models.hybrid.settings import PARTS, Part

if TYPE_CHECKING:  # titles are read without PyTorch
    from ecgstore.models.tabular.fits import Kind
    from ecgstore.models.tabular.table import FeatureSet

NAMES: Final[Mapping[Part, str]] = {
    "trees": "trees",
    "network": "handcrafted",
    "extractor": "extractor",
}
"""The parts of a hybrid, as they are named in a comparison."""

PART_TITLES: Final[Mapping[Part, str]] = {
    "trees": "trees on handcrafted",
    "network": "network on handcrafted",
    "extractor": "deep network",
}


@dataclass(frozen=True, slots=True)
class Joined:
    """A classifier on deep features, or on handcrafted and deep features together.

    Attributes
    ----------
    kind : str
        How it is trained.
    feature_sets : tuple of str
        Its inputs; some of `ecgstore.models.tabular.table.FEATURE_SETS`.
    title : str
        Name in tables and plots.
    """

    kind: "Kind"
    feature_sets: "tuple[FeatureSet, ...]"
    title: str

    def inputs(self, age_sex: bool) -> "tuple[FeatureSet, ...]":
        """Return its inputs, with age and sex beside handcrafted features."""
        with_age = age_sex and "handcrafted" in self.feature_sets
        return (*self.feature_sets, "age_sex") if with_age else self.feature_sets


JOINED: Final[Mapping[str, Joined]] = {
    "deep": Joined("network", ("deep",), "network on deep"),
    "both": Joined("network", ("handcrafted", "deep"), "network on both"),
    "trees-both": Joined("trees", ("handcrafted", "deep"), "trees on both"),
}
"""The classifiers that take deep features as columns of a table, by name."""


@dataclass(frozen=True, slots=True)
class Hybrid:
    """What `ecgstore train --inputs` makes: a sum of the logits of unlike parts.

    Attributes
    ----------
    parts : tuple of str
        Its parts, the strongest first, to which the others are added.
    title : str
        Name in tables and plots.
    """

    parts: tuple[Part, ...]
    title: str


HYBRIDS: Final[Mapping[str, Hybrid]] = {
    "handcrafted-sum": Hybrid(PARTS["handcrafted"], "sum on handcrafted"),
    "hybrid": Hybrid(PARTS["both"], "hybrid"),
}
"""What is trained with each of the inputs, by name."""
