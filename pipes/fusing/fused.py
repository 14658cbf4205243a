"""Several transforms as one, done to a record while it is in the cache."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray
from ecgstore.pipes.arguments import require_same_type
from ecgstore.pipes.batch import Batch, Transform
from ecgstore.pipes.fusing._codes_of_kernels import DECIMATE, ROOM
from ecgstore.pipes.fusing.steps import (
    NO_CONSTANTS,
    Fusible,
    Step,
    is_fusible,
    single,
)
from ecgstore.pipes.plain_tensors import is_plain


@dataclass(frozen=True, slots=True)
class Plan:
    """What a kernel is to do to the signals of a batch.

    Attributes
    ----------
    batch : Batch
        The batch after it; its signals have no values and are on the device "meta".
    n_samples : int
        Length of the signals before it.
    program, sizes : ndarray
        The steps and the memory they need; see `_step_kernels`.
    numbers, constants : ndarray
        The numbers of each record and of all records.
    missing : ndarray of shape (n_records, n_leads)
        Which leads each record lacks.
    """

    batch: Batch
    n_samples: int
    program: IntArray
    sizes: IntArray
    numbers: FloatArray
    constants: Float32Array
    missing: BoolArray

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the signals after it."""
        assert self.batch.signals is not None
        return tuple(self.batch.signals.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the signals after it: int16 only if nothing is done to them."""
        assert self.batch.signals is not None
        is_count = self.batch.signals.dtype == torch.int16
        return np.dtype(np.int16 if is_count else np.float32)

    def arguments(
        self,
        source: Any,
        begins: IntArray,
        pieces: IntArray,
        scale: float,
        out: Float32Array,
        *,
        in_place: bool = False,
    ) -> tuple[Any, ...]:
        """Return the arguments of the kernel; see `_step_kernels.run`."""
        return (
            *(source, begins, pieces, self.n_samples, np.float32(scale), self.missing),
            *(self.program, self.numbers, self.constants, self.sizes),
            *(in_place, out, np.zeros(1, np.int64)),
        )


_Joined = tuple[tuple[Float32Array, ...], Float32Array]
"""Constants of steps, and the same in one array."""


class Fused:
    """Transforms, one after the other, that a kernel does in one pass over the signals.

    Parameters
    ----------
    *transforms : Fusible
        In the order in which they are applied.
    """

    def __init__(self, *transforms: Fusible) -> None:
        self.transforms = transforms
        # Assigned at once, because several threads may use this object.
        self._joined_parts: _Joined = ((), NO_CONSTANTS)

    def __call__(self, batch: Batch) -> Batch:
        """Return the changed batch; its signals may be changed in place."""
        done = self.by_kernel(batch)
        if done is not None:
            return done
        for transform in self.transforms:
            batch = require_same_type(transform, batch)
        return batch

    def __repr__(self) -> str:
        return f"Fused({', '.join(map(repr, self.transforms))})"

    def by_kernel(self, batch: Batch) -> Batch | None:
        """Return the changed batch; None if its signals are not for a kernel."""
        signals = batch.signals
        if signals is None or not _is_readable(signals):
            return None
        plan = self.plan(batch.replace(signals=signals.to("meta")))
        assert plan.batch.signals is not None
        if not len(plan.program) and plan.batch.signals.dtype == signals.dtype:
            return plan.batch.replace(signals=signals)
        from ecgstore.pipes.fusing import _step_kernels as kernels  # loads numba

        n_records, n_leads, n_samples = signals.shape
        in_place = signals.dtype == torch.float32 and plan.shape == signals.shape
        out = signals if in_place else torch.empty(plan.shape)
        kernels.run(
            *plan.arguments(
                signals.numpy().reshape(-1),
                np.arange(n_records) * (n_leads * n_samples),
                np.arange(n_leads) * n_samples,
                1.0 if signals.dtype == torch.float32 else batch.mv_per_count,
                out.numpy(),
                in_place=in_place,
            )
        )
        return plan.batch.replace(signals=out)

    def plan(self, batch: Batch) -> Plan:
        """Return what a kernel is to do, and the batch after it.

        Parameters
        ----------
        batch : Batch
            The batch before; its signals have no values and are on the device "meta".

        Raises
        ------
        TypeError, ValueError
            As for a call of the transforms.
        """
        assert batch.signals is not None
        n_records, n_leads, n_samples = batch.signals.shape
        missing = np.zeros((n_records, n_leads), np.bool_)
        if batch.missing_leads is not None:
            missing = batch.missing_leads.numpy()
            if missing.shape != (n_records, n_leads):
                raise ValueError(
                    f"missing_leads of a batch has shape {[*missing.shape]}; expected "
                    f"{[n_records, n_leads]} as for its signals: a transform that "
                    "changes the leads must change it, too"
                )
        program: list[tuple[int, ...]] = []
        steps: list[Step] = []
        column = constant = scratch = n_taps = n_sorted = 0
        length = n_samples
        for transform in self.transforms:
            step, batch = transform.step(batch)
            if step is None:
                continue
            program.append((step.code, column, constant, step.size, scratch))
            steps.append(step)
            column += step.numbers.shape[1]
            constant += len(step.constants)
            scratch += step.n_scratch
            assert batch.signals is not None
            if step.code == DECIMATE:
                n_taps = max(n_taps, len(step.constants))
                room = (ROOM + 1) * step.size + n_taps
                n_sorted = max(n_sorted, length + room)
                length = batch.signals.shape[-1]
        return Plan(
            batch=batch,
            n_samples=n_samples,
            program=np.array(program, np.int64).reshape(len(program), 5),
            sizes=np.array([n_samples + ROOM, scratch, n_taps, n_sorted], np.int64),
            numbers=np.concatenate(
                [np.empty((n_records, 0)), *(step.numbers for step in steps)], axis=1
            ),
            constants=self._joined([step.constants for step in steps]),
            missing=missing,
        )

    def _joined(self, parts: Sequence[Float32Array]) -> Float32Array:
        """Return constants one after the other; mostly they are those of before."""
        known, joined = self._joined_parts
        if [*map(_place, parts)] != [*map(_place, known)]:
            joined = np.concatenate([NO_CONSTANTS, *parts])
            self._joined_parts = (tuple(parts), joined)
        return joined


def _place(array: Float32Array) -> tuple[int, int]:
    """Return address and size of an array, by which it is known while it exists."""
    return array.__array_interface__["data"][0], array.size


def fuse(transforms: Iterable[Transform]) -> list[Transform]:
    """Return the same transforms, with those that follow each other fused.

    Parameters
    ----------
    transforms : iterable of callable
        Functions from a batch to a batch. A function that is not `Fusible` ends a run
        of those that are.
    """
    result: list[Transform] = []
    run: list[Fusible] = []
    for transform in single(transforms):
        if is_fusible(transform):
            run.append(transform)
            continue
        if run:
            result.append(Fused(*run))
        run = []
        result.append(transform)
    return [*result, Fused(*run)] if run else result


def _is_readable(signals: Tensor) -> bool:
    """Return whether a kernel can read signals: plain voltages or counts, in a row."""
    return signals.is_contiguous() and is_plain(signals, torch.float32, torch.int16)
