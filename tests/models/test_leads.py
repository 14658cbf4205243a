"""Every use of a checkpoint reads the leads in the order of the model."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.evaluation.evaluate import evaluate
from ecgstore.models.inference.extraction import extract
from ecgstore.models.networks.create import create_model
from ecgstore.models.running import run_network
from ecgstore.models.settings import ModelSettings
from ecgstore.record import LEADS
from ecgstore.storage import Store


def test_extract_and_evaluate_read_the_leads_of_the_model(
    sample_store: Path, tmp_path: Path
) -> None:
    # All leads, but in reverse: the shape of a batch does not show a wrong order.
    leads = LEADS[::-1]
    with Store(sample_store) as store:
        checkpoint = Checkpoint(
            model=ModelSettings(model="cnn", fs=100.0, leads=leads),
            weights=create_model("cnn", 12, len(store.label_names)).state_dict(),
            label_names=store.label_names,
            config=store.config,
            fingerprint="of another store",
            origin={"training_signals": [], "validation_signals": []},
        )
        network, transform = checkpoint.network(), [checkpoint.decimate()]
        expected = run_network(
            network, store.select(), transform=transform, leads=leads
        )
        with pytest.raises(EcgStoreError, match="signals have the leads I, II, III"):
            run_network(network, store.select(), transform=transform)
        with pytest.raises(EcgStoreError, match=r"have 500 Hz; .* trained on 100 Hz"):
            run_network(network, store.select(), leads=leads)
        with h5py.File(extract(store, checkpoint, tmp_path / "f.h5")) as file:
            features = file["features"][...]
        np.testing.assert_allclose(features, expected.features, atol=1e-5)
        result = evaluate(
            checkpoint, store, folds=[*range(8), 9], validation_folds=[8],
            n_resamples=50,
        )  # fmt: skip
        np.testing.assert_allclose(
            result.probabilities, expected.probabilities[result.rows], atol=1e-6
        )
