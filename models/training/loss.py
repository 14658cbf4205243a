"""Cross entropy of multi-label classes, with higher weights for rare ones."""

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
