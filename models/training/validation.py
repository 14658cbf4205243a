"""Loss and score of the validation records, used to choose the best epoch."""

import math

import numpy as np
import torch
from torch.nn import functional

from ecgstore.models.running import Outputs
from ecgstore.scores.multilabel import auroc
from ecgstore.storage import Selection


def validation_scores(outputs: Outputs, validation: Selection) -> tuple[float, float]:
    """Return the mean cross entropy and the macro AUROC of validation records.

    Parameters
    ----------
    outputs : Outputs
        Outputs of the network for the records.
    validation : Selection
        The records.

    Returns
    -------
    float
        Mean cross entropy per record and class, unweighted.
    float
        Mean AUROC of the classes with positive and negative records; NaN if there are
        none.
    """
    labels = validation.store.labels(rows=outputs.rows, dtype=np.uint8)
    loss = functional.binary_cross_entropy_with_logits(
        torch.from_numpy(outputs.logits).double(), torch.from_numpy(labels).double()
    )
    by_class = auroc(labels, outputs.probabilities)
    is_defined = not np.isnan(by_class).all()
    return float(loss), float(np.nanmean(by_class)) if is_defined else math.nan
