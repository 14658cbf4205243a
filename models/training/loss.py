"""The cross entropy of multi-label classes, rare ones weighted."""

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ecgstore.arrays import UInt8Array
from ecgstore.models.distributed import n_processes, sum_over_processes

_LARGEST_WEIGHT: Final = 10.0


def class_weights(labels: UInt8Array) -> Tensor:
    """Return how much a positive of each class counts beside a negative.

    Parameters
    ----------
    labels : ndarray of shape (n_records, n_classes)
        Labels of the records to learn from.

    Returns
    -------
    Tensor of shape (n_classes,)
        The square root of negatives / positives, within 1 to 10; 1 for a class without
        positives. The ratio itself would let the few positives of a rare class outweigh
        all else.

    Examples
    --------
    >>> class_weights(np.array([[1, 1], [0, 1], [0, 1], [0, 1], [0, 0]], np.uint8))
    tensor([2., 1.])
    """
    positives = labels.sum(axis=0, dtype=np.float64)
    ratio = (len(labels) - positives) / np.maximum(positives, 1)
    weights = np.clip(np.sqrt(ratio), 1, _LARGEST_WEIGHT)
    return torch.from_numpy(np.where(positives, weights, 1).astype(np.float32))


def weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean cross entropy per record and class of a batch.

    A positive counts `weights` times. Such a loss is least where the odds are that many
    times too high (maximise w p log s(z) + (1 - p) log(1 - s(z)): z = logit(p) +
    log(w)); so log(w) is added to the logits here, and those that the network learns
    are the plain ones, logit(p).

    With several processes, the gradients' mean over them is that of the whole batch,
    also where their parts differ in size.

    Parameters
    ----------
    logits : Tensor of shape (n_records, n_classes)
        Log odds.
    labels : Tensor of shape (n_records, n_classes)
        1 where a record is in a class.
    weights : Tensor of shape (n_classes,)
        From `class_weights`.
    """
    total = functional.binary_cross_entropy_with_logits(
        logits.float() + weights.log(),
        labels.to(torch.float32),
        pos_weight=weights,
        reduction="sum",
    )
    n_all = sum_over_processes(torch.tensor(float(logits.numel()), device=total.device))
    return total * n_processes() / n_all
