"""Settings of models and trainings outside their range are refused."""

import math
from typing import Any

import pytest

from ecgstore.errors import ConfigError
from ecgstore.models.settings import ModelSettings, TrainingSettings


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
