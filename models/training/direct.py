"""Train an extractor whose layers are set from signals at once, not step by step."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch

from ecgstore import pipes
from ecgstore.models.networks.extractor import Extractor, FitsDirectly
from ecgstore.models.networks.masked import sample_mask
from ecgstore.models.patients import fold_numbers
from ecgstore.models.reproducible import reproducible
from ecgstore.models.running import Outputs, run_network
from ecgstore.models.training.history import Epoch, History
from ecgstore.models.training.linear_head import fit_linear_head
from ecgstore.models.training.validation import validation_scores
from ecgstore.pipes.batch import Transform
from ecgstore.pipes.devices import available_device
from ecgstore.storage import Selection

_N_FOLDS: Final = 5
"""Folds of the training records on which the strength of the penalty is chosen."""

_N_RECORDS: Final = 64
"""Training records from which the layers are set."""


def fit_directly(
    network: Extractor,
    training: Selection,
    validation: Selection | None,
    seed: int,
    *,
    transform: Sequence[Transform] = (),
    leads: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    quiet: bool = True,
) -> History:
    """Set the layers of a network from training signals, and fit its linear head.

    Parameters
    ----------
    network : Extractor
        The network, changed in place; its trunk is one that `FitsDirectly`.
    training : Selection
        Training records.
    validation : Selection or None
        Validation records, which are scored and not used otherwise.
    seed : int
        Seed of what the trunk draws, and of the records that it is set from.
    transform, leads, device, quiet
        See `ecgstore.models.training.fit.fit`.

    Returns
    -------
    History
        Of one epoch.
    """
    trunk = network.trunk
    assert isinstance(trunk, FitsDirectly)
    device = available_device(device)
    began = time.perf_counter()

    def outputs_for(records: Selection) -> Outputs:
        return run_network(
            network,
            records,
            transform=transform,
            leads=leads,
            device=device,
            quiet=quiet,
        )

    with reproducible(seed, device):
        network.to(device)
        choose = np.random.default_rng(seed)
        n_chosen = min(_N_RECORDS, len(training))
        chosen = np.sort(choose.choice(training.rows, n_chosen, replace=False))
        with pipes.loader(
            Selection(training.store, chosen),
            n_chosen,
            fields=("signals",),
            leads=leads,
            transform=transform,
            device=device,
            rank=0,  # the same records in every process
            world_size=1,
        ) as loader:
            signals, n_real, *missing = network.inputs(next(iter(loader)))
        mask = sample_mask(n_real, signals)
        trunk.fit(network.normalise(signals, mask, *missing), seed)
        outputs = outputs_for(training)
        labels = training.store.labels(rows=outputs.rows, dtype=np.float64)
        folds = fold_numbers(training.store, outputs.rows, _N_FOLDS)
        head = fit_linear_head(outputs.features, labels, folds)
        with torch.no_grad():
            network.head.weight.copy_(torch.from_numpy(head.weight))
            network.head.bias.copy_(torch.from_numpy(head.bias))
        logits = outputs.features @ head.weight.T + head.bias
        training_loss, _ = validation_scores(replace(outputs, logits=logits), training)
        loss, auroc = (
            (np.nan, np.nan)
            if validation is None
            else validation_scores(outputs_for(validation), validation)
        )
    network.eval()
    history = History()
    history.add(
        Epoch(
            epoch=1,
            learning_rate=0.0,
            training_loss=training_loss,
            validation_loss=loss,
            validation_auroc=auroc,
            seconds=time.perf_counter() - began,
            waiting=0.0,
        )
    )
    return history
