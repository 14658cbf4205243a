"""What a transform does to signals, as numbers for a kernel."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeGuard, runtime_checkable

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


@runtime_checkable
class Fusible(Protocol):
    """A transform that a kernel can do together with those before and after it.

    It is also a function of a batch: that is how it is done on a GPU.
    """

    def __call__(self, batch: Batch) -> Batch:
        """Return the changed batch."""

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


@runtime_checkable
class Several(Protocol):
    """A transform that is several ones, one after the other."""

    def __call__(self, batch: Batch) -> Batch:
        """Return the changed batch."""

    def parts(self) -> Sequence[Transform]:
        """Return the transforms."""


def is_fusible(transform: Transform) -> TypeGuard[Fusible]:
    """Return whether a transform's step says what a call of it does.

    That is not so if a class derived from it has a `__call__` or an `apply` of its own.
    """
    return isinstance(transform, Fusible) and _is_as_told(transform, "step")


def single(transforms: Iterable[Transform]) -> Iterator[Transform]:
    """Yield transforms, and the parts of those that are several."""
    for transform in transforms:
        if isinstance(transform, Several) and _is_as_told(transform, "parts"):
            yield from single(transform.parts())
        else:
            yield transform


def _is_as_told(transform: Transform, method: str) -> bool:
    """Return whether no class changes a call without changing what a method tells."""
    for cls in type(transform).__mro__:
        if method in vars(cls):
            return True
        if "__call__" in vars(cls) or "apply" in vars(cls):
            return False
    return False
