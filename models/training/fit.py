"""Train any network on records of a store: the loop, from top to bottom."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import ArrayLike
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ecgstore import pipes
from ecgstore.errors import EcgStoreError
from ecgstore.models.distributed import (
    broadcast_buffers,
    is_first_process,
    n_processes,
)
from ecgstore.models.inference.run import run_network
from ecgstore.models.networks.network import Network
from ecgstore.models.reproducible import reproducible
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.training.epoch_totals import EpochTotals
from ecgstore.models.training.history import Epoch, History
from ecgstore.models.training.loss import weighted_loss
from ecgstore.models.training.state import StateFile, TrainingProgress
from ecgstore.models.training.validation import validation_scores
from ecgstore.pipes.batch import Transform
from ecgstore.pipes.devices import available_device
from ecgstore.storage import Selection
from ecgstore.system.progress import with_progress

_MAX_GRADIENT_NORM: Final = 1.0


def fit(
    network: Network,
    training: Selection,
    validation: Selection | None,
    settings: TrainingSettings,
    *,
    transform: Sequence[Transform] = (),
    augmentation: Transform | None = None,
    leads: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    state_file: Path | None = None,
    identity: dict[str, Any] | None = None,
    arguments: dict[str, Any] | None = None,
    on_epoch: Callable[[History], None] | None = None,
    quiet: bool = True,
) -> History:
    """Train a network in place; it ends with the weights of its best epoch.

    AdamW with a one-cycle learning rate minimises the cross entropy of every class,
    with higher weights for rare classes; gradients are clipped; early stopping uses the
    macro AUROC of the validation records. The same arguments give the same weights, bit
    for bit, on the same hardware and software; so does a training that was stopped at
    any step and is resumed from its `state_file`. Under ``torchrun``, every process
    trains on its part of each batch.

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
    transform : sequence of callable
        Batch transforms of training and validation records.
    augmentation : callable, optional
        A batch transform of training records only, after the others.
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
    on_epoch : callable, optional
        Called after every epoch, in the first process.
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
    in_bfloat16 = _uses_bfloat16(settings, device)
    loader = pipes.loader(
        training,
        settings.batch_size,
        shuffle=True,
        seed=settings.seed,
        fields=network.fields,
        leads=leads,
        transform=[*transform, *([] if augmentation is None else [augmentation])],
        device=device,
        # Batch normalisation cannot train on a last batch of a single record.
        drop_last=len(training) >= settings.batch_size * n_processes(),
    )
    with reproducible(settings.seed, device), loader:
        network.to(device)
        weights = torch.from_numpy(training.class_weights()).to(device)
        optimiser = torch.optim.AdamW(
            network.parameters(),
            settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        # One more than the steps: the schedule is advanced after the last one, too.
        n_steps = settings.epochs * len(loader) + 1
        schedule = OneCycleLR(optimiser, settings.learning_rate, n_steps)
        averaged = _moving_average(network, settings.average_decay)
        evaluated = network if averaged is None else cast(Network, averaged.module)
        model = _synchronised(network, device)
        parts = {
            "network": network,
            "optimiser": optimiser,
            "schedule": schedule,
            "loader": loader,
            **({} if averaged is None else {"averaged": averaged}),
        }
        values = _identity(training, validation, settings, leads) | (identity or {})
        state = StateFile(state_file, values, parts, device, arguments or {})
        progress = state.load(TrainingProgress(copy.deepcopy(evaluated.state_dict())))
        if schedule.total_steps != n_steps:  # that of the file
            epochs_before = (schedule.total_steps - 1) // len(loader)
            if epochs_before > settings.epochs:
                raise EcgStoreError(
                    f"{state_file}, the state of a training: epochs was "
                    f"{epochs_before}, now it is {settings.epochs}; it may only be "
                    "raised"
                )
            last_step = schedule.last_epoch - 1
            schedule = OneCycleLR(
                optimiser, settings.learning_rate, n_steps, last_epoch=last_step
            )
            parts["schedule"] = schedule

        while (number := loader.epoch + 1) <= settings.epochs:
            if progress.history.should_stop_early(settings.patience):
                break
            began = time.perf_counter()
            model.train()
            totals = progress.totals
            for batch in with_progress(
                totals.timed(iter(loader)),
                f"epoch {number} of {settings.epochs}",
                len(loader),
                quiet,
            ):
                with torch.autocast(device.type, torch.bfloat16, enabled=in_bfloat16):
                    logits = model(*network.inputs(batch)).logits
                assert batch.labels is not None  # a field of every network
                loss = weighted_loss(logits, batch.labels, weights)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(network.parameters(), _MAX_GRADIENT_NORM)
                optimiser.step()
                schedule.step()
                if averaged is not None:
                    averaged.update_parameters(network)
                totals.add(loss, len(batch))
                if (
                    settings.save_every
                    and totals.n_steps % settings.save_every == 0
                    and loader.epoch < number  # after the last step, saved below
                ):
                    state.save(progress)
            broadcast_buffers(evaluated)
            training_loss = totals.mean_loss()
            _require_finite(training_loss, number, settings)
            validation_loss = validation_auroc = math.nan
            if validation is not None:
                outputs = run_network(
                    evaluated,
                    validation,
                    batch_size=settings.batch_size,
                    transform=transform,
                    leads=leads,
                    device=device,
                )
                _require_finite(outputs.logits, number, settings)
                validation_loss, validation_auroc = validation_scores(
                    outputs, validation
                )
            epoch = Epoch(
                epoch=number,
                learning_rate=float(schedule.get_last_lr()[0]),
                training_loss=training_loss,
                validation_loss=validation_loss,
                validation_auroc=validation_auroc,
                seconds=time.perf_counter() - began,
                waiting=totals.waiting_share(),
            )
            if progress.history.add(epoch):
                progress.best_weights = copy.deepcopy(evaluated.state_dict())
            progress.totals = EpochTotals()
            state.save(progress)
            if on_epoch is not None and is_first_process():
                on_epoch(progress.history)
        network.load_state_dict(progress.best_weights)
    network.eval()
    return progress.history


def _uses_bfloat16(settings: TrainingSettings, device: torch.device) -> bool:
    """Return whether to train in mixed precision."""
    if settings.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return settings.precision == "bfloat16"


def _moving_average(network: Network, decay: float) -> AveragedModel | None:
    """Return a moving average of weights and running statistics; None if decay is 0."""
    if not decay:
        return None
    multi_avg_fn = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=multi_avg_fn, use_buffers=True)


def _synchronised(network: Network, device: torch.device) -> nn.Module:
    """Return the network; with several processes, one that averages gradients."""
    if not dist.is_initialized():
        return network
    return DistributedDataParallel(
        network, [device.index] if device.type == "cuda" else None
    )


def _identity(
    training: Selection,
    validation: Selection | None,
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
        "leads": None if leads is None else [*leads],
        # The number of records of a step, and with it the schedule, depend on it.
        **({"processes": n_processes()} if dist.is_initialized() else {}),
    }


def _require_finite(values: ArrayLike, epoch: int, settings: TrainingSettings) -> None:
    """Raise an error if a loss or logits are not finite."""
    if not np.isfinite(values).all():
        raise EcgStoreError(
            f"epoch {epoch}: the loss is no longer finite; expected a learning_rate "
            f"below {settings.learning_rate:g}, or signals and features without "
            "outliers"
        )
