"""Settings of a comparison, without loading PyTorch."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from ecgstore.models.comparison.protocols import PROTOCOLS
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.options import check, group, option, to_dict

if TYPE_CHECKING:
    from ecgstore.storage import Store

DeepInputs = Literal["logits", "features"]


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings:
    """Settings of a comparison; see docs/options.md for every one.

    The seeds of `training` and `fusion` are replaced by 0, 1, ... `n_seeds` - 1.

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
        3,
        "Number of inner folds of cross-fitting; an extractor is trained for each.",
        minimum=2,
        maximum=100,
    )
    n_seeds: int = option(5, "Number of random seeds.", minimum=1, maximum=1000)
    deep_inputs: DeepInputs = option(
        "logits",
        "Outputs of the extractor that the other classifiers are trained on.",
    )
    age_sex: bool = option(
        False, "Add age and sex to the inputs of the fusion networks and the trees."
    )
    n_resamples: int = option(
        2000,
        "Number of bootstrap resamples of the patients.",
        minimum=100,
        maximum=1_000_000,
    )
    model: ModelSettings = group(ModelSettings())
    training: TrainingSettings = group(
        TrainingSettings(), without=("seed", "save_every")
    )
    fusion: TrainingSettings = group(
        TrainingSettings(epochs=40, batch_size=64, augment=False),
        prefix="fusion_",
        title="Fusion network",
        # Without validation records there is no early stopping, and the inputs are what
        # an extractor would learn to predict.
        without=(
            "seed",
            "save_every",
            "augment",
            "patience",
            "targets",
            "target_weight",
            "auxiliary_weight",
            "pretrain_epochs",
        ),
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

    def to_dict(self) -> dict[str, Any]:
        """Return every setting, for JSON."""
        return to_dict(self)
