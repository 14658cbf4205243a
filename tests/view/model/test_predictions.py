"""What the page says of a model equals what evaluations and explanations say."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

import ecgstore
from ecgstore import models
from ecgstore.cli import main
from ecgstore.errors import EcgStoreError
from ecgstore.models.explanation.model import explain_model
from ecgstore.models.hybrid.file import save_hybrid
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.hybrid.training import train_hybrid
from ecgstore.models.running import run
from ecgstore.models.settings import TrainingSettings
from ecgstore.plots.ecg.highlight import strengths
from ecgstore.storage import Store
from ecgstore.view.model import predictions as module
from ecgstore.view.model.disagreement import disagreement_scores
from ecgstore.view.model.predictions import Predictions
from ecgstore.view.shown import Shown
from tests.view.client import Client

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture
def predictions(store: Store, sample_checkpoint: Path) -> Iterator[Predictions]:
    """Return the network, without a thread that predicts."""
    with Predictions(store, sample_checkpoint, "cpu") as predictions:
        yield predictions


@pytest.fixture
def client(store: Store, predictions: Predictions) -> Client:
    return Client(Shown(store, model=predictions))


@pytest.fixture(scope="module")
def hybrid_file(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = HybridSettings(
        n_inner_folds=2,
        fusion=TrainingSettings(epochs=1, batch_size=16, augment=False),
    )
    hybrid = train_hybrid(store, np.arange(len(store)), settings, n_resamples=2)
    path = tmp_path_factory.mktemp("hybrid") / "model.safetensors"
    save_hybrid(hybrid, path)
    return path


def finish(predictions: Predictions) -> None:
    predictions.start()
    assert predictions._thread is not None
    predictions._thread.join()


def test_a_record_that_is_opened_is_predicted_at_once(
    client: Client, store: Store, sample_checkpoint: Path
) -> None:
    model = models.Checkpoint.load(sample_checkpoint)
    outputs = run(model.runner(store.feature_names, "cpu"), store.select(rows=[7]))
    found = client.get("/api/model/7").json()
    assert [one["name"] for one in found["classes"]] == list(store.label_names)
    labels = store.labels(rows=[7])[0]
    for one, probability, label in zip(
        found["classes"], outputs.probabilities[0].tolist(), labels, strict=True
    ):
        assert one["probability"] == probability
        assert one["threshold"] == 0.5
        assert one["predicted"] == (probability >= 0.5)
        assert one["label"] == bool(label)
        assert one["disagrees"] == (one["predicted"] != one["label"])
    assert client.get("/api/model").json()["done"] == 0


def test_all_records_are_predicted_in_a_thread(
    client: Client, store: Store, predictions: Predictions, sample_checkpoint: Path
) -> None:
    assert client.get("/api/model").json() == {
        "state": "running",
        "done": 0,
        "total": len(store),
        "message": "",
    }
    before = client.get("/api/model/7").json()
    finish(predictions)
    state = client.get("/api/model").json()
    assert (state["state"], state["done"]) == ("ready", len(store))
    model = models.Checkpoint.load(sample_checkpoint)
    outputs = run(
        model.runner(store.feature_names, "cpu"), store.select(rows=range(len(store)))
    )
    assert np.array_equal(predictions._logits, outputs.logits)
    assert client.get("/api/model/7").json() == before


def test_closing_ends_the_thread(
    predictions: Predictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = predictions._keep

    def keep(outputs: object) -> None:
        original(outputs)  # type: ignore[arg-type]
        predictions._stop.set()

    monkeypatch.setattr(predictions, "_keep", keep)
    finish(predictions)
    assert 0 < predictions.state()["done"] < predictions.state()["total"]


def test_a_failure_is_said(
    client: Client, predictions: Predictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("of a library")

    monkeypatch.setattr(module, "run_batches", fail)
    finish(predictions)
    state = client.get("/api/model").json()
    assert state["state"] == "failed"
    assert state["message"] == "the predictions stopped: RuntimeError"


def test_outputs_that_are_not_finite_are_a_failure(
    client: Client, predictions: Predictions
) -> None:
    runner = predictions._runner
    for parameter in runner._network.parameters():  # type: ignore[union-attr]
        parameter.data.fill_(float("nan"))
    finish(predictions)
    state = client.get("/api/model").json()
    assert state["state"] == "failed"
    assert "not finite" in state["message"]
    answer = client.get("/api/model/0")
    assert answer.status_code == 400
    assert "row 0" in answer.json()["error"]


def test_it_is_said_what_the_model_has_seen(client: Client, store: Store) -> None:
    """It was trained on folds 0 to 7, and its epoch was chosen by fold 8."""
    folds = store.column("fold")
    for fold, seen in ((0, "training"), (8, "validation"), (9, "unseen")):
        row = int(np.flatnonzero(folds == fold)[0])
        assert client.get(f"/api/model/{row}").json()["seen"] == seen


def test_disagreement_is_the_distance_from_the_threshold(
    predictions: Predictions, store: Store
) -> None:
    assert np.isnan(predictions.disagreement()).all()
    finish(predictions)
    scores = predictions.disagreement()
    labels = store.labels()
    wrong = (expit(predictions._logits) >= 0.5) != labels
    assert np.array_equal(scores > 0, wrong.any(axis=1))
    thresholds = np.array([0.0, 0.9])
    logits = np.array([[5.0, 2.0], [np.nan, np.nan]], np.float32)
    found = disagreement_scores(logits, thresholds, np.array([[1, 1], [0, 0]]))
    assert found[0] == pytest.approx(np.log(9) - 2)
    assert np.isnan(found[1])


def test_the_saliency_is_that_of_explain(
    client: Client, store: Store, predictions: Predictions
) -> None:
    name = store.label_names[2]
    answer = client.get("/api/saliency/5", params={"class": name})
    found = np.frombuffer(answer.content, "<f4").reshape(store.n_leads, -1)
    assert answer.headers["X-Fs"] == "100"
    assert answer.headers["X-Samples"] == str(found.shape[1])
    loader = ecgstore.pipes.loader(store.select(rows=[5]), 1, fields=("signals",))
    with loader:
        [batch] = loader
    expected = explain_model(predictions.model, predictions._runner, batch, name)
    order = [expected.leads.index(lead) for lead in store.leads]
    np.testing.assert_allclose(
        found, strengths(expected.saliency, expected.fs)[order], atol=1e-6
    )
    why = client.get("/api/explanation/5", params={"class": name}).json()
    assert why["logit"] == expected.logit
    assert why["from_signal"] == expected.from_signal
    assert why["features"] == []
    assert why["from_features"] is None


def test_the_parts_of_a_hybrid_sum_to_its_logit(
    store: Store, hybrid_file: Path
) -> None:
    with Predictions(store, hybrid_file, "cpu") as hybrid:
        client = Client(Shown(store, model=hybrid))
        described = client.get("/api/store").json()["model"]
        assert described["thresholds"] == hybrid.model.thresholds.tolist()  # type: ignore[union-attr]
        name = store.label_names[0]
        why = client.get("/api/explanation/0", params={"class": name}).json()
        assert len(why["features"]) == 12
        added = [one["contribution"] for one in why["features"]]
        assert added == sorted(added, key=lambda value: -abs(value))
        assert sum(added) + why["of_others"] == pytest.approx(why["from_features"])
        total = why["base"] + why["from_signal"] + why["from_features"]
        assert total == pytest.approx(why["logit"], abs=0.1)
        one = client.get("/api/model/0").json()["classes"][0]
        assert one["threshold"] == described["thresholds"][0]
        assert one["probability"] == pytest.approx(why["probability"])


def test_a_class_that_the_model_has_not_is_an_error(client: Client) -> None:
    for path in ("saliency", "explanation"):
        answer = client.get(f"/api/{path}/0", params={"class": "ZZ"})
        assert answer.status_code == 400
        assert "the model has no class 'ZZ'" in answer.json()["error"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": "cinc2020"}, "its classes are"),
        ({"leads": ("I", "II")}, "its leads are I, II"),
    ],
)
def test_a_model_that_does_not_fit_is_an_error_of_one_line(
    dozen_records: Path,
    tmp_path: Path,
    sample_checkpoint: Path,
    options: dict[str, object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.h5"
    config = ecgstore.Config(beats="none", select="all", **options)  # type: ignore[arg-type]
    ecgstore.build_store(dozen_records, out, config, n_workers=1, quiet=True)
    with (
        ecgstore.open(out) as store,
        pytest.raises(EcgStoreError, match=message),
    ):
        Predictions(store, sample_checkpoint, "cpu")
    arguments = ["view", str(out), "--no-browser", "--port", "0"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--model", str(sample_checkpoint)])
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
