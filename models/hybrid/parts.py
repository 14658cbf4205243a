"""Train the parts of a hybrid on the records of an inner fold."""

from dataclasses import replace

import torch

from ecgstore.arrays import IntArray
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.hybrid.inner_folds import InnerFold
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.networks.create import fits_directly
from ecgstore.models.running import Outputs, run_network
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.tabular.classifiers import TableClassifier
from ecgstore.models.tabular.fits import FITS, Kind
from ecgstore.models.tabular.table import FeatureSet
from ecgstore.models.training.extractor import train_extractor
from ecgstore.storage import Selection, Store


def feature_sets(age_sex: bool) -> tuple[FeatureSet, ...]:
    """Return the features of the classifiers on tables."""
    return ("handcrafted", "age_sex") if age_sex else ("handcrafted",)


def table_settings(settings: HybridSettings) -> TrainingSettings:
    """Return the settings of the classifiers on tables, with the seed of all."""
    return replace(settings.fusion, seed=settings.training.seed)


def fit_on_table(
    kind: Kind, store: Store, fold: InnerFold, settings: HybridSettings
) -> TableClassifier:
    """Train a classifier on the handcrafted features of the records of a fold."""
    sets = feature_sets(settings.age_sex)
    return FITS[kind](Selection(store, fold.seen), sets, None, table_settings(settings))


def fit_extractor(
    store: Store,
    fold: InnerFold,
    model: ModelSettings,
    settings: TrainingSettings,
    device: torch.device | str = "cpu",
) -> Checkpoint:
    """Train an extractor on the signals of the records of a fold.

    Validation records are held out from its training for early stopping, unless it has
    no steps to stop.
    """
    if fits_directly(model.model):
        training, validation = Selection(store, fold.seen), None
    else:
        training = Selection(store, fold.training)
        validation = Selection(store, fold.validation)
    return train_extractor(training, validation, model, settings, device=device)[0]


def extractor_outputs(
    checkpoint: Checkpoint,
    store: Store,
    rows: IntArray,
    device: torch.device | str = "cpu",
) -> Outputs:
    """Return the outputs of an extractor for some rows of a store."""
    return run_network(
        checkpoint.network().to(device),
        Selection(store, rows),
        transform=[checkpoint.decimate()],
        leads=checkpoint.leads,
        device=device,
    )
