"""Losses of a batch: cross entropy of classes, and Huber loss of numbers."""

import torch
from torch import Tensor
from torch.nn import functional

from ecgstore.models.distributed import n_processes, sum_over_processes


def weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean cross entropy per record and class of a batch.

    A positive counts w = `weights` times. The minimum of such a loss is at odds that
    are w times too high (w p log s(z) + (1 - p) log(1 - s(z)) is largest at z =
    logit(p) + log(w)); so log(w) is added to the logits here, and the logits of the
    network converge to logit(p).

    The loss is linear in the labels: that of mixed labels is the mixture of the losses
    of both records, as mixup has it.

    With several processes, the mean of their gradients is the gradient of the whole
    batch, also if their parts of it differ in size.

    Parameters
    ----------
    logits : Tensor of shape (n_records, n_classes)
        Log odds.
    labels : Tensor of shape (n_records, n_classes)
        1 where a record is in a class, else 0, or a mixture of both; float32.
    weights : Tensor of shape (n_classes,)
        From `Store.class_weights`.
    """
    total = functional.binary_cross_entropy_with_logits(
        logits.float() + weights.log(),
        labels,
        pos_weight=weights,
        reduction="sum",
    )
    n_all = sum_over_processes(torch.tensor(float(logits.numel()), device=total.device))
    return total * n_processes() / n_all


def mean_huber_loss(predicted: Tensor, expected: Tensor, known: Tensor) -> Tensor:
    """Return the mean Huber loss of the known numbers of a batch; 0 if there are none.

    The loss is half the square of an error up to 1, and grows linearly beyond, so that
    single large errors do not outweigh all others. With several processes, the mean of
    their gradients is the gradient of the whole batch.

    Parameters
    ----------
    predicted, expected : Tensor of shape (n_records, n_numbers)
        Standardised numbers; any value of `expected` where it is not known.
    known : Tensor of shape (n_records, n_numbers)
        Which numbers are known, bool.
    """
    filled = torch.where(known, expected, 0.0)
    losses = functional.huber_loss(predicted, filled, reduction="none", delta=1.0)
    n_all = sum_over_processes(known.sum().float())
    total = torch.where(known, losses, 0.0).sum()
    return total * n_processes() / n_all.clamp(min=1.0)
