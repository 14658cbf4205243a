"""Train any network on any records of a store: one function, from top to bottom."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ecgstore import pipes
from ecgstore.errors import EcgStoreError
from ecgstore.models.distributed import is_first_process, n_processes, share_buffers
from ecgstore.models.inference.run import Outputs, run_network
from ecgstore.models.networks.network import Network
from ecgstore.models.reproducible import reproducible
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.training.history import Epoch, History, Sums
from ecgstore.models.training.loss import class_weights, weighted_loss
from ecgstore.models.training.state import load_state, save_state
from ecgstore.scores.multilabel import auroc
from ecgstore.storage import Selection
from ecgstore.system.progress import with_progress

_LARGEST_GRADIENT: Final = 1.0
"""Norm that longer gradients are cut to."""

Transform = Callable[[pipes.Batch], pipes.Batch]


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
    origin: dict[str, Any] | None = None,
    on_epoch: Callable[[History], None] | None = None,
    quiet: bool = True,
) -> History:
    """Train a network in place; it ends with the weights of its best epoch.

    AdamW with a one-cycle learning rate, on the cross entropy of every class, rare
    classes weighted; gradients are clipped; training ends when the macro AUROC of the
    validation records has not risen for a while. The same arguments give the same
    weights, bit for bit, on the same kind of machine; so does a training that was
    stopped, at any step, and goes on from its `state_file`. Under ``torchrun``, every
    process trains on its part of each batch.

    Parameters
    ----------
    network : Module
        What to train: it says with ``fields`` what a loader must read, with ``inputs``
        what ``forward`` takes of a batch, and its result has ``logits`` and
        ``features``.
    training : Selection
        Records to learn from; nothing else is learnt from.
    validation : Selection or None
        Records to judge epochs by; without, the last epoch's weights are kept.
    settings : TrainingSettings
        How.
    transform : sequence of callable
        Batch transforms for both kinds of records.
    augmentation : callable, optional
        A batch transform for the records to learn from, after the others.
    leads : sequence of str, optional
        Leads to read; all if left out.
    device : torch.device or str
        Where to train.
    state_file : Path, optional
        Where to save what is needed to go on: after every epoch, and after every
        `settings.save_every` steps. If it is there already, training goes on from it.
    origin : dict, optional
        What a training from that file must have been told besides `settings`.
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
        If no record is selected, the state file is one of another training, or the
        loss is not finite any more.
    """
    device = torch.device(device)
    told = {
        **{f"setting {name}": value for name, value in settings.to_dict().items()},
        "fingerprint": training.store.fingerprint,
        "training": training.rows_sha256,
        "validation": None if validation is None else validation.rows_sha256,
        "leads": None if leads is None else [*leads],
        # Steps of another size, on another schedule.
        **({"processes": n_processes()} if dist.is_initialized() else {}),
        **(origin or {}),
    }
    in_bfloat16 = uses_bfloat16(settings, device)
    loader = pipes.loader(
        training,
        settings.batch_size,
        shuffle=True,
        seed=settings.seed,
        fields=network.fields,
        leads=leads,
        transform=[*transform, *([] if augmentation is None else [augmentation])],
        device=device,
        # A last batch of one record has no variance to be normalised by.
        drop_last=len(training) >= settings.batch_size * n_processes(),
    )
    with reproducible(settings.seed, device), loader:
        network.to(device)
        weights = class_weights(training.store.labels(rows=training.rows)).to(device)
        optimiser = torch.optim.AdamW(
            network.parameters(),
            settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            # One step more than there are, for it goes on after the last one, too.
            optimiser,
            settings.learning_rate,
            settings.epochs * len(loader) + 1,
        )
        parts: dict[str, Any] = {
            "network": network,
            "optimiser": optimiser,
            "schedule": schedule,
            "loader": loader,
        }
        judged: Network = network
        if settings.average_decay:
            mean_of = get_ema_multi_avg_fn(settings.average_decay)  # type: ignore[no-untyped-call]
            averaged = AveragedModel(network, multi_avg_fn=mean_of, use_buffers=True)
            judged, parts["averaged"] = cast(Network, averaged.module), averaged
        model: nn.Module = network
        if dist.is_initialized():
            model = DistributedDataParallel(
                network, [device.index] if device.type == "cuda" else None
            )
        history, sums, best = History(), Sums(), copy.deepcopy(judged.state_dict())
        if state_file is not None and state_file.exists():
            rest = load_state(state_file, parts, told, device)
            history = History.from_dict(rest["history"])
            sums, best = Sums.from_list(rest["sums"]), rest["best"]

        def save() -> None:
            if state_file is None:
                return
            rest = {
                "history": history.to_dict(),
                "sums": sums.to_list(),  # of all processes
                "best": best,
            }
            if is_first_process():
                save_state(state_file, parts, told, rest, device)

        while (number := loader.epoch + 1) <= settings.epochs:
            if history.is_over(settings.patience):
                break
            began = time.perf_counter()
            model.train()
            title = f"epoch {number} of {settings.epochs}"
            for batch in with_progress(
                sums.timed(iter(loader)), title, len(loader), quiet
            ):
                with torch.autocast(device.type, torch.bfloat16, enabled=in_bfloat16):
                    logits = model(*network.inputs(batch)).logits
                assert batch.labels is not None  # every network's fields have them
                loss = weighted_loss(logits, batch.labels, weights)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
                optimiser.step()
                schedule.step()
                if settings.average_decay:
                    averaged.update_parameters(network)
                sums.add(loss, len(batch))
                is_due = settings.save_every and sums.n_steps % settings.save_every == 0
                if is_due and loader.epoch < number:  # else it follows after validation
                    save()
            share_buffers(judged)
            held_out = None
            if validation is not None:
                held_out = run_network(
                    judged,
                    validation,
                    batch_size=settings.batch_size,
                    transform=transform,
                    leads=leads,
                    device=device,
                )
            training_loss = sums.loss_of_all()
            if not _is_finite(training_loss, held_out):
                raise EcgStoreError(
                    f"epoch {number}: the loss is not finite any more; expected a "
                    f"learning_rate below {settings.learning_rate:g}, or signals and "
                    "features without outliers"
                )
            loss_, auroc_ = judgement(held_out, validation)
            epoch = Epoch(
                epoch=number,
                learning_rate=float(schedule.get_last_lr()[0]),
                training_loss=training_loss,
                validation_loss=loss_,
                validation_auroc=auroc_,
                seconds=time.perf_counter() - began,
                waiting=sums.waiting(),
            )
            if history.add(epoch):
                best = copy.deepcopy(judged.state_dict())
            sums = Sums()
            save()
            if on_epoch is not None and is_first_process():
                on_epoch(history)
        network.load_state_dict(best)
    network.eval()
    return history


def uses_bfloat16(settings: TrainingSettings, device: torch.device) -> bool:
    """Return whether to train in mixed precision."""
    if settings.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return settings.precision == "bfloat16"


def _is_finite(training_loss: float, held_out: Outputs | None) -> bool:
    """Return whether all that an epoch came to is finite."""
    if held_out is not None and not np.isfinite(held_out.logits).all():
        return False
    return math.isfinite(training_loss)


def judgement(
    held_out: Outputs | None, validation: Selection | None
) -> tuple[float, float]:
    """Return the loss and the macro AUROC of records held out; NaN without any."""
    if held_out is None or validation is None:
        return math.nan, math.nan
    labels = validation.store.labels(rows=held_out.rows)
    loss = functional.binary_cross_entropy_with_logits(
        torch.from_numpy(held_out.logits).double(), torch.from_numpy(labels).double()
    )
    by_class = auroc(labels, held_out.probabilities)
    is_defined = not np.isnan(by_class).all()
    return float(loss), float(np.nanmean(by_class)) if is_defined else math.nan
