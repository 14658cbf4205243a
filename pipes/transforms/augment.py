"""Augment batches: random changes that a record's seed determines."""

from dataclasses import replace
from typing import Any

from ecgstore.pipes.batch import Batch
from ecgstore.pipes.checks import not_none
from ecgstore.pipes.orders.permutation import mix
from ecgstore.pipes.transforms.augmentation import Augmentation, Draws
from ecgstore.pipes.transforms.noise import (
    BaselineWander,
    Powerline,
    WhiteNoise,
    WhiteNoiseAtSnr,
)
from ecgstore.pipes.transforms.signal_changes import (
    Gain,
    LeadDropout,
    TimeMask,
    TimeShift,
)

__all__ = [
    "Augment",
    "Augmentation",
    "BaselineWander",
    "Draws",
    "Gain",
    "LeadDropout",
    "Powerline",
    "TimeMask",
    "TimeShift",
    "WhiteNoise",
    "WhiteNoiseAtSnr",
]


class Augment:
    """Several augmentations, one after the other; a batch transform itself.

    Each draws its own numbers by its place, so two of a kind differ, and adding one
    at the end leaves what the others do as it was.

    Parameters
    ----------
    *augmentations : Augmentation
        In the order in which they are applied.

    Raises
    ------
    TypeError
        If one of them is no `Augmentation`.

    Examples
    --------
    >>> Augment(Gain(), TimeShift(probability=0.2))
    Augment(Gain(probability=0.5, factor=(0.8, 1.2)), TimeShift(probability=0.2, \
max_shift_s=0.5))
    """

    def __init__(self, *augmentations: Augmentation) -> None:
        for each in augmentations:
            if not isinstance(each, Augmentation):
                raise TypeError(
                    f"{each!r} is no augmentation; expected ones such as Gain() or "
                    "TimeShift(max_shift_s=0.2)"
                )
        self.augmentations = augmentations

    def __call__(self, batch: Batch) -> Batch:
        """Change a batch of float32 voltages, whose memory is used again.

        Parameters
        ----------
        batch : Batch
            Its signals are changed in place.

        Returns
        -------
        Batch
            The batch to go on with, with the seeds it came with.
        """
        seeds = batch.seeds
        for place, augmentation in enumerate(self.augmentations, start=1):
            changed = augmentation(replace(batch, seeds=mix(place, seeds)))
            batch = not_none(augmentation, changed)
        return replace(batch, seeds=seeds)

    def __repr__(self) -> str:
        return f"Augment({', '.join(map(repr, self.augmentations))})"

    def describe(self) -> list[dict[str, Any]]:
        """Return the kind and the settings of each, for a log or beside a model."""
        return [each.describe() for each in self.augmentations]
