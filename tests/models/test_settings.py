"""Settings of models and trainings outside their range are refused."""

import math
from typing import Any

import pytest

from ecgstore.errors import ConfigError
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.settings import (
    WITHOUT_SIGNALS,
    ModelSettings,
    TrainingSettings,
)
from ecgstore.options import options_of


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"weight_decay": -1.0},
        {"patience": 0},
        {"average_decay": 1.0},
        {"seed": -1},
        {"save_every": -1},
        {"precision": "float16"},
    ],
)
def test_training_settings_outside_their_range_are_refused(
    change: dict[str, Any],
) -> None:
    (name,) = change
    with pytest.raises(ConfigError, match=f"{name} is .*; expected"):
        TrainingSettings(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "vgg"},
        {"normalise_by": "batch"},
        {"fs": 0.0},
        {"fs": math.nan},
        {"leads": ()},
        {"leads": ("I", "I")},
        {"leads": ("I", "X")},
    ],
)
def test_model_settings_outside_their_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        ModelSettings(**change)


@pytest.mark.parametrize("settings", [ComparisonSettings(), HybridSettings()])
def test_small_networks_have_no_options_about_signals(settings: Any) -> None:
    names = {*options_of(settings)}
    of_extractors = {"crop_s", "mixup", "targets", "target_weight", "auxiliary_weight"}
    of_extractors |= {"augment", "pretrain_epochs"}
    assert of_extractors <= names
    assert {name for name in of_extractors if f"fusion_{name}" in names} == set()
    assert {*WITHOUT_SIGNALS} < {*options_of(TrainingSettings())}
