"""What a transform does to signals, as numbers for a kernel."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final, TypeGuard

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.pipes.batch import Batch, Transform

NO_CONSTANTS: Final[Float32Array] = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class Step:
    """What a kernel does to the signals of a batch.

    Attributes
    ----------
    code : int
        Which of the steps of `_step_kernels`.
    numbers : ndarray of shape (n_records, n)
        Its numbers of every record, float64: what they are is said there.
    constants : ndarray of shape (n,)
        Its numbers of all records.
    size : int
        What that is depends on the step.
    n_scratch : int
        Rows of memory that it needs, each as long as a lead.
    """

    code: int
    numbers: FloatArray
    constants: Float32Array = field(default_factory=lambda: NO_CONSTANTS)
    size: int = 0
    n_scratch: int = 0


class Fusible(ABC):
    """A transform that a kernel can do together with those before and after it.

    It is also a function of a batch: that is how it is done on a GPU.
    """

    @abstractmethod
    def __call__(self, batch: Batch) -> Batch:
        """Return the changed batch."""

    @abstractmethod
    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return what to do to the signals, and the batch with all else changed.

        Parameters
        ----------
        batch : Batch
            The batch before this transform. Its signals have the right shape and type,
            and no values: they are on the device "meta".

        Returns
        -------
        step : Step or None
            None if the signals are not changed.
        batch : Batch
            The batch after it; its signals are on the device "meta", too.

        Raises
        ------
        TypeError, ValueError
            As for a call with such a batch.
        """


class Several(ABC):
    """A transform that is several ones, one after the other."""

    @abstractmethod
    def __call__(self, batch: Batch) -> Batch:
        """Return the changed batch."""

    @abstractmethod
    def parts(self) -> Sequence[Transform]:
        """Return the transforms."""


def is_fusible(transform: Transform) -> TypeGuard[Fusible]:
    """Return whether a transform's step says what a call of it does.

    That is not so if a class derived from it overrides its call or a public method.
    """
    return isinstance(transform, Fusible) and _is_as_told(transform, "step")


def single(transforms: Iterable[Transform]) -> Iterator[Transform]:
    """Yield transforms, and the parts of those that are several."""
    for transform in transforms:
        if isinstance(transform, Several) and _is_as_told(transform, "parts"):
            yield from single(transform.parts())
        else:
            yield transform


def _is_as_told(transform: Fusible | Several, method: str) -> bool:
    """Return whether no class changes what is done without changing what is told."""
    derived = list(
        takewhile(lambda cls: method not in vars(cls), type(transform).__mro__)
    )
    told_by = type(transform).__mro__[len(derived)]
    return not any(
        callable(value)
        and hasattr(told_by, name)
        and (name == "__call__" or not name.startswith("_"))
        for cls in derived
        for name, value in vars(cls).items()
    )
