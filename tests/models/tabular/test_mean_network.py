"""The mean of several trainings of the small network."""

import numpy as np
import pytest
import torch

from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular.classifiers import NetworkOnTable
from ecgstore.models.tabular.fits import fit_network
from ecgstore.models.tabular.mean_network import N_NETWORKS, MeanNetwork
from ecgstore.models.tabular.table import read_table
from ecgstore.storage import Selection

pytestmark = pytest.mark.usefixtures("one_thread")


def test_logits_are_the_mean_of_unlike_trainings(
    training: Selection, settings: TrainingSettings
) -> None:
    trained = fit_network(training, ("age_sex",), None, settings)
    table = read_table(training, ("age_sex",), None)
    networks = [*trained.network.networks]
    assert len(networks) == N_NETWORKS > 1
    with torch.inference_mode():
        alone = [network(torch.from_numpy(table)) for network in networks]
    logits = np.stack([output.logits.double().numpy() for output in alone])
    np.testing.assert_allclose(trained.logits(table), logits.mean(axis=0), atol=1e-5)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert not np.allclose(logits[first], logits[second])
    features = torch.cat([output.features for output in alone], dim=1)
    assert features.shape[1] == trained.network.n_features
    torch.testing.assert_close(trained.outputs(table).features, features)


def test_weights_can_be_loaded(training: Selection, settings: TrainingSettings) -> None:
    trained = fit_network(training, ("age_sex",), None, settings)
    table = read_table(training, ("age_sex",), None)
    n_classes = len(training.store.label_names)
    other = MeanNetwork.untrained(("age_sex",), table.shape[1], n_classes)
    other.load_state_dict(trained.network.state_dict())
    loaded = NetworkOnTable(other.eval(), trained.columns)
    np.testing.assert_array_equal(loaded.logits(table), trained.logits(table))
