"""Leads are read in the model's order, whoever uses a checkpoint."""

from pathlib import Path

import h5py
import numpy as np

from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.evaluation.evaluate import evaluate
from ecgstore.models.inference.extraction import extract
from ecgstore.models.inference.run import run_network
from ecgstore.models.networks.create import create_model
from ecgstore.models.settings import ModelSettings
from ecgstore.record import LEADS
from ecgstore.storage import Store


def test_extract_and_evaluate_read_the_leads_of_the_model(
    sample_store: Path, tmp_path: Path
) -> None:
    turned = LEADS[::-1]  # as many as the store has: no shape tells them apart
    with Store(sample_store) as store:
        checkpoint = Checkpoint(
            model=ModelSettings(model="cnn", fs=100.0, leads=turned),
            weights=create_model("cnn", 12, len(store.label_names)).state_dict(),
            label_names=store.label_names,
            config=store.config,
            fingerprint="of another store",
            origin={"training_signals": [], "validation_signals": []},
        )
        network, slow = checkpoint.network(), [checkpoint.decimate()]
        right = run_network(network, store.select(), transform=slow, leads=turned)
        wrong = run_network(network, store.select(), transform=slow)
        assert np.abs(right.features - wrong.features).max() > 1e-3
        with h5py.File(extract(store, checkpoint, tmp_path / "f.h5")) as file:
            np.testing.assert_allclose(file["features"][...], right.features, atol=1e-5)
        result = evaluate(
            checkpoint, store, folds=[*range(8), 9], validation_folds=[8],
            n_resamples=50,
        )  # fmt: skip
        np.testing.assert_allclose(
            result.probabilities, right.probabilities[result.rows], atol=1e-6
        )
