"""Train an extractor, and make a checkpoint of it."""

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from ecgstore import __version__, pipes
from ecgstore.errors import ConfigError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.networks.create import create_model
from ecgstore.models.networks.extractor import Extractor, FitsDirectly
from ecgstore.models.networks.own import source_of
from ecgstore.models.seen_records import short_hashes
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training.callbacks import EpochCallback, entered
from ecgstore.models.training.direct import fit_directly
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
from ecgstore.pipes.batch import Transform
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
    callbacks: Sequence[EpochCallback] = (),
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
    device, state_file, arguments, callbacks, quiet
        See `ecgstore.models.training.fit.fit`.

    Raises
    ------
    EcgStoreError
        If no record is selected, or the state file was saved by a training with other
        settings or records.
    ConfigError
        If the store's sampling rate is not a multiple of the model's, it lacks a lead
        of the model or a target, records are shorter than the crops, or the network
        has no training steps and the settings ask for what is learned in them.
    """
    store = training.store
    model = model.for_store(store)
    leads = model.leads or store.leads
    source = source_of(model.model)
    sha256 = None if source is None else source["sha256"]
    fs = model.fs or store.config.fs
    with torch.random.fork_rng([]):  # weights that depend on the seed only
        torch.manual_seed(settings.seed)
        network = _new_extractor(
            model, leads, fs, len(store.label_names), len(settings.targets), sha256
        )
        if isinstance(network.trunk, FitsDirectly):
            _require_no_steps(model, settings, pretrain_on)
        features = _feature_objective(network, training, settings)
    network.leads, network.fs = leads, fs
    transform = [Decimate.to(fs, store.config.fs)]
    if isinstance(network.trunk, FitsDirectly):
        with entered(callbacks) as report:
            history = fit_directly(
                network,
                training,
                validation,
                settings.seed,
                transform=transform,
                leads=leads,
                device=device,
                quiet=quiet,
            )
            report(history)
        return _checkpoint(network, training, validation, model, settings, history)
    others = other_records(training, pretrain_on, settings, on_warning)
    identity: dict[str, Any] = {
        "model": model.to_dict(),
        **({} if sha256 is None else {"source of the network": sha256}),
    }
    options: dict[str, Any] = {
        "transform": transform,
        "augmentation": _augmentation(settings),
        "window": _crop(settings, [store, *(other.store for other in others)]),
        "leads": leads,
        "device": device,
        "state_file": state_file,
        "arguments": arguments,
        "quiet": quiet,
    }
    pretraining: History | None = None
    if features is not None and settings.pretrain_epochs:
        pretraining = pretrain(
            network,
            features,
            training,
            settings,
            also=others,
            identity=identity,
            **options,
        )
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
        callbacks=callbacks,
        **options,
    )
    return _checkpoint(
        network, training, validation, model, settings, history, others, pretraining
    )


def _checkpoint(
    network: Extractor,
    training: Selection,
    validation: Selection | None,
    model: ModelSettings,
    settings: TrainingSettings,
    history: History,
    others: Sequence[Selection] = (),
    pretraining: History | None = None,
) -> tuple[Checkpoint, History]:
    """Return the checkpoint of a trained network, and the history."""
    store, source = training.store, source_of(model.model)
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
            **({} if pretraining is None else {"pretraining": pretraining.to_dict()}),
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


def _augmentation(settings: TrainingSettings) -> list[Transform]:
    """Return the transforms of training records only, mixup last."""
    return [
        *([pipes.Augment(*AUGMENTATIONS)] if settings.augment else []),
        *([pipes.Mixup(settings.mixup)] if settings.mixup else []),
    ]


def _crop(
    settings: TrainingSettings, stores: Sequence[Store]
) -> pipes.RandomCrop | None:
    """Return the window of training records, of stores of one sampling rate."""
    if settings.crop_s is None:
        return None
    shortest = min(stores, key=lambda store: store.config.n_samples)
    config = shortest.config
    if settings.crop_s > config.duration_s:
        raise ConfigError(
            f"option crop_s is {settings.crop_s:g} s; expected at most "
            f"{config.duration_s:g} s, the duration of the records of {shortest.path}"
        )
    return pipes.RandomCrop(min(round(settings.crop_s * config.fs), config.n_samples))


def _new_extractor(
    settings: ModelSettings,
    leads: tuple[str, ...],
    fs: float,
    n_classes: int,
    n_targets: int,
    sha256: str | None,
) -> Extractor:
    """Return an extractor with random weights."""
    return create_model(
        settings.model,
        len(leads),
        n_classes,
        settings.normalise_by,
        leads=leads,
        fs=fs,
        n_targets=n_targets,
        sha256=sha256,
    )


def _require_no_steps(
    model: ModelSettings,
    settings: TrainingSettings,
    pretrain_on: Sequence[Store | Selection],
) -> None:
    """Refuse what is learned in training steps, for a network that has none."""
    asked = {
        "targets": settings.targets,
        "auxiliary_weight": settings.auxiliary_weight,
        "pretrain_epochs": settings.pretrain_epochs,
        "pretrain_on": pretrain_on,
    }
    names = [name for name, value in asked.items() if value]
    if names:
        raise ConfigError(
            f"model {model.model} is set from signals at once, without the training "
            f"steps that {', '.join(names)} need; leave them out, or choose another "
            "model"
        )


def _feature_objective(
    network: Extractor, training: Selection, settings: TrainingSettings
) -> NumberObjective | None:
    """Return the objective to predict handcrafted features, if they are learned."""
    if not settings.auxiliary_weight and not settings.pretrain_epochs:
        return None
    return feature_objective(network.n_features, training)


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
