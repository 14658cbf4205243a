"""Train an extractor, and make a checkpoint of it."""

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from ecgstore import __version__, pipes
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.networks.create import create_model
from ecgstore.models.networks.extractor import Extractor
from ecgstore.models.networks.own import source_of
from ecgstore.models.seen_records import short_hashes
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training.fit import fit
from ecgstore.models.training.history import History
from ecgstore.models.training.objectives import (
    ClassObjective,
    NumberObjective,
    Objective,
    WeightedSum,
)
from ecgstore.models.training.pretraining import (
    feature_objective,
    other_records,
    pretrain,
)
from ecgstore.models.training.targets import target_objective
from ecgstore.pipes.transforms.decimate import Decimate
from ecgstore.storage import Selection, Store

AUGMENTATIONS: Final = (
    pipes.Gain(),
    pipes.TimeMask(probability=0.3),
    pipes.LeadDropout(lead_probability=0.2, probability=0.3),
    pipes.BaselineWander(probability=0.3),
)
"""Augmentations of the training records. None of them inverts a lead or changes the
ratios between the remaining leads, which diagnoses depend on. Extractors normalise, so
the gain only changes the size of the ECG relative to the baseline wander."""


def train_extractor(
    training: Selection,
    validation: Selection | None,
    model: ModelSettings,
    settings: TrainingSettings,
    *,
    pretrain_on: Sequence[Store | Selection] = (),
    device: torch.device | str = "cpu",
    state_file: Path | None = None,
    arguments: dict[str, Any] | None = None,
    on_warning: Callable[[str], None] | None = None,
    on_epoch: Callable[[History], None] | None = None,
    quiet: bool = True,
) -> tuple[Checkpoint, History]:
    """Train an extractor; return its checkpoint and the history of the training.

    With `settings.pretrain_epochs`, it is pretrained without labels: on the training
    records, and on records of other stores. The state of the pretraining has a file of
    its own beside `state_file`.

    Parameters
    ----------
    training : Selection
        Training records.
    validation : Selection or None
        Validation records, used to choose the best epoch; if None, the last epoch is
        kept.
    model : ModelSettings
        The network and its inputs.
    settings : TrainingSettings
        Hyperparameters.
    pretrain_on : sequence of Store or Selection
        Records of other stores to pretrain on. Those of patients with a signal that the
        store of the training has outside the training records are left out.
    on_warning : callable, optional
        Called with how many records are left out.
    device, state_file, arguments, on_epoch, quiet
        See `ecgstore.models.training.fit.fit`.

    Raises
    ------
    EcgStoreError
        If no record is selected, or the state file was saved by a training with other
        settings or records.
    ConfigError
        If the store's sampling rate is not a multiple of the model's, or it lacks a
        lead of the model or a target.
    """
    store = training.store
    model = model.for_store(store)
    leads = model.leads or store.leads
    source = source_of(model.model)
    sha256 = None if source is None else source["sha256"]
    others = other_records(training, pretrain_on, settings, on_warning)
    with torch.random.fork_rng([]):  # weights that depend on the seed only
        torch.manual_seed(settings.seed)
        network = create_model(
            model.model,
            len(leads),
            len(store.label_names),
            model.normalise_by,
            n_targets=len(settings.targets),
            sha256=sha256,
        )
        features = None
        if settings.auxiliary_weight or settings.pretrain_epochs:
            features = feature_objective(network.n_features, training)
    network.leads, network.fs = leads, model.fs or store.config.fs
    identity: dict[str, Any] = {
        "model": model.to_dict(),
        **({} if sha256 is None else {"source of the network": sha256}),
    }
    options: dict[str, Any] = {
        "transform": [Decimate.to(network.fs, store.config.fs)],
        "augmentation": pipes.Augment(*AUGMENTATIONS) if settings.augment else None,
        "leads": leads,
        "device": device,
        "state_file": state_file,
        "arguments": arguments,
        "quiet": quiet,
    }
    pretraining: dict[str, Any] = {}
    if features is not None and settings.pretrain_epochs:
        before = pretrain(
            network,
            features,
            training,
            settings,
            also=others,
            identity=identity,
            **options,
        )
        pretraining["pretraining"] = before.to_dict()
        identity["pretrained on"] = [
            [other.store.fingerprint, other.rows_sha256] for other in others
        ]
    history = fit(
        network,
        training,
        validation,
        settings,
        objective=_objective(network, features, training, settings),
        identity=identity,
        on_epoch=on_epoch,
        **options,
    )
    checkpoint = Checkpoint(
        model=model,
        weights={name: weight.cpu() for name, weight in network.state_dict().items()},
        label_names=store.label_names,
        target_names=settings.targets,
        config=store.config,
        fingerprint=store.fingerprint,
        source=source,
        origin={
            "settings": settings.to_dict(),
            "history": history.to_dict(),
            **pretraining,
            "training_rows": training.rows,
            "validation_rows": [] if validation is None else validation.rows,
            "training_signals": np.concatenate(
                [short_hashes(records) for records in (training, *others)]
            ),
            "validation_signals": []
            if validation is None
            else short_hashes(validation),
            "software": f"ecgstore {__version__}, torch {torch.__version__}, "
            f"Python {platform.python_version()}",
        },
    )
    return checkpoint, history


def _objective(
    network: Extractor,
    features: NumberObjective | None,
    training: Selection,
    settings: TrainingSettings,
) -> Objective:
    """Return what is minimised: the loss of the classes, of targets, of features."""
    classes = ClassObjective(torch.from_numpy(training.class_weights()))
    parts: list[tuple[float, Objective]] = [(1.0, classes)]
    if network.target_head is not None:
        targets = target_objective(network.target_head, training, settings.targets)
        parts.append((settings.target_weight, targets))
    if features is not None and settings.auxiliary_weight:
        parts.append((settings.auxiliary_weight, features))
    return classes if len(parts) == 1 else WeightedSum(parts)
