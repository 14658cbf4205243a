"""Train any network on records of a store: the loop, from top to bottom."""

import copy
import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import ArrayLike

from ecgstore import pipes
from ecgstore.errors import EcgStoreError
from ecgstore.models.distributed import broadcast_buffers, n_processes
from ecgstore.models.networks.network import Network
from ecgstore.models.reproducible import reproducible
from ecgstore.models.running import run_network
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.training.callbacks import EpochCallback, entered
from ecgstore.models.training.epoch_totals import EpochTotals
from ecgstore.models.training.history import Epoch, History
from ecgstore.models.training.joined_loader import JoinedLoader
from ecgstore.models.training.objectives import ClassObjective, Objective
from ecgstore.models.training.state import StateFile, TrainingProgress
from ecgstore.models.training.steps import Steps
from ecgstore.models.training.validation import validation_scores
from ecgstore.pipes.arguments import require_functions
from ecgstore.pipes.batch import Transform
from ecgstore.pipes.devices import available_device
from ecgstore.pipes.reading.window import Window
from ecgstore.storage import Selection
from ecgstore.system.progress import with_progress


def fit(
    network: Network,
    training: Selection,
    validation: Selection | None,
    settings: TrainingSettings,
    *,
    objective: Objective | None = None,
    also: Sequence[Selection] = (),
    transform: Sequence[Transform] = (),
    augmentation: Transform | Sequence[Transform] = (),
    window: Window = None,
    leads: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    state_file: Path | None = None,
    identity: dict[str, Any] | None = None,
    arguments: dict[str, Any] | None = None,
    callbacks: Sequence[EpochCallback] = (),
    quiet: bool = True,
) -> History:
    """Train a network in place; it ends with the weights of its best epoch.

    AdamW with a one-cycle learning rate minimises the cross entropy of every class,
    with higher weights for rare classes, or another objective; gradients are clipped;
    early stopping uses the macro AUROC of the validation records. The same arguments
    give the same weights, bit for bit, on the same hardware and software; so does a
    training that was stopped at any step and is resumed from its `state_file`. Under
    ``torchrun``, every process trains on its part of each batch.

    Parameters
    ----------
    network : Network
        The network to train.
    training : Selection
        Training records.
    validation : Selection or None
        Validation records, used to choose the best epoch; if None, the last epoch is
        kept.
    settings : TrainingSettings
        Hyperparameters.
    objective : Objective, optional
        The loss that is minimised, whose own layers are trained in place; that of the
        classes if left out.
    also : sequence of Selection
        Records of other stores that are trained on, too, in batches of their own; their
        classes must be the same, if the objective needs labels.
    transform : sequence of callable
        Batch transforms of training and validation records.
    augmentation : callable or sequence of callable
        Batch transforms of training records only, after the others.
    window : tuple of int or RandomCrop, optional
        The samples to read of training records; whole records if left out.
    leads : sequence of str, optional
        Leads to read; all if left out.
    device : torch.device or str
        Device to train on.
    state_file : Path, optional
        File to save the state of the training to: after every epoch, and after every
        `settings.save_every` steps. If it exists, training is resumed from it, with the
        same settings, except that `settings.epochs` may be raised: the one-cycle
        schedule is stretched to the new number then, from the step that it is at.
    identity : dict, optional
        Other values that the weights depend on, such as settings of the network; a
        training is resumed only with the same values.
    arguments : dict, optional
        Plain values that are saved in the state file, for whoever resumes.
    callbacks : sequence of callable
        Called with the history after every epoch, in the first process; see
        `EpochCallback`.
    quiet : bool
        Show no progress.

    Returns
    -------
    History

    Raises
    ------
    EcgStoreError
        If no record is selected, the state file was saved by a training with other
        settings or records, or the loss is no longer finite.
    """
    device = available_device(device)
    if objective is None:
        objective = ClassObjective(torch.from_numpy(training.class_weights()))
    loaders = [
        pipes.loader(
            records,
            settings.batch_size,
            shuffle=True,
            seed=settings.seed,
            fields=_fields(network, objective),
            leads=leads,
            window=window,
            transform=[*transform, *require_functions("augmentation", augmentation)],
            device=device,
            # Batch normalisation cannot train on a last batch of a single record.
            drop_last=len(records) >= settings.batch_size * n_processes(),
        )
        for records in (training, *also)
    ]
    loader = JoinedLoader(loaders, settings.seed) if also else loaders[0]
    evaluate = partial(
        run_network,
        batch_size=settings.batch_size,
        transform=transform,
        leads=leads,
        device=device,
    )
    with reproducible(settings.seed, device), loader, entered(callbacks) as report:
        network.to(device)
        objective.to(device)
        n_steps = settings.epochs * len(loader)
        steps = Steps(network, settings, n_steps, objective, device)
        values = _identity(training, validation, also, settings, leads)
        values |= identity or {}
        parts = {**steps.parts, "loader": loader}
        state = StateFile(state_file, values, parts, device, arguments or {})
        weights = copy.deepcopy(steps.evaluated.state_dict())
        progress = state.load(TrainingProgress(weights))
        if steps.n_steps != n_steps:  # those of the file
            _require_more_epochs(state_file, steps.n_steps // len(loader), settings)
            steps.stretch(n_steps, settings.learning_rate)
            parts |= steps.parts

        while (number := loader.epoch + 1) <= settings.epochs:
            if progress.history.should_stop_early(settings.patience):
                break
            began = time.perf_counter()
            steps.begin_epoch()
            totals = progress.totals
            for batch in with_progress(
                totals.timed(iter(loader)),
                f"epoch {number} of {settings.epochs}",
                len(loader),
                quiet,
            ):
                totals.add(steps.take(batch), len(batch))
                if (
                    settings.save_every
                    and totals.n_steps % settings.save_every == 0
                    and loader.epoch < number  # after the last step, saved below
                ):
                    state.save(progress)
            broadcast_buffers(steps.evaluated)
            training_loss = totals.mean_loss()
            _require_finite(training_loss, number, settings)
            validation_loss = validation_auroc = math.nan
            if validation is not None:
                outputs = evaluate(steps.evaluated, validation)
                _require_finite(outputs.logits, number, settings)
                validation_loss, validation_auroc = validation_scores(
                    outputs, validation
                )
            epoch = Epoch(
                epoch=number,
                learning_rate=steps.learning_rate,
                training_loss=training_loss,
                validation_loss=validation_loss,
                validation_auroc=validation_auroc,
                seconds=time.perf_counter() - began,
                waiting=totals.waiting_share(),
            )
            if progress.history.add(epoch):
                progress.best_weights = copy.deepcopy(steps.evaluated.state_dict())
            progress.totals = EpochTotals()
            state.save(progress)
            report(progress.history)
        network.load_state_dict(progress.best_weights)
    network.eval()
    return progress.history


def _fields(network: Network, objective: Objective) -> list[str]:
    """Return the fields to read: labels only if the objective needs them."""
    inputs = [name for name in network.fields if name != "labels"]
    return [*dict.fromkeys([*inputs, *objective.fields])]


def _identity(
    training: Selection,
    validation: Selection | None,
    also: Sequence[Selection],
    settings: TrainingSettings,
    leads: Sequence[str] | None,
) -> dict[str, Any]:
    """Return the values that the weights depend on, by name; see `training.state`."""
    return {
        "settings": {
            name: value
            for name, value in settings.to_dict().items()
            # No weight depends on when the state is saved; epochs may be raised.
            if name not in ("save_every", "epochs")
        },
        "fingerprint": training.store.fingerprint,
        "training": training.rows_sha256,
        "validation": None if validation is None else validation.rows_sha256,
        **(
            {"other stores": [[one.store.fingerprint, one.rows_sha256] for one in also]}
            if also
            else {}
        ),
        "leads": None if leads is None else [*leads],
        # The number of records of a step, and with it the schedule, depend on it.
        **({"processes": n_processes()} if dist.is_initialized() else {}),
    }


def _require_more_epochs(
    state_file: Path | None, epochs_before: int, settings: TrainingSettings
) -> None:
    """Raise an error if a training had more epochs when it was saved."""
    if epochs_before > settings.epochs:
        raise EcgStoreError(
            f"{state_file}, the state of a training: epochs was {epochs_before}, now "
            f"it is {settings.epochs}; it may only be raised"
        )


def _require_finite(values: ArrayLike, epoch: int, settings: TrainingSettings) -> None:
    """Raise an error if a loss or logits are not finite."""
    if not np.isfinite(values).all():
        raise EcgStoreError(
            f"epoch {epoch}: the loss is no longer finite; expected a learning_rate "
            f"below {settings.learning_rate:g}, or signals and features without "
            "outliers"
        )
