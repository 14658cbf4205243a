"""Several augmentations as one transform."""

from dataclasses import dataclass
from typing import Any, cast

from ecgstore.pipes.arguments import require_same_type
from ecgstore.pipes.batch import Batch, Transform
from ecgstore.pipes.fusing.fused import fuse
from ecgstore.pipes.fusing.steps import Fusible, Several, Step, is_fusible
from ecgstore.pipes.orders.random_numbers import mixed_seeds
from ecgstore.pipes.transforms.augmentation import Augmentation


class Augment(Several):
    """Several augmentations, one after the other, as one batch transform.

    Each augmentation draws random numbers that depend on its position in the list. So
    two of the same class are independent, and adding one at the end does not change the
    others.

    Parameters
    ----------
    *augmentations : Augmentation
        In the order in which they are applied.

    Raises
    ------
    TypeError
        If one of them is not an `Augmentation`.

    Examples
    --------
    >>> from ecgstore.pipes import Gain, TimeShift
    >>> Augment(Gain(), TimeShift(probability=0.2))
    Augment(Gain(probability=0.5, factor=(0.8, 1.2)), TimeShift(probability=0.2, \
max_shift_s=0.5))
    """

    def __init__(self, *augmentations: Augmentation) -> None:
        for augmentation in augmentations:
            if not isinstance(augmentation, Augmentation):
                raise TypeError(
                    f"{augmentation!r} is not an augmentation; expected instances such "
                    "as Gain() or TimeShift(max_shift_s=0.2)"
                )
        self.augmentations = augmentations
        self._fused = fuse(self.parts())

    def __call__(self, batch: Batch) -> Batch:
        """Augment a batch of float32 voltages.

        Parameters
        ----------
        batch : Batch
            The batch, whose signals are changed in place.

        Returns
        -------
        Batch
            The augmented batch, with the same seeds; do not use the old one any more.
        """
        for transform in self._fused:
            batch = require_same_type(transform, batch)
        return batch

    def parts(self) -> list[Transform]:
        """Return the augmentations, each with random numbers of its own."""
        return [
            (_FusibleSeeded if is_fusible(augmentation) else _Seeded)(
                number, augmentation
            )
            for number, augmentation in enumerate(self.augmentations, start=1)
        ]

    def __repr__(self) -> str:
        return f"Augment({', '.join(map(repr, self.augmentations))})"

    def describe(self) -> list[dict[str, Any]]:
        """Return name and parameters of each augmentation, for a log or checkpoint."""
        return [augmentation.describe() for augmentation in self.augmentations]


@dataclass(frozen=True, slots=True)
class _Seeded:
    """An augmentation with random numbers that depend on its position in a list."""

    number: int
    augmentation: Augmentation

    def __call__(self, batch: Batch) -> Batch:
        """Return the augmented batch, with the same seeds."""
        changed = require_same_type(self.augmentation, self._seeded(batch))
        return changed.replace(seeds=batch.seeds)

    def _seeded(self, batch: Batch) -> Batch:
        """Return the batch with seeds of this augmentation."""
        return batch.replace(seeds=mixed_seeds(self.number, batch.seeds))


class _FusibleSeeded(_Seeded, Fusible):
    """The same of an augmentation that a kernel can do."""

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the step of the augmentation."""
        augmentation = cast("Fusible", self.augmentation)
        step, changed = augmentation.step(self._seeded(batch))
        return step, changed.replace(seeds=batch.seeds)
