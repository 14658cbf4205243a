"""Settings of a hybrid classifier, without loading PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.options import check, group, option, to_dict

Inputs = Literal["both", "handcrafted"]
Part = Literal["trees", "network", "extractor"]

PARTS: Final[Mapping[Inputs, tuple[Part, ...]]] = {
    "both": ("trees", "network", "extractor"),
    "handcrafted": ("trees", "network"),
}
"""The classifiers whose logits are added, by inputs; the first one is the strongest."""

_FS: Final = 100.0

LIGHT_MODEL: Final = ModelSettings(model="minirocket", fs=_FS)
NETWORK_TRAINING: Final = TrainingSettings(epochs=40, batch_size=64, augment=False)
"""Defaults of the deep part, and of the network on handcrafted features."""


@dataclass(frozen=True, kw_only=True)
class HybridSettings:
    """Settings of a hybrid; see docs/options.md for every one.

    Raises
    ------
    ConfigError
        If a value has the wrong type or is outside its range.
    """

    n_inner_folds: int = option(
        5,
        "Number of inner folds of cross-fitting; every part is trained for each, and "
        "once more on all training records.",
        minimum=2,
        maximum=100,
    )
    age_sex: bool = option(
        True, "Add age and sex to the handcrafted features, where they are known."
    )
    model: ModelSettings = group(LIGHT_MODEL)
    training: TrainingSettings = group(TrainingSettings(), without=("save_every",))
    fusion: TrainingSettings = group(
        NETWORK_TRAINING,
        prefix="fusion_",
        title="Network on handcrafted features",
        # Without validation records there is no early stopping.
        without=("seed", "save_every", "crop_s", "augment", "mixup", "patience"),
    )

    def __post_init__(self) -> None:
        check(self)

    def to_dict(self) -> dict[str, Any]:
        """Return every setting, for JSON."""
        return to_dict(self)


def default_settings(fs: float) -> HybridSettings:
    """Return the default settings for a store of a sampling rate in Hz.

    Signals are decimated to 100 Hz if that is possible.
    """
    settings = HybridSettings()
    if fs % _FS == 0:
        return settings
    return replace(settings, model=replace(settings.model, fs=None))
