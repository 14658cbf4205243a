"""A network without steps: what is fitted, to what, and on which folds."""

from typing import Any

import numpy as np
import pytest

from ecgstore.models.patients import fold_numbers
from ecgstore.models.running import run_network
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training import direct
from ecgstore.models.training.extractor import train_extractor
from ecgstore.models.training.linear_head import LinearHead, fit_linear_head
from ecgstore.storage import Store

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_head_is_fitted_to_features_of_all_records_in_folds_of_patients(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[Any] = []

    def note(*arguments: Any) -> LinearHead:
        noted.append(arguments)
        return fit_linear_head(*arguments)

    monkeypatch.setattr(direct, "fit_linear_head", note)
    training = store.select(rows=range(40))
    checkpoint, _ = train_extractor(
        training, None, ModelSettings(model="minirocket", fs=100.0), TrainingSettings()
    )
    features, labels, folds = noted[0]
    np.testing.assert_array_equal(labels, store.labels(rows=training.rows))
    np.testing.assert_array_equal(folds, fold_numbers(store, training.rows, 5))
    patients = store.groups(training.rows)
    assert len(set(patients.tolist())) < len(patients)
    for patient in set(patients.tolist()):
        assert len(set(folds[patients == patient].tolist())) == 1
    network = checkpoint.network()
    outputs = run_network(
        network,
        training,
        transform=[checkpoint.decimate()],
        leads=checkpoint.leads,
    )
    np.testing.assert_array_equal(outputs.features, features)
    head = fit_linear_head(features, labels, folds)
    np.testing.assert_array_equal(network.head.weight.detach().numpy(), head.weight)
    np.testing.assert_array_equal(network.head.bias.detach().numpy(), head.bias)
    # Thresholds are quantiles of the normalised signals that the features are of.
    even = (np.arange(4032) + 0.5) / 4032
    assert np.abs(np.sort(features.mean(axis=0)) - even).max() < 0.1
