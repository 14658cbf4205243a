"""Networks on stores of fewer leads than twelve, from the build to the prediction."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import ecgstore
from ecgstore import pipes
from ecgstore.config import Config
from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.evaluation.evaluate import evaluate
from ecgstore.models.inference.extraction import extract
from ecgstore.models.inference.prediction import OK, predict
from ecgstore.models.seen_records import training_roles
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training.extractor import train_extractor
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.sources import read_record
from ecgstore.storage import Store
from ecgstore.storage.deep_features.seen import Seen

WriteRecord = Callable[..., Path]
RECORD = sample_folder() / "ptb-xl" / "g1" / "HR00001.hea"
SETTINGS = TrainingSettings(epochs=1, batch_size=16, precision="float32")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with stores of the sample, of 6, 4, 3, 2 and 1 leads."""
    folder = tmp_path_factory.mktemp("stores")
    for leads in (LEADS[:6], ("I", "II", "III", "V2"), ("I", "II", "V2"), ("V1",)):
        build(folder / f"{len(leads)}.h5", leads)
    build(folder / "2.h5", ("I", "II"))
    return folder


def build(out: Path, leads: tuple[str, ...]) -> None:
    config = Config(leads=leads, beats="none")
    ecgstore.build_store([sample_folder()], out, config, n_workers=1, quiet=True)


def trained(path: Path, leads: tuple[str, ...] | None = None) -> Checkpoint:
    """Return a checkpoint of one epoch."""
    with Store(path) as store:
        checkpoint, _ = train_extractor(
            store.select(folds=range(8)),
            store.select(folds=[8]),
            ModelSettings(model="cnn", fs=100.0, leads=leads),
            SETTINGS,
        )
    return checkpoint


@pytest.mark.parametrize("number", [6, 4, 3, 2, 1])
def test_a_network_is_trained_and_predicts_with_the_leads_of_its_store(
    stores: Path, number: int, write_record: WriteRecord, tmp_path: Path
) -> None:
    path = stores / f"{number}.h5"
    checkpoint = trained(path)
    checkpoint.save(tmp_path / "model.safetensors")
    checkpoint = Checkpoint.load(tmp_path / "model.safetensors")
    with Store(path) as store:
        leads = store.leads
        assert checkpoint.leads == checkpoint.model.leads == leads
        result = evaluate(checkpoint, store, n_resamples=50)
        out = extract(store, checkpoint, tmp_path / "features.h5")
        row = store.row("HR00001")
    with h5py.File(out) as file:
        logits = file["logits"][row]
    assert len(result.probabilities)
    # A recorder with these leads only.
    counts = np.rint(read_record(RECORD).signal * 1000)
    rows = [LEADS.index(lead) for lead in leads]
    header = write_record("HR00001", counts[rows], leads=leads)
    [predicted] = predict(checkpoint, header)
    assert predicted.status == OK
    assert predicted.probabilities is not None
    np.testing.assert_allclose(
        predicted.probabilities, 1 / (1 + np.exp(-logits)), rtol=0, atol=1e-5
    )
    if number == 2:
        header = write_record("HR00001", counts[2:], leads=LEADS[2:])
        [predicted] = predict(checkpoint, header)
        assert predicted.status == "missing_leads"
        assert "has no lead I, II;" in predicted.detail


def test_a_model_of_some_leads_needs_no_others(
    stores: Path, write_record: WriteRecord
) -> None:
    checkpoint = trained(stores / "6.h5", ("aVF", "II"))
    assert checkpoint.leads == ("aVF", "II")
    counts = np.rint(read_record(RECORD).signal * 1000)
    headers = [
        write_record("A0001", counts),
        write_record("A0002", counts[[1, 5]], leads=("II", "aVF")),
    ]
    whole, part = predict(checkpoint, headers)
    assert whole.status == part.status == OK
    assert whole.probabilities is not None
    assert part.probabilities is not None
    np.testing.assert_allclose(
        whole.probabilities, part.probabilities, rtol=0, atol=1e-6
    )
    with Store(stores / "2.h5") as store:
        with pytest.raises(EcgStoreError, match=r"2\.h5: its leads are I, II; the mod"):
            evaluate(checkpoint, store)
        with pytest.raises(EcgStoreError, match="trained on aVF, II: build the store"):
            extract(store, checkpoint)


def test_leads_that_a_store_has_not_are_refused(stores: Path) -> None:
    settings = ModelSettings(model="cnn", fs=100.0, leads=("I", "V5"))
    with Store(stores / "2.h5") as store:
        with pytest.raises(ConfigError, match=r"2\.h5: leads are .*some of I, II, eac"):
            train_extractor(store.select(), None, settings, SETTINGS)
        with pytest.raises(ConfigError, match=r"2\.h5: leads are"):
            ComparisonSettings(model=settings).for_store(store)
        with pytest.raises(ConfigError, match=r"2\.h5: leads are"):
            pipes.loader(store, 4, leads=["V5"])
        with pytest.raises(ConfigError, match=r"2\.h5: leads are"):
            pipes.Standardise.fit(store.select(), leads=["V5"])


def test_records_of_a_store_of_other_leads_are_not_recognised(stores: Path) -> None:
    checkpoint = trained(stores / "6.h5", ("I", "II"))
    with Store(stores / "2.h5") as store:
        assert set(training_roles(checkpoint, store)) == {Seen.UNKNOWN}
        result = evaluate(checkpoint, store, n_resamples=50)
        [warning] = result.warnings
        assert warning.startswith("the model was trained on a store of other leads")
    with Store(stores / "6.h5") as store:
        assert Seen.UNKNOWN not in training_roles(checkpoint, store)


def test_batches_have_the_leads_of_the_store(stores: Path) -> None:
    fields = ("signals", "fiducials")
    with Store(stores / "3.h5") as store:
        batch = next(iter(pipes.loader(store, 4, fields=fields)))
        some = next(iter(pipes.loader(store, 4, fields=fields, leads=["V2", "I"])))
        assert (batch.leads, some.leads) == (("I", "II", "V2"), ("V2", "I"))
        for name in fields:
            every, chosen = getattr(batch, name), getattr(some, name)
            assert torch.equal(chosen, every[:, [2, 0]])
        fitted = pipes.Standardise.fit(store.select())
        assert fitted.leads == store.leads
        signals = fitted(batch).signals
        assert signals is not None
        assert signals.shape == (4, 3, 5000)
        drop = pipes.Augment(pipes.LeadDropout(lead_probability=1.0, probability=1.0))
        signals = drop(next(iter(pipes.loader(store, 4)))).signals
        assert signals is not None
        assert (signals.abs().sum(dim=2) > 0).sum(dim=1).tolist() == [1] * 4
        assert store.as_dataset(leads="V2")[0]["signals"].shape == (1, 5000)


def test_settings_name_the_leads(stores: Path) -> None:
    assert ModelSettings().leads is None
    with Store(stores / "2.h5") as store:
        assert ModelSettings().for_store(store).leads == ("I", "II")
        named = ComparisonSettings().for_store(store)
        assert named.to_dict()["model"]["leads"] == ["I", "II"]
