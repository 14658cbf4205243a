"""Train the small network on a table of features."""

from collections.abc import Sequence

import torch

from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular.fusion import FusionNetwork
from ecgstore.models.tabular.table import DeepFeatures, FeatureSet, read_table
from ecgstore.models.training.fit import fit
from ecgstore.storage import Selection


def train_fusion(
    training: Selection,
    feature_sets: Sequence[FeatureSet],
    settings: TrainingSettings,
    deep: DeepFeatures | None = None,
    *,
    device: torch.device | str = "cpu",
) -> FusionNetwork:
    """Train a `FusionNetwork` for a fixed number of epochs.

    Parameters
    ----------
    training : Selection
        Training records; nothing is fitted on others.
    feature_sets : sequence of str
        Features that are its inputs; some of `table.FEATURE_SETS`.
    settings : TrainingSettings
        Settings of the training.
    deep : DeepFeatures, optional
        Deep features of the training records, from extractors that were not trained on
        them.
    device : torch.device or str
        Device of the training.
    """
    table = read_table(training, feature_sets, deep)
    n_classes = len(training.store.label_names)
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        network = FusionNetwork(feature_sets, table.shape[1], n_classes)
    network.table_input.fit(table)
    transform = [] if deep is None else [deep]
    fit(network, training, None, settings, transform=transform, device=device)
    return network
