"""Settings of a comparison, without loading PyTorch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from ecgstore.errors import ConfigError, short_repr
from ecgstore.models.comparison.protocols import PROTOCOLS
from ecgstore.models.hybrid.settings import (
    LIGHT_MODEL,
    NETWORK_TRAINING,
    HybridSettings,
)
from ecgstore.models.settings import WITHOUT_SIGNALS, ModelSettings, TrainingSettings
from ecgstore.options import check, group, option, to_dict

if TYPE_CHECKING:
    from ecgstore.storage import Store

DeepInputs = Literal["logits", "features"]


def training_sizes(sizes: Sequence[str]) -> tuple[str, ...]:
    """Return numbers of training records, increasing, as texts.

    Raises
    ------
    ConfigError
        If one is no number of 10 or more.
    """
    for size in sizes:
        if not (size.isascii() and size.isdecimal() and 10 <= int(size) < 10**9):
            raise ConfigError(
                f"option learning_curve has {short_repr(size)}; expected numbers of "
                "training records, 10 or more, such as 150,300"
            )
    return tuple(str(size) for size in sorted({int(size) for size in sizes}))


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings:
    """Settings of a comparison; see docs/options.md for every one.

    The seeds of `training` and `fusion` are replaced by 0, 1, ... `n_seeds` - 1.
    Settings of the classifiers are those of `HybridSettings`, with the same defaults.

    Raises
    ------
    ConfigError
        If a value has the wrong type or is outside its range.
    """

    protocols: tuple[str, ...] = option(
        tuple(PROTOCOLS),
        "How test records are held out ("
        + "; ".join(f"{name}: {row.help}" for name, row in PROTOCOLS.items())
        + ").",
        choices=tuple(PROTOCOLS),
    )
    n_folds: int = option(
        5, "Number of outer folds of patients.", minimum=2, maximum=100
    )
    n_inner_folds: int = option(
        HybridSettings.n_inner_folds,
        "Number of inner folds of cross-fitting; every part of a hybrid is trained for "
        "each, and once more on all training records.",
        minimum=2,
        maximum=100,
    )
    n_seeds: int = option(3, "Number of random seeds.", minimum=1, maximum=1000)
    learning_curve: tuple[str, ...] = option(
        ("150", "300"),
        "Numbers of training records, in folds of patients, for a learning curve with "
        "one seed.",
        none="no learning curve",
        convert=training_sizes,
    )
    deep_inputs: DeepInputs = option(
        "logits",
        "Outputs of the extractor that the classifiers on deep features are trained "
        "on.",
    )
    age_sex: bool = option(
        HybridSettings.age_sex,
        "Add age and sex to the handcrafted features, where they are known.",
    )
    n_resamples: int = option(
        2000,
        "Number of bootstrap resamples of the patients.",
        minimum=100,
        maximum=1_000_000,
    )
    model: ModelSettings = group(LIGHT_MODEL)
    training: TrainingSettings = group(
        TrainingSettings(), without=("seed", "save_every")
    )
    fusion: TrainingSettings = group(
        NETWORK_TRAINING,
        prefix="fusion_",
        title="Small networks on features",
        without=WITHOUT_SIGNALS,
    )

    def __post_init__(self) -> None:
        check(self)

    def for_store(self, store: "Store") -> Self:
        """Return the settings with the names of the leads, also if none are given.

        Raises
        ------
        ConfigError
            If the store lacks one of the leads.
        """
        return replace(self, model=self.model.for_store(store))

    def hybrid(self, seed: int) -> HybridSettings:
        """Return the settings of the hybrids, with a seed."""
        return HybridSettings(
            n_inner_folds=self.n_inner_folds,
            age_sex=self.age_sex,
            model=self.model,
            training=replace(self.training, seed=seed),
            fusion=self.fusion,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return every setting, for JSON."""
        return to_dict(self)
