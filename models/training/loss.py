"""Cross entropy of multi-label classes, with higher weights for rare ones."""

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ecgstore.arrays import UInt8Array
from ecgstore.models.distributed import n_processes, sum_over_processes

_LARGEST_WEIGHT: Final = 10.0


def class_weights(labels: UInt8Array) -> Tensor:
    """Return the weight of positives of each class relative to negatives.

    Parameters
    ----------
    labels : ndarray of shape (n_records, n_classes)
        Labels of the training records.

    Returns
    -------
    Tensor of shape (n_classes,)
        The square root of negatives / positives, clipped to 1 to 10; 1 for a class
        without positives. With the ratio itself, the few positives of a rare class
        would dominate the loss.

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

    A positive counts w = `weights` times. The minimum of such a loss is at odds that
    are w times too high (w p log s(z) + (1 - p) log(1 - s(z)) is largest at z =
    logit(p) + log(w)); so log(w) is added to the logits here, and the logits of the
    network converge to logit(p).

    With several processes, the mean of their gradients is the gradient of the whole
    batch, also if their parts of it differ in size.

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
