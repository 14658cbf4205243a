"""Mixup: every record of a batch is mixed with another one."""

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.transforms.augmentation import (
    Draws,
    check_positive,
    on_device_of,
    signals_in_mv,
)

_SALT: Final = zlib.crc32(b"Mixup")

_MIXED: Final = ("signals", "labels", "targets", "features")


@dataclass(frozen=True)
class Mixup:
    """Mix every record of a batch with another one, and their labels alike.

    Signals, labels, targets and features become w times those of the record plus
    1 - w times those of another record of the batch, as in Zhang et al. 2018 (ICLR,
    arXiv:1710.09412). Everything else stays that of the record: names, columns and
    marks; w is at least 0.5. Padding begins where it begins in both, leads are missing
    that both lack, and targets and features are NaN that one lacks.

    For training only, after all other transforms. It depends on the seeds of the
    batch's records only, not on their order. So a resumed epoch is mixed identically,
    with the same batch size and number of ranks: each rank mixes its own batches.

    Parameters
    ----------
    alpha : float
        Parameter of the distribution Beta(alpha, alpha) of the weights: uniform at 1,
        near 0 and 1 for small values. The paper takes 0.1 to 0.4 for images.

    Raises
    ------
    ValueError
        If it is not a number above 0.

    Notes
    -----
    w is the larger of the two weights. As the other record is drawn at random, and
    every record is the other one of one record, the mixtures have the distribution of
    the paper; only each record is the larger part of exactly one of them.
    """

    alpha: float

    def __post_init__(self) -> None:
        check_positive("alpha", self.alpha)

    def __call__(self, batch: Batch) -> Batch:
        """Mix the records of a batch.

        Parameters
        ----------
        batch : Batch
            The batch, whose signals are changed in place.

        Returns
        -------
        Batch
            The mixed batch; a batch of one record is not changed.

        Raises
        ------
        TypeError
            If its signals are not float32.
        """
        if batch.signals is not None:
            signals_in_mv(batch, type(self).__name__)
        if len(batch) < 2:
            return batch
        draws = Draws(batch, _SALT)
        weights = self._weights(draws.uniform_array())
        others = torch.from_numpy(_others(draws.uniform_array()))
        others = others.to(batch.rows.device, non_blocking=True)
        changes: dict[str, Tensor] = {
            "n_real_samples": torch.maximum(
                batch.n_real_samples, batch.n_real_samples[others]
            )
        }
        for name in _MIXED:
            if (values := getattr(batch, name)) is not None:
                changes[name] = _mixture(
                    values, others, weights, in_place=name == "signals"
                )
        if batch.missing_leads is not None:
            changes["missing_leads"] = batch.missing_leads & batch.missing_leads[others]
        return batch.replace(**changes)

    def _weights(self, fractions: FloatArray) -> FloatArray:
        """Return every record's own weight, from numbers from 0 to 1."""
        from scipy.special import betaincinv  # slow to import

        weights = betaincinv(self.alpha, self.alpha, fractions)
        return np.maximum(weights, 1 - weights)


def _others(numbers: FloatArray) -> IntArray:
    """Return the record that each one is mixed with: the one of the next number."""
    order = np.argsort(numbers, kind="stable")
    others = np.empty(len(order), np.int64)
    others[order] = np.roll(order, -1)
    return others


def _mixture(
    values: Tensor, others: Tensor, weights: FloatArray, *, in_place: bool
) -> Tensor:
    """Return weighted means of the values of every record and of the other one.

    Multiplications and the addition are separate operations, for the reason that
    `add_noise` gives.
    """
    shape = (-1,) + (1,) * (values.ndim - 1)  # one weight for all values of a record
    own = on_device_of(values, weights).view(shape)
    rest = values[others].mul_(on_device_of(values, 1 - weights).view(shape))
    return (values.mul_(own) if in_place else values * own).add_(rest)
