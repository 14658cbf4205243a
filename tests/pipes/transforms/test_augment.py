"""Several augmentations as one transform."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from ecgstore.pipes import Augment, Augmentation, Draws, Gain
from ecgstore.pipes.batch import Batch
from tests.pipes.transforms.random_batches import (
    ALL,
    contents,
    copy,
    make_batch,
    signals_of,
)


def test_two_of_the_same_class_are_independent() -> None:
    pool = make_batch(400, 1, 50, padded=False)

    def gains(transform: Any) -> Any:
        ratios = signals_of(transform(copy(pool))) / signals_of(pool)
        return np.log(ratios[:, 0, 0])

    always = Gain(probability=1)
    one, two = gains(Augment(always)), gains(Augment(always, always))
    assert abs(np.corrcoef(one, two - one)[0, 1]) < 0.15
    assert abs(np.corrcoef(one, gains(always))[0, 1]) < 0.15


def test_one_at_the_end_does_not_change_the_others() -> None:
    pool = make_batch(30)
    few = Augment(*ALL[:3])(copy(pool))
    more = Augment(*ALL[:3], Gain(probability=0))(copy(pool))
    assert all(contents(few, record) == contents(more, record) for record in range(30))


def test_seeds_are_those_of_before() -> None:
    """Or what is drawn behind several augmentations would depend on them."""
    pool = make_batch(5)
    assert np.array_equal(Augment(*ALL)(copy(pool)).seeds, pool.seeds)


def test_description_is_json_with_every_parameter() -> None:
    described = json.loads(json.dumps(Augment(Gain(probability=0.25)).describe()))
    assert described == [{"name": "Gain", "probability": 0.25, "factor": [0.8, 1.2]}]


@dataclass(frozen=True, kw_only=True)
class ReturnsNone(Augmentation):
    """An augmentation that changes a batch in place and lacks its return."""

    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Any:
        """Return None."""


def test_an_augmentation_that_returns_none_is_named() -> None:
    augment = Augment(Gain(), ReturnsNone(probability=1.0))
    with pytest.raises(
        TypeError, match=r"ReturnsNone\(.*\) returned None; expected a Ba"
    ):
        augment(make_batch(3))


def test_augment_takes_augmentations_only() -> None:
    with pytest.raises(TypeError, match="is not an augmentation; expected instances"):
        Augment(Gain)  # type: ignore[arg-type]
