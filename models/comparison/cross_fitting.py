"""Deep features for fusion, from extractors that have not seen the records.

The training records of an outer fold are dealt to inner folds. For each inner fold an
extractor is trained on the others; what it finds in that inner fold are the features
that a fusion learns from. What it finds in the test records are the features that this
fusion is judged with: they come from the same kind of extractor, and are averaged over
the inner folds only after the fusion.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from ecgstore.arrays import IntArray
from ecgstore.models.comparison.protocols import OuterFold
from ecgstore.models.inference.run import Outputs, run_network
from ecgstore.models.patients import folds_of
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training.extractor import train_extractor
from ecgstore.storage import Selection, Store

_VALIDATION_SHARE: Final = 6
"""One in so many training records tells an extractor when to stop."""


@dataclass(frozen=True, eq=False, slots=True)
class InnerFold:
    """What one extractor learns from, and what it is asked about.

    Attributes
    ----------
    training, validation : ndarray of int64
        Rows that it learns from, and rows that tell when to stop.
    held_out : ndarray of int64
        Training rows of the outer fold that it does not see.
    """

    training: IntArray
    validation: IntArray
    held_out: IntArray


def inner_folds(store: Store, outer: OuterFold, n_folds: int) -> list[InnerFold]:
    """Deal the training records of an outer fold: no patient is in two parts."""
    parts = folds_of(store, outer.training, n_folds)
    folds = []
    for held_out in parts:
        seen = np.setdiff1d(outer.training, held_out)
        validation = folds_of(store, seen, _VALIDATION_SHARE)[0]
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
    """Train on an inner fold; return what is found in records held out and tested."""
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
        leads=model.leads,
        device=device,
    )
