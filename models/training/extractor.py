"""Train an extractor, and make a checkpoint of it."""

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

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
    device: torch.device | str = "cpu",
    state_file: Path | None = None,
    arguments: dict[str, Any] | None = None,
    callbacks: Sequence[EpochCallback] = (),
    quiet: bool = True,
) -> tuple[Checkpoint, History]:
    """Train an extractor; return its checkpoint and the history of the training.

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
    device, state_file, arguments, callbacks, quiet
        See `ecgstore.models.training.fit.fit`.

    Raises
    ------
    EcgStoreError
        If no record is selected, or the state file was saved by a training with other
        settings or records.
    ConfigError
        If the store's sampling rate is not a multiple of the model's, it lacks a lead
        of the model, or its records are shorter than the crops.
    """
    store = training.store
    model = model.for_store(store)
    leads = model.leads or store.leads
    source = source_of(model.model)
    sha256 = None if source is None else source["sha256"]
    fs = model.fs or store.config.fs
    network = _new_extractor(
        model, leads, fs, len(store.label_names), settings.seed, sha256
    )
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
    history = fit(
        network,
        training,
        validation,
        settings,
        transform=transform,
        augmentation=_augmentation(settings),
        window=_crop(settings, store),
        leads=leads,
        device=device,
        state_file=state_file,
        identity={
            "model": model.to_dict(),
            **({} if sha256 is None else {"source of the network": sha256}),
        },
        arguments=arguments,
        callbacks=callbacks,
        quiet=quiet,
    )
    return _checkpoint(network, training, validation, model, settings, history)


def _checkpoint(
    network: Extractor,
    training: Selection,
    validation: Selection | None,
    model: ModelSettings,
    settings: TrainingSettings,
    history: History,
) -> tuple[Checkpoint, History]:
    """Return the checkpoint of a trained network, and the history."""
    store, source = training.store, source_of(model.model)
    checkpoint = Checkpoint(
        model=model,
        weights={name: weight.cpu() for name, weight in network.state_dict().items()},
        label_names=store.label_names,
        config=store.config,
        fingerprint=store.fingerprint,
        source=source,
        origin={
            "settings": settings.to_dict(),
            "history": history.to_dict(),
            "training_rows": training.rows,
            "validation_rows": [] if validation is None else validation.rows,
            "training_signals": short_hashes(training),
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


def _crop(settings: TrainingSettings, store: Store) -> pipes.RandomCrop | None:
    """Return the window of training records."""
    if settings.crop_s is None:
        return None
    config = store.config
    if settings.crop_s > config.duration_s:
        raise ConfigError(
            f"option crop_s is {settings.crop_s:g} s; expected at most "
            f"{config.duration_s:g} s, the duration of the records of {store.path}"
        )
    return pipes.RandomCrop(min(round(settings.crop_s * config.fs), config.n_samples))


def _new_extractor(
    settings: ModelSettings,
    leads: tuple[str, ...],
    fs: float,
    n_classes: int,
    seed: int,
    sha256: str | None,
) -> Extractor:
    """Return an extractor with random weights that depend on the seed only."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return create_model(
            settings.model,
            len(leads),
            n_classes,
            settings.normalise_by,
            leads=leads,
            fs=fs,
            sha256=sha256,
        )
