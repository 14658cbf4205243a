"""Cross-fitting: deep features of records that their extractor was not trained on.

The training records of an outer fold are divided into inner folds. For each inner fold
an extractor is trained on the other inner folds. Its outputs for the held-out inner
fold are the features that a fusion classifier is trained on; its outputs for the test
records are the features that the classifier is tested on. Both thus come from
extractors that have not seen the records. The features of a test record are never means
over extractors: only probabilities are averaged over the inner folds, after the fusion.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from ecgstore.arrays import IntArray
from ecgstore.models.comparison.protocols import OuterFold
from ecgstore.models.patients import folds_of
from ecgstore.models.running import Outputs, run_network
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training.extractor import train_extractor
from ecgstore.storage import Selection, Store

_N_VALIDATION_FOLDS: Final = 6
"""One sixth of an extractor's records are its validation records."""


@dataclass(frozen=True, eq=False, slots=True)
class InnerFold:
    """The records of one extractor.

    Attributes
    ----------
    training, validation : ndarray of int64
        Rows to train on, and rows for early stopping.
    held_out : ndarray of int64
        Training rows of the outer fold that the extractor does not see.
    """

    training: IntArray
    validation: IntArray
    held_out: IntArray


def inner_folds(store: Store, outer: OuterFold, n_folds: int) -> list[InnerFold]:
    """Divide the training records of an outer fold; no patient is in two parts."""
    folds = []
    for held_out in folds_of(store, outer.training, n_folds):
        seen = np.setdiff1d(outer.training, held_out)
        validation = folds_of(store, seen, _N_VALIDATION_FOLDS)[0]
        folds.append(InnerFold(np.setdiff1d(seen, validation), validation, held_out))
    return folds


def extract_unseen(
    store: Store,
    outer: OuterFold,
    inner: InnerFold,
    model: ModelSettings,
    settings: TrainingSettings,
    device: torch.device | str = "cpu",
) -> Outputs:
    """Train the extractor of an inner fold; return its outputs for unseen records.

    Returns
    -------
    Outputs
        Of the held-out records of the inner fold and the test records of the outer
        fold.
    """
    checkpoint, _ = train_extractor(
        Selection(store, inner.training),
        Selection(store, inner.validation),
        model,
        settings,
        device=device,
    )
    return run_network(
        checkpoint.network().to(device),
        Selection(store, np.union1d(inner.held_out, outer.test)),
        transform=[checkpoint.decimate()],
        leads=checkpoint.leads,
        device=device,
    )
