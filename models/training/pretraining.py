"""Train a network without labels first, to predict the handcrafted features."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.models.networks.network import Network
from ecgstore.models.networks.target_head import TargetHead, varies
from ecgstore.models.seen_records import held_out_records
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.store_check import PREPROCESSING
from ecgstore.models.training.fit import fit
from ecgstore.models.training.history import History
from ecgstore.models.training.objectives import NumberObjective
from ecgstore.storage import Selection, Store

_CLIP_SD: Final = 4.0
"""Standardised features are clipped here: an interval that was measured at a misplaced
mark must not outweigh all others."""

_SAME: Final = (*PREPROCESSING, "leads")
"""Options that other stores must share: networks take the same inputs, and a
record has the same SHA-256 in two stores only with the same leads."""


def state_of_pretraining(state_file: Path) -> Path:
    """Return where the state of the pretraining is, beside that of the training.

    Examples
    --------
    >>> state_of_pretraining(Path("runs/last.pt")).name
    'pretrain-last.pt'
    """
    return state_file.with_name(f"pretrain-{state_file.name}")


def feature_objective(n_features: int, training: Selection) -> NumberObjective:
    """Return the objective to predict the handcrafted features of training records.

    Features that are the same in all records, or undefined, are left out. The weights
    of its layer are drawn from PyTorch's random generator.

    Parameters
    ----------
    n_features : int
        Number of features of the network.
    training : Selection
        The training records.

    Raises
    ------
    EcgStoreError
        If no feature varies.
    """
    values = training.features().to_numpy(np.float64)
    columns = np.flatnonzero(varies(values))
    if not len(columns):
        raise EcgStoreError(
            f"{training.store.place}: no handcrafted feature varies in the "
            f"{len(training)} training records; expected some to learn: leave out "
            "auxiliary_weight and pretrain_epochs, or train on more records"
        )
    head = TargetHead(n_features, len(columns))
    head.fit(values[:, columns])
    return NumberObjective(head, "features", columns.tolist(), _CLIP_SD)


def other_records(
    training: Selection,
    others: Sequence[Store | Selection],
    settings: TrainingSettings,
    on_warning: Callable[[str], None] | None = None,
) -> list[Selection]:
    """Return the records of other stores that a network may be pretrained on.

    Records are left out whose patients have a signal of the store of the training that
    is not among the training records: it may be tested on.

    Parameters
    ----------
    training : Selection
        The training records.
    others : sequence of Store or Selection
        All records of a store, or some.
    settings : TrainingSettings
        Settings of the training.
    on_warning : callable, optional
        Called with how many records are left out.

    Raises
    ------
    ConfigError
        If the settings have no pretraining.
    EcgStoreError
        If a store has other preprocessing or features than that of the training, or
        no record may be used.
    """
    if others and not settings.pretrain_epochs:
        raise ConfigError(
            "there are stores to pretrain on, but pretrain_epochs is 0; set it with "
            "--pretrain-epochs (in Python: TrainingSettings(pretrain_epochs=...))"
        )
    return [_allowed(training, other, on_warning) for other in others]


def _allowed(
    training: Selection,
    other: Store | Selection,
    on_warning: Callable[[str], None] | None,
) -> Selection:
    """Return the records of another store that may be used."""
    chosen = other.select() if isinstance(other, Store) else other
    store = chosen.store
    _check_same(training.store, store)
    is_held_out = held_out_records(training, store)[chosen.rows]
    n_out = int(is_held_out.sum())
    if n_out == len(chosen):
        raise EcgStoreError(
            f"{store.place}: all {n_out} records are of patients that "
            f"{training.store.place} holds out of the training; expected others to "
            "pretrain on: leave this store out"
        )
    if n_out and on_warning is not None:
        on_warning(
            f"{store.place}: {n_out} of {len(chosen)} records are left out of the "
            f"pretraining: {training.store.place} holds their patients out of the "
            "training"
        )
    return Selection(store, chosen.rows[~is_held_out])


def _check_same(store: Store, other: Store) -> None:
    """Raise an error if another store has other inputs or features."""
    for name in _SAME:
        expected, value = getattr(store.config, name), getattr(other.config, name)
        if value != expected:
            raise EcgStoreError(
                f"{other.path}: its {name} is {value}; expected {expected}, as in "
                f"{store.place}, to pretrain on it: build the store with the same "
                "options"
            )
    if other.feature_names != store.feature_names:
        raise EcgStoreError(
            f"{other.place}: its features are not those of {store.place}; expected the "
            "same, to pretrain on it: build both stores with the same version"
        )


def pretrain(
    network: Network,
    objective: NumberObjective,
    training: Selection,
    settings: TrainingSettings,
    *,
    state_file: Path | None = None,
    **options: Any,
) -> History:
    """Train a network in place to predict the handcrafted features.

    No label is read. The layers that predict the classes keep their weights, unless
    they depend on others.

    Parameters
    ----------
    network : Network
        The network.
    objective : NumberObjective
        Of the features; see `feature_objective`.
    training : Selection
        The training records.
    settings : TrainingSettings
        Settings of the training; `settings.pretrain_epochs` epochs are trained.
    state_file : Path, optional
        State file of the training that follows; see `state_of_pretraining`.
    options
        Other arguments of `ecgstore.models.training.fit.fit`.
    """
    return fit(
        network,
        training,
        None,
        replace(settings, epochs=settings.pretrain_epochs),
        objective=objective,
        state_file=None if state_file is None else state_of_pretraining(state_file),
        **options,
    )
